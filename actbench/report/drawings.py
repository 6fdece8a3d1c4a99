"""Which figures a chapter has, and what is said beneath and instead of each. matplotlib is loaded to draw one."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from actbench.comparison import Group
from actbench.plots.arms import ArmPoints, arm_points
from actbench.plots.curves import draw_curves
from actbench.plots.figure import COLUMN_WIDTH, PAGE_WIDTH, render, style
from actbench.plots.learning import QUANTITIES, ArmCurves, Quantity, arm_curves
from actbench.plots.looks import in_order
from actbench.plots.pareto import draw_pareto, front
from actbench.plots.seeds import draw_seeds
from actbench.plots.shapes import draw_shapes, drawn_epochs
from actbench.plots.subject import subject_of
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.report.answer import subjects
from actbench.report.figures import Drawing
from actbench.report.words import listed, name_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPES = 3
"""The learnt curves of so many arms are drawn, of each those of one run: a page per run would hide the rest."""


def draw(group: Group, records: Sequence[RunRecord]) -> tuple[Drawing, ...]:
    """All figures that the records have anything for."""
    if group.plan is None:
        return ()
    with style():
        return (
            *_curves(group, group.plan, records),
            *_points(group, group.plan, records),
            *_shapes(group, records),
        )


def _svg(draw: Callable[[], "Figure"]) -> str:
    return render(draw(), ".svg").decode()


def _curves(group: Group, plan: Recipe, records: Sequence[RunRecord]) -> list[Drawing]:
    arms = in_order([arm.name for arm in plan.arms], plan.baselines)
    curves: dict[Quantity, list[ArmCurves]] = {}
    for quantity in QUANTITIES:
        found = arm_curves(records, quantity, group.metric, weights=group.weights, arms=arms)
        if any(len(run.points()) > 1 for arm in found for run in arm.runs):
            curves[quantity] = found
    if not curves:
        return []
    subject = subject_of(plan, [record.seed for record in records])
    names = {
        "loss": "training loss",
        "val": f"validation {group.metric.noun}",
        "test": f"test {group.metric.noun}",
    }
    what = listed([names[quantity] for quantity in curves])
    last = list(curves)[-1]
    ends = [f"{arm.arm} {band.mean[-1]:.2f}" for arm in curves[last] if (band := arm.band())]
    return [
        Drawing(
            key="curves",
            title="Training curves",
            caption=f"{what[0].upper()}{what[1:]} after each epoch: the mean over seeds, with the range from the "
            "lowest seed to the highest. What the last epoch shows is for the table to test.",
            alternative=f"Lines by epoch for {what}; {names[last]} ends at {', '.join(ends) or 'nothing measured'}.",
            svg=_svg(partial(draw_curves, subject, curves, group.metric, width=PAGE_WIDTH)),
        )
    ]


def _points(group: Group, plan: Recipe, records: Sequence[RunRecord]) -> list[Drawing]:
    arms = arm_points(group, records)
    subject = subject_of(plan, group.seeds, group.baselines)
    noun = group.metric.noun
    if not any(arm.values for arm in arms):
        return []
    drawings = [
        Drawing(
            key="seeds",
            title="Every seed",
            caption=f"Test {noun} of each run in percent, with the mean of its arm and the 95 % Student-t interval of that "
            "mean over seeds; the largest mean on top. Intervals of two arms may overlap although they differ, and "
            "need not overlap for chance to be at work.",
            alternative=f"Dots per arm: {_values(arms)}.",
            svg=_svg(partial(draw_seeds, subject, arms, group.metric, width=COLUMN_WIDTH)),
            narrow=True,
        )
    ]
    timed = [arm for arm in arms if "time" in arm.costs and arm.mean is not None]
    if len(timed) > 1:
        best = [arm.arm for arm in front(timed, "time")]
        first = name_of(group.baselines[0])
        drawings.append(
            Drawing(
                key="pareto",
                title="Against cost",
                caption=f"Mean test {noun} against the time of an update, {first} being 1. Marked: {listed(best)}, which no "
                "other arm beats in both, by means alone.",
                alternative="; ".join(
                    f"{arm.arm} {arm.mean:.2f} % at {arm.costs['time']:.2f}" for arm in timed
                )
                + ".",
                svg=_svg(partial(draw_pareto, subject, timed, group.metric, "time", width=COLUMN_WIDTH)),
                narrow=True,
            )
        )
    return drawings


def _values(arms: Sequence[ArmPoints]) -> str:
    said = []
    for arm in arms:
        if arm.mean is not None:
            low, high = min(arm.values.values()), max(arm.values.values())
            said.append(f"{arm.arm} {low:.2f} to {high:.2f}, mean {arm.mean:.2f}")
    return "; ".join(said)


def _shapes(group: Group, records: Sequence[RunRecord]) -> list[Drawing]:
    """The curves that the arms of the question learnt, of the first seed that has any."""
    names = [row.name for row in subjects(group)]
    first: dict[str, RunRecord] = {}
    for record in sorted(records, key=lambda record: record.seed):
        if record.arm.name in names and any(epoch.shapes for epoch in record.history):
            first.setdefault(record.arm.name, record)
    shown = [first[name] for name in names if name in first]
    left = [record.arm.name for record in shown[SHAPES:]]
    more = f" `actbench plot shapes` draws {listed(left)} and the other seeds." if left else ""
    return [
        Drawing(
            key=f"shapes-{number}",
            title=f"What {record.arm.name} learnt",
            caption=f"Its curve at each site in the run of seed {record.seed}, from pale (early) to dark (last epoch), over "
            f"the density of the input; the band holds 80 % of the channels, dashes are ReLU."
            f"{more if number == SHAPES else ''}",
            alternative=f"{len(record.history[-1].shapes)} panels, one for each site of the network.",
            svg=_svg(partial(draw_shapes, record, drawn_epochs(record))),
        )
        for number, record in enumerate(shown[:SHAPES], 1)
    ]
