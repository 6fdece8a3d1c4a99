"""`actbench check`: whether activations keep the contract, check by check."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from tabulate import tabulate

from actbench.activations.catalog import ENTRIES
from actbench.activations.plugins import find_entry, load_plugin
from actbench.commands.outcome import Outcome
from actbench.contract.result import CheckResult, Status
from actbench.errors import ActbenchError, Problem, RecipeError
from actbench.recipe.convert import convert
from actbench.recipe.nearest import name_hints
from actbench.recipe.overrides import COMMAND_LINE, option_layer

_LARGEST = 2**20
_SHAPES = {1: (2, 16, 6, 6), -1: (2, 9, 16)}
"""Where the user names none: images, or tokens. Groups of 2, 4 and 8 divide the channels."""
_DETAIL_WIDTH = 86


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    names: tuple[str, ...] = ()
    """One activation; none stands for all of the plug-ins, or with `every` for all of the catalogue."""
    settings: tuple[str, ...] = ()
    """Options of that one activation, such as n=5."""
    every: bool = False
    plugins: tuple[Path, ...] = ()
    shape: str | None = None
    """Of the output, as 2,16,6,6."""
    channel_dim: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    activation: str
    options: dict[str, Any]
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        return not any(result.status == "fail" for result in self.results)

    def count(self, status: Status) -> int:
        return sum(result.status == status for result in self.results)


def check(request: CheckRequest) -> Outcome:
    """Runs all checks of the contract; exit code 1 if one fails.

    An activation fails no check for want of a declaration. ActbenchError for an unknown name, wrong options, and a
    shape that the activation does not take.
    """
    names = _names(request)
    shape = _shape(request)
    chosen = [(name, _options(name, request.settings)) for name in names]
    reports = [_report(name, options, shape, request.channel_dim) for name, options in chosen]
    document = {
        "passed": all(report.passed for report in reports),
        "shape": shape,
        "channel_dim": request.channel_dim,
        "activations": [
            {
                "activation": report.activation,
                "options": report.options,
                "passed": report.passed,
                "checks": [asdict(result) for result in report.results],
            }
            for report in reports
        ],
    }
    return Outcome(
        text=_table(reports[0]) if len(reports) == 1 else _summary(reports),
        document=document,
        exit_code=0 if document["passed"] else 1,
    )


def _names(request: CheckRequest) -> tuple[str, ...]:
    loaded = [entry.name for path in request.plugins for entry in load_plugin(path)]
    if len(request.names) > 1:
        message = f"check takes one activation and its options, not {' '.join(request.names)}"
        raise ActbenchError(message, where=COMMAND_LINE, hints=["--all checks all of the catalogue"])
    if request.every and request.names:
        raise ActbenchError("name an activation or say --all", where=COMMAND_LINE)
    names = request.names or (tuple(ENTRIES) if request.every else tuple(loaded))
    if not names:
        hints = ["actbench ls arms", "--all checks all of the catalogue"]
        raise ActbenchError("no activation named", where=COMMAND_LINE, hints=hints)
    if request.settings and not request.names:
        message = f"options belong to one activation: name it before {request.settings[0]}"
        raise ActbenchError(message, where=COMMAND_LINE)
    return names


def _shape(request: CheckRequest) -> tuple[int, ...]:
    if request.shape is None:
        return _SHAPES[-1 if request.channel_dim != 1 else 1]
    sizes = request.shape.split(",")
    if not all(size.strip().isdecimal() for size in sizes) or len(sizes) < 2:
        raise ActbenchError(
            f"{request.shape!r} is no shape", where=COMMAND_LINE, key="--shape", hints=["such as 2,16,6,6"]
        )
    shape = tuple(int(size) for size in sizes)
    if min(shape) < 1 or shape[0] < 2:
        message = f"shape {request.shape}: sizes must be at least 1, and the first, the batch, at least 2"
        raise ActbenchError(message, where=COMMAND_LINE, key="--shape")
    if math.prod(shape) > _LARGEST:
        message = f"shape {request.shape}: more than {_LARGEST:,} values are no check but a load test"
        raise ActbenchError(message, where=COMMAND_LINE, key="--shape")
    return shape


def _options(name: str, settings: Iterable[str]) -> dict[str, Any]:
    """What the settings say, read by the types that the catalogue declares; defaults are left out."""
    entry = find_entry(name)
    if entry is None:
        hints = (*name_hints(name, ENTRIES), "your own: --plugin FILE.py")
        raise ActbenchError(f"unknown activation {name!r}", where=COMMAND_LINE, hints=hints)
    problems: list[Problem] = []
    options = convert(option_layer(settings, problems), entry.options, problems)
    if problems or options is None:
        raise RecipeError(problems)
    return options.model_dump(exclude_unset=True)


def _report(name: str, options: dict[str, Any], shape: tuple[int, ...], channel_dim: int) -> _Report:
    # Loads PyTorch, which usage and mistakes on the command line do without.
    from actbench.activations.create import create_activation
    from actbench.contract.suite import run_checks

    if channel_dim not in range(-len(shape) + 1, len(shape)) or channel_dim == 0:
        message = f"channel dimension {channel_dim} is none of a batch of shape {','.join(map(str, shape))}"
        raise ActbenchError(message, where=COMMAND_LINE, key="--channel-dim")
    # What the constructor refuses is a mistake of whoever asked; an activation made in vain is nothing lost.
    module = create_activation(name, shape[channel_dim], channel_dim=channel_dim, **options)
    needed = getattr(module, "spatial_dims", 0)
    if len(shape) < 2 + needed:
        message = (
            f"{name} needs {needed} dimensions behind the channels, not those of {','.join(map(str, shape))}"
        )
        raise ActbenchError(message, where=COMMAND_LINE, key="--shape")
    results = run_checks(
        lambda channels: create_activation(name, channels, channel_dim=channel_dim, **options),
        shape=shape,
        channel_dim=channel_dim,
    )
    return _Report(activation=name, options=options, results=results)


def _table(report: _Report) -> str:
    rows = [
        [result.name, result.status, textwrap.fill(result.detail, _DETAIL_WIDTH, break_on_hyphens=False)]
        for result in report.results
    ]
    return f"{_grid(rows, ['check', 'result', 'what was seen'])}\n\n{_sentence(report)}"


def _summary(reports: Sequence[_Report]) -> str:
    """A line for each activation, and below them what failed."""
    statuses = get_args(Status)
    rows = [
        [report.activation, *(str(report.count(status) or "-") for status in statuses)] for report in reports
    ]
    lines = [_grid(rows, ["activation", *statuses])]
    lines += [
        f"\n{report.activation}: {result.name} fails: {result.detail}"
        for report in reports
        for result in report.results
        if result.status == "fail"
    ]
    failing = sum(not report.passed for report in reports)
    lines.append(f"\n{len(reports) - failing} of {len(reports)} activations keep the contract")
    return "\n".join(lines)


def _sentence(report: _Report) -> str:
    counts = ", ".join(
        f"{report.count(status)} {status}" for status in get_args(Status) if report.count(status)
    )
    return f"{report.activation} {'keeps' if report.passed else 'breaks'} the contract: {counts}"


def _grid(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers=headers, tablefmt="plain", disable_numparse=True)
