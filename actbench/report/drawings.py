"""Which figures a chapter has, and what is said beneath and instead of each. matplotlib is loaded to draw one."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from actbench.comparison import Group
from actbench.fair.waterfall import LABELS, Waterfall
from actbench.plots.arms import ArmPoints, arm_points, axis_name, cost_name
from actbench.plots.curves import draw_curves
from actbench.plots.figure import render, style
from actbench.plots.learning import QUANTITIES, ArmCurves, Quantity, arm_curves
from actbench.plots.looks import LOOKS, in_order
from actbench.plots.pareto import draw_pareto, front
from actbench.plots.seeds import draw_seeds
from actbench.plots.subject import subject_of_group
from actbench.plots.waterfall import draw_waterfall
from actbench.record import RunRecord
from actbench.report.figures import Drawing
from actbench.report.learnt import params_drawing, shapes_drawing, shown_learners
from actbench.report.words import name_of
from actbench.tables.words import listed, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FALL = "fall-"
"""What the keys of waterfalls begin with, which stand in a section of their own."""
Values = Mapping[str, Mapping[int, float]]
"""Arm -> seed -> value, a fraction."""


def draw(
    group: Group,
    records: Sequence[RunRecord],
    values: Values | None = None,
    *,
    shares_seeds: bool = True,
    falls: Sequence[Waterfall] = (),
) -> tuple[Drawing, ...]:
    """All figures that the records have anything for; of imported results those that `values` suffice for."""
    with style():
        drawings = [_fall(fall) for fall in falls]
        drawings += [*_curves(group, records), *_points(group, arm_points(group, values), shares_seeds)]
        learners = shown_learners(group, records)
        drawings += [params_drawing(group, each, svg) for each in learners if each.parameters]
        drawings += [shapes_drawing(each, svg) for each in learners if each.shapes]
    return tuple(drawings)


def _fall(fall: Waterfall) -> Drawing:
    told = [
        f"{LABELS[rung.key]}, over {baseline}: {points(rung.gap.value)}, {rung.word}"
        for baseline, rungs in fall.rungs.items()
        for rung in rungs
        if rung.gap
    ]
    return Drawing(
        key=f"{FALL}{fall.candidate}",
        title=f"What {fall.candidate} gains as the comparison gets fairer",
        caption="Each row is one comparison, its gain in points with the 95 % interval; grey is the margin.",
        alternative="; ".join(told),
        svg=svg(partial(draw_waterfall, fall)),
        narrow=True,
    )


def svg(draw: "Callable[[], Figure]") -> str:
    return render(draw(), ".svg").decode()


def _curves(group: Group, records: Sequence[RunRecord]) -> list[Drawing]:
    arms = in_order([row.name for row in group.rows], group.main_baselines)
    curves: dict[Quantity, list[ArmCurves]] = {}
    for quantity in QUANTITIES:
        found = arm_curves(records, quantity, group.metric, weights=group.weights, arms=arms)
        if any(len(run.points()) > 1 for arm in found for run in arm.runs):
            curves[quantity] = found
    if not curves:
        return []
    if max(map(len, curves.values())) > len(LOOKS):  # a panel per arm has room for one quantity
        curves = dict([curves.popitem()])
    noun = group.metric.noun
    names = {"loss": "training loss", "val": f"validation {noun}", "test": f"test {noun}"}
    what, last = listed([names[quantity] for quantity in curves]), list(curves)[-1]
    ends = [f"{arm.arm} {band.mean[-1]:.2f}" for arm in curves[last] if (band := arm.band())]
    return [
        Drawing(
            key="curves",
            title="Training curves",
            caption=f"{what[0].upper()}{what[1:]} after each epoch: the mean over seeds, with the range from the "
            "lowest seed to the highest. Whether the ends differ is for the table to test.",
            alternative=f"Lines by epoch for {what}; {names[last]} ends at {', '.join(ends) or 'no value'}.",
            svg=svg(partial(draw_curves, subject_of_group(group), curves, group.metric)),
        )
    ]


def _points(group: Group, arms: Sequence[ArmPoints], shares_seeds: bool) -> list[Drawing]:
    subject, axis = subject_of_group(group, shares_seeds=shares_seeds), axis_name(group)
    if not any(arm.values for arm in arms):
        return []
    drawings = [
        Drawing(
            key="seeds",
            title="Every seed",
            caption="The value of each run, with the mean of its arm and the 95 % Student-t interval of that mean over "
            "seeds, the largest mean on top. Whether two arms differ is not to be read off two intervals: the table "
            "tests it.",
            alternative=f"Dots per arm, from the lowest seed to the highest: {_values(arms)}.",
            svg=svg(partial(draw_seeds, subject, arms, axis)),
            narrow=True,
        )
    ]
    timed = [arm for arm in arms if "time" in arm.costs and arm.mean is not None]
    if len(timed) > 1:
        best = [arm.arm for arm in front(timed, "time")]
        beats = "which none beats" if len(best) > 1 else "which no other beats"
        drawings.append(
            Drawing(
                key="pareto",
                title="Against cost",
                caption=f"The mean of each arm against the time of an update, {name_of(group.baselines[0])} being 1. "
                f"Marked: {listed(best)}, {beats} in both at once, by means alone.",
                alternative="; ".join(
                    f"{arm.arm} {arm.mean:.2f} at {arm.costs['time']:.2f}" for arm in timed
                ),
                svg=svg(
                    partial(
                        draw_pareto, subject, timed, "time", axis=axis, cost_axis=cost_name(group, "time")
                    )
                ),
                narrow=True,
            )
        )
    return drawings


def _values(arms: Sequence[ArmPoints]) -> str:
    ends = [(arm, sorted(arm.values.values())) for arm in arms if arm.mean is not None]
    return "; ".join(
        f"{arm.arm} {values[0]:.2f} to {values[-1]:.2f}, mean {arm.mean:.2f}" for arm, values in ends
    )
