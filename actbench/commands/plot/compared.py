"""`actbench plot seeds` and `actbench plot pareto`: the numbers of `compare` as figures. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from actbench.commands.outcome import Outcome
from actbench.commands.plot.request import Drawing, PlotRequest, check_width, stem, write_figures
from actbench.compare import compare
from actbench.comparison import Group
from actbench.errors import ActbenchError
from actbench.imported.group import ImportedSelection, imported_side
from actbench.papers.reported import load_paper
from actbench.plots.arms import COSTS, ArmPoints, CostKind, arm_points, axis_name, cost_name
from actbench.plots.figure import COLUMN_WIDTH
from actbench.plots.pareto import draw_pareto, front
from actbench.plots.seeds import draw_seeds
from actbench.plots.subject import Subject, subject_of_group
from actbench.record import Weights, Which
from actbench.selection import select


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which numbers are compared, as `compare` asks for them."""

    baselines: tuple[str, ...] = ()
    metric: str | None = None
    which: Which = "last"
    weights: Weights = "raw"


def plot_seeds(request: PlotRequest, reading: Reading) -> Outcome:
    """A row per arm with a dot per seed."""
    check_width(request.width)
    compared, warnings = _compared(request, reading)
    drawings = [
        Drawing(
            f"{stem(one.group.setting)}-seeds",
            partial(
                draw_seeds, one.subject, one.arms, axis_name(one.group), width=request.width or COLUMN_WIDTH
            ),
        )
        for one in compared
    ]
    return write_figures(drawings, request.output, warnings)


def plot_pareto(request: PlotRequest, reading: Reading, cost: CostKind = "time") -> Outcome:
    """Value against cost. Raises ActbenchError where no arm has that cost."""
    check_width(request.width)
    compared, warnings = _compared(request, reading)
    drawings, fronts = [], []
    for one in compared:
        with_cost = [arm for arm in one.arms if cost in arm.costs and arm.mean is not None]
        if not with_cost:
            raise _no_cost(one, cost)
        lacking = [arm.arm for arm in one.arms if arm not in with_cost]
        warnings += (
            [f"left out of the figure, without value or cost: {', '.join(lacking)}"] if lacking else []
        )
        fronts.append(
            {"figure": stem(one.group.setting), "front": [arm.arm for arm in front(with_cost, cost)]}
        )
        drawings.append(
            Drawing(
                f"{stem(one.group.setting)}-pareto-{cost}",
                partial(
                    draw_pareto,
                    one.subject,
                    with_cost,
                    cost,
                    axis=axis_name(one.group),
                    cost_axis=cost_name(one.group, cost),
                    width=request.width or COLUMN_WIDTH,
                ),
            )
        )
    return write_figures(drawings, request.output, warnings, cost=cost, fronts=fronts)


class _Compared(NamedTuple):
    group: Group
    subject: Subject
    arms: Sequence[ArmPoints]
    where: str


def _compared(request: PlotRequest, reading: Reading) -> tuple[list[_Compared], list[str]]:
    selected = select(request.sources(request.references)._replace(takes_imported=True))
    keys = sorted({selection.plan.paper for selection in selected.selections if selection.plan.paper})
    comparison = compare(
        selected.selections,
        papers={key: load_paper(key) for key in keys},
        baselines=reading.baselines,
        metric=reading.metric,
        which=reading.which,
        weights=reading.weights,
        imported=selected.imported,
    )
    own = len(selected.selections)
    compared = [
        _Compared(group, subject_of_group(group), arm_points(group), str(selection.paths[0].parent))
        for group, selection in zip(comparison.groups, selected.selections, strict=False)
    ] + [
        _of_imported(group, selection)
        for group, selection in zip(comparison.groups[own:], selected.imported, strict=True)
    ]
    for one in compared:
        if not any(arm.values for arm in one.arms):
            raise ActbenchError("none of these runs completed: there is no value to draw", where=one.where)
    return compared, list(selected.warnings)


def _of_imported(group: Group, selection: ImportedSelection) -> _Compared:
    values = {}
    for arm in selection.arms:
        runs = [run for run in selection.runs if run.arm == arm]
        values[arm] = imported_side(arm, runs, group.metric.name, selection.path).values
    subject = subject_of_group(group, shares_seeds=selection.imported.is_paired)
    return _Compared(group, subject, arm_points(group, values), str(selection.path))


def _no_cost(one: _Compared, cost: CostKind) -> ActbenchError:
    if cost == "time" and not one.subject.baselines:
        return ActbenchError(
            f"{one.subject.setting.name!r} has no baseline whose time others are divided by",
            where="command line",
            hints=["name one by --baseline", "or another cost: --cost kept, --cost parameters"],
        )
    why = {
        "time": "time of an update that can be compared: not timed, or on different machines",
        "kept": "count of the bytes kept for backward",
        "parameters": "count of parameters",
    }[cost]
    others = [f"--cost {kind}" for kind in COSTS if any(kind in arm.costs for arm in one.arms)]
    return ActbenchError(
        f"these records hold no {why}",
        where=one.where,
        hints=[f"they have: {', '.join(others) or 'no cost'}"],
    )
