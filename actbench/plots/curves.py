"""Training curves: the mean over seeds with the range of the seeds, an arm a line, or beyond eight arms a panel.

The band goes from the lowest seed to the highest. A t interval would be 2.5 standard deviations wide on either side at
n = 3, at every epoch anew, and would say nothing about a whole curve; what the last epoch shows is `compare`'s to test.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actbench.metrics import Metric
from actbench.plots.figure import (
    PAGE_WIDTH,
    add_legend,
    add_title,
    columns_of,
    finish,
    legend_height,
    new_figure,
    title_height,
)
from actbench.plots.learning import ArmCurves, Band, Quantity
from actbench.plots.looks import GREY, INK, LOOKS, PALE, Look, looks
from actbench.plots.subject import Subject

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND = 0.2
_ACCENT = LOOKS[2]


def draw_curves(
    subject: Subject,
    curves: Mapping[Quantity, Sequence[ArmCurves]],
    metric: Metric,
    *,
    width: float = PAGE_WIDTH,
) -> "Figure":
    """A panel per quantity, or with more than eight arms a panel per arm; inside `plots.figure.style`."""
    shown = {quantity: arms for quantity, arms in curves.items() if arms}
    if max(map(len, shown.values())) <= len(LOOKS):
        return _overlaid(subject, shown, metric, width)
    return _one_each(subject, shown, metric, width)


def _overlaid(
    subject: Subject, curves: Mapping[Quantity, Sequence[ArmCurves]], metric: Metric, width: float
) -> "Figure":
    arms = next(iter(curves.values()))
    look = looks([arm.arm for arm in arms], subject.baselines)
    side_by_side = width >= 5
    columns = len(curves) if side_by_side else 1
    rows = 1 if side_by_side else len(curves)
    handles = [_handle(arm, look[arm.arm]) for arm in arms] + _meanings(arms)
    heading = ("Training curves: " + subject.where, subject.runs())
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    height = rows * min(2.3, 0.72 * width / columns) + below + title_height(width, *heading)
    figure = new_figure(width, height)
    for panel, (quantity, series) in zip(
        figure.subplots(rows, columns, squeeze=False, sharex="row").flatten(), curves.items(), strict=True
    ):
        for arm in series:
            _draw_arm(panel, arm, look[arm.arm])
        _label_axes(panel, quantity, metric)
    add_title(figure, *heading)
    add_legend(figure, handles)
    return finish(figure)


def _one_each(
    subject: Subject, curves: Mapping[Quantity, Sequence[ArmCurves]], metric: Metric, width: float
) -> "Figure":
    """Of the last quantity alone, which is the most telling; behind each arm all others, and the first baseline."""
    quantity, arms = list(curves.items())[-1]
    columns = columns_of(len(arms), width, 1.05)
    rows = math.ceil(len(arms) / columns)
    reference = next((arm for arm in arms if arm.arm in subject.baselines[:1]), None)
    handles = _grid_handles(arms, reference)
    heading = (f"Training curves, {_name(quantity, metric)}: {subject.where}", subject.runs())
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    height = rows * (0.72 * width / columns + 0.2) + 0.3 + below + title_height(width, *heading)
    figure = new_figure(width, height)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    bands = [band for arm in arms if (band := arm.band())]
    for number, panel in enumerate(panels.flatten()):
        if number >= len(arms):
            panel.set_axis_off()
            continue
        for band in bands:
            panel.plot(band.epochs, band.mean, color=PALE, lw=0.5, zorder=0)
        if reference and (band := reference.band()):
            panel.plot(band.epochs, band.mean, **LOOKS[0].line(lw=0.8, zorder=1))
        arm = arms[number]
        _draw_arm(panel, arm, LOOKS[0] if arm is reference else _ACCENT)
        if not any(run.points() for run in arm.runs):
            panel.text(
                0.5,
                0.17,
                "in the first epoch",
                transform=panel.transAxes,
                ha="center",
                fontsize=6,
                color=GREY,
            )
        panel.set_title(arm.label.replace(" (", "\n("), fontsize=6.5)
        panel.locator_params(nbins=4, integer=True, axis="x")
        if number + columns >= len(arms):
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("epoch")
    figure.supylabel(_name(quantity, metric), fontsize=7)
    add_title(figure, *heading)
    add_legend(figure, handles)
    return finish(figure)


def _draw_arm(panel: "Axes", arm: ArmCurves, look: Look) -> None:
    band = arm.band()
    if band:
        if len(arm.completed) > 1:
            panel.fill_between(band.epochs, band.low, band.high, color=look.color, alpha=_BAND, lw=0)
        panel.plot(
            band.epochs,
            band.mean,
            **look.line(lw=1.2, marker=look.marker, ms=3, markevery=_every(band), mec="white", mew=0.3),
        )
    for run in arm.diverged:
        points = run.points()
        if points:
            panel.plot(*zip(*points, strict=True), **look.line(lw=0.6))
            panel.plot(*points[-1], color=look.color, marker="x", ms=4.5, mew=1.1, ls="")


def _every(band: Band) -> int:
    """About eight markers on a line, and one at each epoch of a short run."""
    return max(1, math.ceil(len(band.epochs) / 8))


def _label_axes(panel: "Axes", quantity: Quantity, metric: Metric) -> None:
    panel.set_xlabel("epoch")
    panel.set_ylabel(_name(quantity, metric))
    panel.locator_params(nbins=6, integer=True, axis="x")


def _name(quantity: Quantity, metric: Metric) -> str:
    if quantity == "loss":
        return "training loss"
    return f"{'validation' if quantity == 'val' else 'test'} {metric.noun} (%)"


def _handle(arm: ArmCurves, look: Look) -> "Artist":
    from matplotlib.lines import Line2D

    style: dict[str, Any] = look.line(lw=1.2, marker=look.marker, ms=3, mec="white", mew=0.3)
    return Line2D([], [], label=arm.label, **style)


def _meanings(arms: Sequence[ArmCurves]) -> "list[Artist]":
    """What band and cross mean, where there are any."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    meanings: list[Artist] = []
    counts = {len(arm.completed) for arm in arms if len(arm.completed) > 1}
    if counts:
        number = str(max(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
        meanings.append(Patch(color=GREY, alpha=_BAND, lw=0, label=f"lowest to highest of {number} seeds"))
    else:
        meanings.append(Line2D([], [], ls="", label="one seed: no band"))
    if any(arm.diverged for arm in arms):
        meanings.append(Line2D([], [], color=INK, marker="x", ms=4.5, mew=1.1, ls="", label="a run diverged"))
    return meanings


def _grid_handles(arms: Sequence[ArmCurves], reference: ArmCurves | None) -> "list[Artist]":
    from matplotlib.lines import Line2D

    style: dict[str, Any] = _ACCENT.line(lw=1.2, marker=_ACCENT.marker, ms=3, mec="white", mew=0.3)
    handles: list[Artist] = [Line2D([], [], label="mean over seeds", **style)]
    if reference:
        handles.append(Line2D([], [], label=reference.arm, **LOOKS[0].line(lw=0.8)))
    handles.append(Line2D([], [], color=PALE, lw=0.5, label="the other arms"))
    return handles + _meanings(arms)
