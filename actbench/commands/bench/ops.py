"""`actbench bench ops`: activations beside ReLU, SiLU and a copy of the same tensors."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from actbench.activations.catalog import ENTRIES
from actbench.activations.plugins import find_entry, load_plugin
from actbench.bench.allocator import Allocator, set_allocator
from actbench.commands.bench.setting import (
    at_least,
    faults_warning,
    machine,
    machine_text,
    spread_document,
)
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError, Problem, RecipeError
from actbench.recipe.convert import convert
from actbench.recipe.nearest import name_hints
from actbench.recipe.overrides import COMMAND_LINE, is_override, option_layer

if TYPE_CHECKING:
    from actbench.bench.activations import Dtype, Layout
    from actbench.bench.ops import Cost, OpRow, OpsResult

USUAL = (
    "relu",
    "silu",
    "gelu",
    "prelu",
    "swish",
    "pwlu",
    "rational",
    "gr_kan",
    "dyrelu",
    "apalu",
    "sqish",
    "talu",
    "relu2",
    "lslu",
    "series",
)
"""What is measured where nobody says what."""
EVERY = "all"
_LARGEST_BYTES = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsRequest:
    words: tuple[str, ...] = ()
    """Names of activations, `all`, and options such as n=5 where one is named; none stands for the usual ones."""
    plugins: tuple[Path, ...] = ()
    shape: str = "256,64,16,16"
    dtype: "Dtype" = "float32"
    layout: "Layout" = "contiguous"
    device: str = "cpu"
    with_compiled: bool = False
    threads: int = 1
    rounds: int = 15
    allocator: Allocator = "keep"


def bench_ops(request: OpsRequest, note: Callable[[str], None] = lambda _text: None) -> Outcome:
    """Raises ActbenchError for an unknown name, wrong options, and a shape that a named activation does not take."""
    at_least("--rounds", request.rounds, 2)
    at_least("--threads", request.threads, 1)
    shape = _shape(request)
    chosen = _chosen(request)
    # Loads PyTorch, which mistakes on the command line do without; the allocator is told before anything is allocated.
    allocator = set_allocator(request.allocator)
    import torch

    from actbench.bench.activations import Setting
    from actbench.bench.ops import Wanted, measure_ops
    from actbench.training.precision import resolve_device

    device = resolve_device(request.device)
    torch.set_num_threads(request.threads)
    wanted = [
        Wanted(name=name, options=options, is_optional=EVERY in request.words) for name, options in chosen
    ]
    setting = Setting(shape=shape, dtype=request.dtype, layout=request.layout, device=device)
    result = measure_ops(
        wanted, setting, rounds=request.rounds, with_compiled=request.with_compiled, note=note
    )
    facts = machine(device)
    warnings = (*result.left_out, *faults_warning(result.page_faults, result.rounds))
    return Outcome(
        text=ops_text(result, facts, allocator),
        document=ops_document(result, facts, allocator),
        warnings=warnings,
    )


def _shape(request: OpsRequest) -> tuple[int, ...]:
    def wrong(what: str) -> ActbenchError:
        return ActbenchError(what, where=COMMAND_LINE, key="--shape", hints=["such as 256,64,16,16"])

    sizes = request.shape.split(",")
    if len(sizes) < 2 or not all(size.strip().isdecimal() for size in sizes):
        raise wrong(f"{request.shape!r} is no shape: batch, channels and what is behind them")
    shape = tuple(map(int, sizes))
    if min(shape) < 1 or shape[0] < 2:
        raise wrong(f"shape {request.shape}: sizes must be at least 1, and the first, the batch, at least 2")
    if math.prod(shape) * 4 > _LARGEST_BYTES:
        raise wrong(f"shape {request.shape}: more than {_LARGEST_BYTES >> 30} GiB in float32")
    if request.layout == "channels_last" and len(shape) != 4:
        raise wrong(f"shape {request.shape}: channels_last is a layout of four dimensions")
    return shape


def _chosen(request: OpsRequest) -> list[tuple[str, Mapping[str, Any]]]:
    loaded = [entry.name for path in request.plugins for entry in load_plugin(path)]
    names = [word for word in request.words if not is_override(word)]
    settings = [word for word in request.words if is_override(word)]
    if EVERY in names:
        if len(names) > 1:
            raise ActbenchError(f"{EVERY} is all of them: name no other beside it", where=COMMAND_LINE)
        names = list(ENTRIES)
    elif not names:
        names = loaded or list(USUAL)
    for name in names:
        if find_entry(name) is None:
            hints = (*name_hints(name, ENTRIES), "your own: --plugin FILE.py")
            raise ActbenchError(f"unknown activation {name!r}", where=COMMAND_LINE, hints=hints)
    if settings and len(names) != 1:
        message = f"options belong to one activation: name one beside {settings[0]}"
        raise ActbenchError(message, where=COMMAND_LINE)
    return [(name, _options(name, settings)) for name in dict.fromkeys(names)]


def _options(name: str, settings: list[str]) -> dict[str, Any]:
    """What the settings say, read by the types that the catalogue declares; defaults are left out."""
    entry = find_entry(name)
    assert entry is not None
    problems: list[Problem] = []
    options = convert(option_layer(settings, problems), entry.options, problems)
    if problems or options is None:
        raise RecipeError(problems)
    return options.model_dump(exclude_unset=True)


def ops_document(result: "OpsResult", facts: dict[str, object], allocator: str) -> dict[str, object]:
    setting = result.setting
    return {
        "machine": facts,
        "setting": {
            "shape": list(setting.shape),
            "dtype": setting.dtype,
            "layout": setting.layout,
            "rounds": result.rounds,
            "clock": result.clock,
            "allocator": allocator,
            "page_faults": result.page_faults,
        },
        "copy": {
            "time_s": spread_document(result.copy_time_s),
            "bytes_per_s": result.copy_bytes_per_s,
        },
        "activations": [
            {
                "activation": row.activation,
                "options": dict(row.options),
                "compiled": row.is_compiled,
                "backend": row.backend,
                "forward": _cost_document(row.forward),
                "both": _cost_document(row.both),
                "kept_bytes_per_element": row.kept_bytes_per_element,
                "kept_inputs": row.kept_inputs,
                "peak_bytes_per_element": row.peak_bytes_per_element,
                "operations_per_element": row.operations_per_element,
                "keeps_layout": row.keeps_layout,
                "first_call_s": row.first_call_s,
            }
            for row in result.rows
        ],
        "left_out": list(result.left_out),
    }


def _cost_document(cost: "Cost") -> dict[str, object]:
    return {
        "time_s": spread_document(cost.time_s),
        "over_relu": spread_document(cost.over_relu),
        "over_silu": spread_document(cost.over_silu),
        "bytes_per_s": cost.bytes_per_s,
        "of_copy": cost.of_copy,
    }


_HEADERS = (
    "activation",
    "computed by",
    "forward\n/ relu",
    "both\n/ relu",
    "both\n/ silu",
    "both\nms",
    "GB/s\n(of copy)",
    "kept\nB",
    "peak\nB",
    "ops",
)


def ops_text(result: "OpsResult", facts: dict[str, object], allocator: str) -> str:
    setting = result.setting
    shape = ",".join(map(str, setting.shape))
    grid = tabulate(
        [_cells(row) for row in result.rows],
        _HEADERS,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left", "left", *["right"] * (len(_HEADERS) - 2)],
    )
    lines = [
        f"{shape} {setting.dtype}, {setting.layout}; {machine_text(facts)}",
        f"{result.clock}, {result.rounds} rounds; allocator: {allocator}",
        f"a copy: {1e3 * result.copy_time_s.median:.2f} ms, {result.copy_bytes_per_s / 1e9:.1f} GB/s",
        "",
        *(line.rstrip() for line in grid.split("\n")),
        "",
        "both: forward and backward with all gradients; ratios to the same round: median [quartiles]; B and ops per "
        "element",
    ]
    moved = [_label(row) for row in result.rows if not row.keeps_layout]
    if moved:
        lines.append(
            f"output in another layout than the input, for the next layer to pay: {', '.join(moved)}"
        )
    lines += [
        f"first call of {_label(row)}: {row.first_call_s:.1f} s" for row in result.rows if row.is_compiled
    ]
    return "\n".join(lines)


def _label(row: "OpRow") -> str:
    options = " ".join(f"{key}={value}" for key, value in row.options.items())
    return f"{row.activation}{f' {options}' if options else ''}{', compiled' if row.is_compiled else ''}"


def _cells(row: "OpRow") -> list[str]:
    both = row.both
    operations = row.operations_per_element
    return [
        _label(row),
        row.backend,
        str(row.forward.over_relu),
        str(both.over_relu),
        str(both.over_silu),
        f"{1e3 * both.time_s.median:.2f}",
        f"{both.bytes_per_s / 1e9:.1f} ({100 * both.of_copy:.0f} %)",
        f"{row.kept_bytes_per_element:.1f}",
        f"{row.peak_bytes_per_element:.1f}",
        "-" if operations is None else f"{operations:g}",
    ]
