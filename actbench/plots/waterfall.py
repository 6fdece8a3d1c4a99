"""The gap waterfall drawn: a row for each rung, for each baseline the gain with its interval, and what it comes to."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from actbench.fair.waterfall import LABELS, RUNGS, RungKey, Waterfall
from actbench.plots.figure import (
    COLUMN_WIDTH,
    add_legend,
    add_title,
    finish,
    legend_height,
    new_figure,
    title_height,
)
from actbench.plots.looks import GREY, PALE, looks
from actbench.plots.subject import subject_of
from actbench.setting import setting_of
from actbench.tables.waterfall import verdict_words
from actbench.tables.words import listed, percent

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE = 0.16
"""Inches for one baseline of a rung."""
_GAP = 0.5
"""Lines between two rungs."""


def draw_waterfall(fall: Waterfall, *, width: float = 1.4 * COLUMN_WIDTH) -> "Figure":
    """The figure, to be called inside `plots.figure.style`."""
    keys = [key for key in RUNGS if any(fall.rung(baseline, key) for baseline in fall.baselines)]
    seeds = sorted({seed for rungs in fall.rungs.values() for rung in rungs for seed in rung.seeds_used})
    subject = subject_of(setting_of(fall.recipe), seeds)
    heading = (
        f"What {fall.candidate} gains over {listed(fall.baselines)} as the comparison gets fairer: {subject.where}",
        ("Interim. " if fall.is_interim else "") + subject.runs(),
    )
    handles = _handles(fall)
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    lines = len(keys) * (len(fall.baselines) + _GAP)
    figure = new_figure(width, lines * _LINE + 0.45 + below + title_height(width, *heading))
    panel = figure.subplots()
    panel.axvspan(-100 * fall.margin, 100 * fall.margin, color=PALE, alpha=0.5, lw=0, zorder=0)
    panel.axvline(0, color=GREY, lw=0.7, zorder=1)
    for place, baseline in enumerate(fall.baselines):
        _draw_baseline(panel, fall, baseline, keys, place)
    step = len(fall.baselines) + _GAP
    middle = (len(fall.baselines) - 1) / 2
    panel.set_yticks([index * step + middle for index in range(len(keys))], [LABELS[key] for key in keys])
    panel.set_ylim(lines - _GAP / 2 - 0.5, -0.5 - _GAP / 2)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.margins(x=0.08)
    panel.set_xlabel(f"gain in {fall.metric.noun}, points, with 95 % interval")
    add_title(figure, *heading)
    add_legend(figure, handles)
    return finish(figure)


def _draw_baseline(
    panel: "Axes", fall: Waterfall, baseline: str, keys: Sequence[RungKey], place: int
) -> None:
    """Its rungs from the top, joined by steps, so that what is lost or won from one to the next can be seen."""
    look = looks(fall.baselines, fall.baselines)[baseline]
    step = len(fall.baselines) + _GAP
    drawn: list[tuple[float, float]] = []
    for index, key in enumerate(keys):
        rung = fall.rung(baseline, key)
        y = index * step + place
        if rung is None:
            continue
        text = ", ".join(verdict_words(rung))
        panel.annotate(
            text, (1.01, y), xycoords=panel.get_yaxis_transform(), va="center", fontsize=6, color=look.color
        )
        if rung.gap is None:
            continue
        x = 100 * rung.gap.value
        if rung.gap.interval:
            low, high = rung.gap.interval
            panel.plot(
                [100 * low, 100 * high], [y, y], color=look.color, lw=1.2, solid_capstyle="butt", zorder=3
            )
        drawn.append((x, y))
    corners = [corner for (x, y), (_, below) in pairwise(drawn) for corner in ((x, y), (x, below))]
    if drawn:
        panel.plot(
            *zip(*corners, drawn[-1], strict=True),
            color=look.color,
            lw=0.5,
            ls=look.dash,
            alpha=0.6,
            zorder=2,
        )
        panel.plot(
            *zip(*drawn, strict=True),
            color=look.color,
            marker=look.marker,
            ms=4,
            mfc="white",
            mew=1.0,
            ls="",
            zorder=4,
        )


def _handles(fall: Waterfall) -> "list[Artist]":
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = looks(fall.baselines, fall.baselines)
    lines: list[Artist] = [
        Line2D(
            [],
            [],
            color=look.color,
            marker=look.marker,
            ms=4,
            mfc="white",
            mew=1.0,
            lw=1.2,
            label=f"over {baseline}",
        )
        for baseline, look in found.items()
    ]
    return [*lines, Patch(color=PALE, alpha=0.5, lw=0, label=f"margin, ±{percent(fall.margin)} points")]
