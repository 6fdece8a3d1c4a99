"""Every run's value: an arm a row, a seed a dot, with the arm's mean and its interval; the best mean on top."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.plots.arms import ArmPoints, value_limits
from actbench.plots.figure import (
    COLUMN_WIDTH,
    add_legend,
    add_title,
    finish,
    legend_height,
    new_figure,
    title_height,
)
from actbench.plots.looks import GREY, PALE, seed_markers
from actbench.plots.subject import Subject

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

JOINED_ARMS = 8
"""Up to so many arms a line joins the runs of a seed; among more it would be a thicket."""
_DOT, _MEAN = "#0072B2", "#D55E00"
_ROW = 0.19


def draw_seeds(
    subject: Subject, arms: Sequence[ArmPoints], axis: str, *, width: float = COLUMN_WIDTH
) -> "Figure":
    """The figure, to be called inside `plots.figure.style`; at least one arm has a value."""
    rows = sorted(arms, key=lambda arm: (arm.mean is not None, arm.mean or 0.0), reverse=True)
    seeds = sorted({seed for arm in arms for seed in arm.values})
    joined = subject.shares_seeds and len(rows) <= JOINED_ARMS and len(seeds) > 1
    handles = _handles(rows, seeds, subject, joined)
    heading = ("Every seed: " + subject.where, subject.runs())
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    height = max(len(rows), 3) * _ROW * (1.4 if joined else 1) + 0.5 + below + title_height(width, *heading)
    figure = new_figure(width, height)
    panel = figure.subplots()
    limits = value_limits(rows)
    panel.set_xlim(*limits)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    _draw_reference(panel, rows, subject)
    if joined:
        _join(panel, rows, seeds)
    for place, arm in enumerate(rows):
        _draw_row(panel, place, arm, seeds, limits)
    panel.set_yticks(range(len(rows)), [arm.label for arm in rows])
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="y", color=PALE, lw=0.3)
    panel.set_axisbelow(True)
    panel.set_xlabel(axis)
    add_title(figure, *heading)
    add_legend(figure, handles)
    return finish(figure)


def _draw_row(
    panel: "Axes", place: int, arm: ArmPoints, seeds: Sequence[int], limits: tuple[float, float]
) -> None:
    markers = seed_markers(seeds)
    if arm.mean is None:
        panel.annotate(
            "no completed run",
            (0.02, place),
            xycoords=panel.get_yaxis_transform(),
            va="center",
            fontsize=6,
            bbox={"fc": "white", "ec": "none", "pad": 0.6},
            color=GREY,
        )
        return
    if arm.interval:
        low, high = max(arm.interval.low, limits[0]), min(arm.interval.high, limits[1])
        panel.plot([low, high], [place, place], color=_MEAN, lw=1.4, solid_capstyle="butt", zorder=2)
        for cut, end, marker in (
            (arm.interval.low < limits[0], low, "<"),
            (arm.interval.high > limits[1], high, ">"),
        ):
            if cut:
                panel.plot([end], [place], color=_MEAN, marker=marker, ms=3.5, ls="", zorder=2, clip_on=False)
    panel.plot([arm.mean], [place], color=_MEAN, marker="|", ms=9, mew=1.6, ls="", zorder=3)
    for seed, value in arm.values.items():
        panel.plot(
            [value], [place], color=_DOT, marker=markers[seed], ms=3.6, mfc="white", mew=0.8, ls="", zorder=4
        )


def _draw_reference(panel: "Axes", rows: Sequence[ArmPoints], subject: Subject) -> None:
    reference = _reference(rows, subject)
    if reference and reference.mean is not None:
        panel.axvline(reference.mean, color=GREY, lw=0.7, ls=(0, (4, 2)), zorder=1)


def _reference(rows: Sequence[ArmPoints], subject: Subject) -> ArmPoints | None:
    return next((arm for name in subject.baselines[:1] for arm in rows if arm.arm == name), None)


def _join(panel: "Axes", rows: Sequence[ArmPoints], seeds: Sequence[int]) -> None:
    for seed in seeds:
        values = [arm.values.get(seed, math.nan) for arm in rows]
        panel.plot(values, range(len(rows)), color=_DOT, lw=0.5, alpha=0.45, zorder=1)


def _handles(
    rows: Sequence[ArmPoints], seeds: Sequence[int], subject: Subject, joined: bool
) -> "list[Artist]":
    from matplotlib.lines import Line2D

    markers = seed_markers(seeds)
    line: dict[str, Any] = {"lw": 0.5 if joined else 0.0}
    handles: list[Artist] = [
        Line2D(
            [],
            [],
            color=_DOT,
            marker=markers[seed],
            ms=3.6,
            mfc="white",
            mew=0.8,
            label=f"seed {seed}",
            **line,
        )
        for seed in seeds
    ]
    if any(arm.interval for arm in rows):
        label = "mean, 95 % t interval"
    else:
        label = "the one run" if len(seeds) == 1 else "mean"
    style: dict[str, Any] = {"lw": 1.4 if any(arm.interval for arm in rows) else 0.0}
    handles.append(Line2D([], [], color=_MEAN, marker="|", ms=9, mew=1.6, label=label, **style))
    reference = _reference(rows, subject)
    if reference and reference.mean is not None:
        handles.append(Line2D([], [], color=GREY, lw=0.7, ls=(0, (4, 2)), label=f"mean of {reference.arm}"))
    return handles
