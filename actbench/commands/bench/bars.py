"""`actbench bench bars`: what was promised of speed, and what this machine measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tabulate import tabulate

from actbench.bench.allocator import set_allocator
from actbench.bench.bars import BARS, Bar, DeviceKind, Section, bars_of, sections_of
from actbench.commands.bench.setting import (
    at_least,
    cifar_folder,
    machine,
    machine_text,
    paces_now,
    spread_document,
)
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.nearest import name_hints
from actbench.recipe.overrides import COMMAND_LINE

if TYPE_CHECKING:
    from actbench.bench.pace import Pace
    from actbench.bench.timing import Spread

_HEADERS = ("bar", "first", "aim", "measured", "reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsRequest:
    sections: tuple[str, ...] = ()
    """All of the device's if empty."""
    device: str = "cpu"
    rounds: int = 15
    data_dir: Path = Path("data")
    """CIFAR-100 is taken from here; without it, random bytes of its shape."""
    check: bool = False


class _Row(NamedTuple):
    bar: Bar
    measured: "Spread"

    @property
    def is_missed(self) -> bool:
        return self.bar.is_missed(self.measured.median)


def bench_bars(request: BarsRequest, note: Callable[[str], None] = lambda _text: None) -> Outcome:
    """Raises ActbenchError for a section or a device that is not there; exit code 4 if a first bar is missed under
    `check`."""
    at_least("--rounds", request.rounds, 2)
    _require_known(request.sections)
    # Loads PyTorch, which mistakes on the command line do without; the allocator is told before anything is allocated.
    allocator = set_allocator("keep")
    import torch

    from actbench.bench.bar_sections import Extent, measure
    from actbench.training.precision import resolve_device

    device = resolve_device(request.device)
    kind, sections = _chosen(request.sections, device.type)
    if kind == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(0)
    images_dir = cifar_folder(request.data_dir)
    extent = Extent(device=device, rounds=request.rounds, images_dir=images_dir)
    rows: list[_Row] = []
    paces: list[Pace] = []
    for section in sections:
        note(f"measuring {section}")
        paces += paces_now(device)
        found = dict(measure(section, kind, extent))
        rows += [_Row(bar, found[name]) for name, bar in bars_of(section, kind).items() if name in found]
    facts = machine(device, paces)
    data = "random bytes of CIFAR's shape" if images_dir is None else "CIFAR-100"
    setting = {"sections": sections, "rounds": request.rounds, "data": data, "allocator": allocator}
    missed = [row.bar.name for row in rows if row.is_missed]
    return Outcome(
        text=_text(rows, facts, setting),
        document={"machine": facts, "setting": setting, "bars": list(map(_document, rows)), "missed": missed},
        warnings=tuple(f"first bar missed: {name}" for name in missed) if request.check else (),
        exit_code=NotComparableError.exit_code if missed and request.check else 0,
    )


def _require_known(sections: Sequence[str]) -> None:
    known = dict.fromkeys(bar.section for bar in BARS)
    for section in sections:
        if section not in known:
            hints = name_hints(section, known)
            raise ActbenchError(f"unknown section {section!r}", where=COMMAND_LINE, hints=hints)


def _chosen(wanted: Sequence[str], device_type: str) -> tuple[DeviceKind, list[Section]]:
    """The sections to measure, in the order of the table."""
    if device_type not in ("cpu", "cuda"):
        raise ActbenchError(f"there are no bars for {device_type}", where=COMMAND_LINE, key="--device")
    kind: DeviceKind = "cuda" if device_type == "cuda" else "cpu"
    there = sections_of(kind)
    for section in wanted:
        if section not in there:
            message = f"section {section!r} has no bars on {kind}"
            raise ActbenchError(message, where=COMMAND_LINE, hints=[f"sections there: {', '.join(there)}"])
    return kind, [section for section in there if not wanted or section in wanted]


def _document(row: _Row) -> dict[str, object]:
    bar = row.bar
    return {
        "section": bar.section,
        "bar": bar.name,
        "unit": bar.unit,
        "sense": bar.sense,
        "first": bar.first,
        "aim": bar.aim,
        "measured": spread_document(row.measured),
        "reached": bar.reached(row.measured.median) or None,
    }


def _text(rows: Sequence[_Row], facts: dict[str, object], setting: dict[str, object]) -> str:
    cells = [
        [row.bar.name, row.bar.promised, row.bar.aimed, _shown(row), row.bar.reached(row.measured.median)]
        for row in rows
    ]
    grid = tabulate(cells, _HEADERS, tablefmt="github", disable_numparse=True)
    commit = (
        f" at {str(facts['commit'])[:7]}{', changed' if facts['dirty'] else ''}" if facts["commit"] else ""
    )
    return "\n".join(
        [
            f"{machine_text(facts)}, python {facts['python']}, actbench {facts['actbench']}{commit}",
            f"{setting['rounds']} rounds, images: {setting['data']}; allocator: {setting['allocator']}",
            "",
            grid,
            "",
            _summary(rows),
            "median [quartiles] of ratios of the same round; kernels on (256,64,16,16) float32, one thread's CPU time,"
            if facts["device"] == "cpu"
            else "median [quartiles] of ratios of the same round; kernels on (256,64,56,56) bfloat16, GPU time,",
            "unless a row says otherwise; docs/bench.md tells how each is measured",
        ]
    )


def _summary(rows: Sequence[_Row]) -> str:
    judged = [row for row in rows if row.bar.first is not None]
    reached = [row for row in judged if not row.is_missed]
    aims = [row for row in judged if row.bar.reached(row.measured.median) == "aim"]
    return f"{len(reached)} of {len(judged)} first bars reached, {len(aims)} of them with the aim"


def _shown(row: _Row) -> str:
    median, low, high = row.measured
    unit = "" if row.bar.first is not None or row.bar.aim is not None else f" {row.bar.unit}"
    form = ",.0f" if median >= 1000 else ".2f"
    spread = "" if low == median == high else f" [{low:{form}} to {high:{form}}]"
    return f"{median:{form}}{spread}{unit}"
