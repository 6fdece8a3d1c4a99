"""Value against cost, with the arms that no other arm beats in both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from actbench.plots.arms import ArmPoints, CostKind, value_limits
from actbench.plots.figure import (
    COLUMN_WIDTH,
    add_legend,
    add_title,
    finish,
    legend_height,
    new_figure,
    title_height,
)
from actbench.plots.label_places import place_labels
from actbench.plots.looks import GREY, PALE
from actbench.plots.subject import Subject

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FRONT = "#D55E00"


class _Point(NamedTuple):
    cost: float
    value: float
    arm: ArmPoints


TOLERANCE = 0.01
"""Costs that differ by less than this share are equal: times are no more exact, and a byte in a thousand is nothing."""


def front(arms: Sequence[ArmPoints], cost: CostKind) -> list[ArmPoints]:
    """The arms, in order of cost, that no other does better than at the same cost or less, or as well as for less.

    By means alone: whether a difference is more than chance is not asked here.
    """
    points = _points(arms, cost)
    return [point.arm for point in points if not any(_beats(other, point) for other in points)]


def _beats(other: _Point, point: _Point) -> bool:
    better, as_good = other.value > point.value, other.value >= point.value
    dearer, cheaper = other.cost > point.cost * (1 + TOLERANCE), other.cost < point.cost * (1 - TOLERANCE)
    return (better and not dearer) or (as_good and cheaper)


def _points(arms: Sequence[ArmPoints], cost: CostKind) -> list[_Point]:
    """Of the arms that have both, in order of cost."""
    known = [
        _Point(arm.costs[cost], arm.mean, arm) for arm in arms if cost in arm.costs and arm.mean is not None
    ]
    return sorted(known, key=lambda point: (point.cost, -point.value, point.arm.arm))


def draw_pareto(
    subject: Subject,
    arms: Sequence[ArmPoints],
    cost: CostKind,
    *,
    axis: str,
    cost_axis: str,
    width: float = COLUMN_WIDTH,
) -> "Figure":
    """The figure, to be called inside `plots.figure.style`; at least one arm has a value and the cost."""
    points, best = _points(arms, cost), front(arms, cost)
    handles = _handles(points)
    heading = (f"What it gains and costs: {subject.where}", subject.runs())
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    height = 0.75 * min(width, 4.5) + 0.03 * len(points) + below + title_height(width, *heading)
    figure = new_figure(width, height)
    panel = figure.subplots()
    corners = _steps([point for point in points if point.arm in best])
    panel.plot(*zip(*corners, strict=True), color=_FRONT, lw=0.8, zorder=1)
    for point in points:
        _draw_point(panel, point, point.arm in best)
    panel.set_ylim(*value_limits([point.arm for point in points]))
    panel.margins(x=0.12)
    panel.set_xlabel(cost_axis)
    panel.set_ylabel(axis)
    add_title(figure, *heading)
    add_legend(figure, handles)
    finish(figure)
    place_labels(panel, [(p.cost, p.value, p.arm.label, p.arm in best) for p in points], corners)
    return figure


def _steps(best: Sequence[_Point]) -> list[tuple[float, float]]:
    """The corners of the front: what is to be had at each cost."""
    corners = [(best[0].cost, best[0].value)]
    for point in best[1:]:
        corners += [(point.cost, corners[-1][1]), (point.cost, point.value)]
    return corners


def _draw_point(panel: "Axes", point: _Point, is_best: bool) -> None:
    x, y, arm = point
    if arm.interval:
        panel.plot([x, x], [*arm.interval], color=PALE, lw=1.0, zorder=0, solid_capstyle="butt")
    look: dict[str, Any] = (
        {"marker": "D", "ms": 4.2, "mfc": _FRONT, "mec": _FRONT}
        if is_best
        else {"marker": "o", "ms": 3.6, "mfc": "white", "mec": GREY}
    )
    panel.plot([x], [y], mew=0.9, ls="", zorder=3, **look)


def _handles(points: Sequence[_Point]) -> "list[Artist]":
    from matplotlib.lines import Line2D

    handles: list[Artist] = [
        Line2D(
            [],
            [],
            color=_FRONT,
            marker="D",
            ms=4.2,
            lw=0.8,
            label="best at its cost (to 1 %), by means alone",
        ),
        Line2D(
            [],
            [],
            color=GREY,
            marker="o",
            ms=3.6,
            mfc="white",
            mew=0.9,
            ls="",
            label="another arm costs less and does better",
        ),
    ]
    if any(point.arm.interval for point in points):
        handles.append(Line2D([], [], color=PALE, lw=1.0, label="95 % t interval of the mean"))
    return handles
