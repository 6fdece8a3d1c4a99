"""How much each arm minds its learning rate: what the trials of its tuning got on the validation set, over the rate.

At each rate stands the best of the arm's other settings; the line joins these, the other points are dots.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.fair.tuning import Trial
from actbench.metrics import Metric
from actbench.plots.figure import (
    COLUMN_WIDTH,
    add_legend,
    add_title,
    columns_of,
    finish,
    legend_height,
    new_figure,
    title_height,
)
from actbench.plots.looks import GREY, LOOKS, PALE, Look, looks
from actbench.plots.subject import Subject
from actbench.recipe.tuned_keys import LR

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOGETHER = len(LOOKS)
"""Up to so many arms share a panel; more have one each."""
_NARROWEST = 1.5
_ROOM = 1.3
"""Share of the axis that stands on either side of the outermost rates, as a factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSensitivity:
    """One arm's finished trials."""

    arm: str
    trials: tuple[Trial, ...]
    chosen: Trial

    def line(self) -> list[Trial]:
        """The best trial at each rate that did not diverge on every seed, from the lowest rate."""
        by_rate: dict[float, list[Trial]] = {}
        for trial in self.trials:
            by_rate.setdefault(trial.settings[LR], []).append(trial)
        peaks = [max(by_rate[rate], key=lambda trial: trial.accuracy) for rate in sorted(by_rate)]
        return [trial for trial in peaks if any(trial.accuracies)]

    def lost(self) -> list[float]:
        """The rates at which every trial diverged, or got nothing right."""
        kept = {trial.settings[LR] for trial in self.line()}
        return sorted({trial.settings[LR] for trial in self.trials} - kept)


def draw_sensitivity(
    subject: Subject,
    arms: Sequence[ArmSensitivity],
    metric: Metric,
    *,
    lr: float,
    notes: Sequence[str] = (),
    width: float = COLUMN_WIDTH,
) -> "Figure":
    """The figure, to be called inside `plots.figure.style`; `lr` is the rate that the recipe has for all arms."""
    together = len(arms) <= TOGETHER
    columns = 1 if together else columns_of(len(arms), width, _NARROWEST)
    rows = 1 if together else math.ceil(len(arms) / columns)
    handles = _handles(arms, subject, together=together)
    heading = (f"Tuning of the learning rate: {subject.where}", subject.runs(), *notes)
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    side = 0.62 * width if together else rows * (0.72 * width / columns + 0.15)
    figure = new_figure(width, side + 0.4 + below + title_height(width, *heading))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
    of_arm = looks([arm.arm for arm in arms], subject.baselines)
    for place, panel in enumerate(panels):
        shown = arms if together else arms[place : place + 1]
        if not shown:
            panel.set_axis_off()
            continue
        panel.axvline(lr, color=GREY, lw=0.7, ls=(0, (4, 2)), zorder=1)
        for line, arm in enumerate(shown):
            look = of_arm[arm.arm] if together else LOOKS[1]
            _draw_arm(panel, arm, look)
            _draw_lost(panel, arm, look, line)
        if not together:
            panel.set_title(shown[0].arm)
        if place + columns >= len(arms):
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("learning rate")
    _label_axes(panels[0], arms, lr)
    figure.supylabel(f"validation {metric.noun} (%)", fontsize=7)
    add_title(figure, *heading)
    add_legend(figure, handles)
    return finish(figure)


def _draw_arm(panel: "Axes", arm: ArmSensitivity, look: Look) -> None:
    line = arm.line()
    rates, means = [trial.settings[LR] for trial in line], [100 * trial.accuracy for trial in line]
    panel.plot(rates, means, **look.line(lw=1.1, marker=look.marker, ms=3, mfc="white", mew=0.8, zorder=3))
    for trial in line:
        if len(trial.accuracies) > 1:
            ends = [100 * min(trial.accuracies), 100 * max(trial.accuracies)]
            panel.plot([trial.settings[LR]] * 2, ends, color=look.color, lw=0.6, alpha=0.6, zorder=2)
    others = [trial for trial in arm.trials if trial not in line and any(trial.accuracies)]
    panel.plot(
        [trial.settings[LR] for trial in others],
        [100 * trial.accuracy for trial in others],
        color=look.color,
        marker=".",
        ms=2.5,
        ls="",
        alpha=0.6,
        zorder=2,
    )
    if any(arm.chosen.accuracies):
        panel.plot(
            [arm.chosen.settings[LR]],
            [100 * arm.chosen.accuracy],
            color=look.color,
            marker=look.marker,
            ms=6,
            ls="",
            mec="black",
            mew=0.6,
            zorder=4,
        )


def _draw_lost(panel: "Axes", arm: ArmSensitivity, look: Look, line: int) -> None:
    """Crosses above the axis, each arm's on a line of its own."""
    lost = arm.lost()
    panel.plot(
        lost,
        [0.02 + 0.035 * line] * len(lost),
        transform=panel.get_xaxis_transform(),
        color=look.color,
        marker="x",
        ms=4,
        mew=1.0,
        ls="",
        zorder=3,
    )


def _label_axes(panel: "Axes", arms: Sequence[ArmSensitivity], lr: float) -> None:
    """A logarithmic axis with the usual figures on it, whatever part of a decade it spans."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    rates = [lr, *(trial.settings[LR] for arm in arms for trial in arm.trials)]
    low, high = min(rates) / _ROOM, max(rates) * _ROOM
    panel.set_xscale("log")
    panel.set_xlim(low, high)
    decades = math.log10(high / low)
    steps = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 3.5 else (1.0,)
    panel.xaxis.set_major_locator(LogLocator(subs=steps))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.margins(y=0.1)


def _handles(arms: Sequence[ArmSensitivity], subject: Subject, *, together: bool) -> "list[Artist]":
    from matplotlib.lines import Line2D

    found: Mapping[str, Look] = looks([arm.arm for arm in arms], subject.baselines)
    handles: list[Artist] = []
    if together:
        handles += [
            Line2D(
                [],
                [],
                label=f"{arm.arm}, best at {arm.chosen.settings[LR]:g}",
                **found[arm.arm].line(lw=1.1, marker=found[arm.arm].marker, ms=3, mfc="white", mew=0.8),
            )
            for arm in arms
        ]
    mark: dict[str, Any] = {"color": PALE, "marker": "o", "ms": 6, "mec": "black", "mew": 0.6, "ls": ""}
    handles.append(Line2D([], [], label="chosen", **mark))
    handles.append(Line2D([], [], color=GREY, lw=0.7, ls=(0, (4, 2)), label="the recipe's rate"))
    if any(arm.lost() for arm in arms):
        handles.append(Line2D([], [], color=GREY, marker="x", ms=4.5, mew=1.1, ls="", label="diverged"))
    return handles
