"""Learnt scalars over epochs: a row of panels per parameter, a panel per site, a line per seed."""

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from actbench.plots.looks import GREY, INK, LOOKS, Look
from actbench.plots.parameters import Kind, Parameter, Path
from actbench.plots.subject import Subject

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND = 0.18
_NARROWEST = 1.05
"""Inches of a panel."""


def draw_params(
    subject: Subject,
    arm: str,
    parameters: Sequence[Parameter],
    notes: Sequence[str] = (),
    *,
    width: float = PAGE_WIDTH,
) -> "Figure":
    """The figure of one arm, the notes below its title; to be called inside `plots.figure.style`."""
    sites = list(dict.fromkeys(site for one in parameters for site in one.paths))
    columns = columns_of(len(sites), width, _NARROWEST)
    rows_each = math.ceil(len(sites) / columns)
    look = _looks(parameters)
    handles = _handles(parameters, look)
    below_title = "; ".join([subject.runs(), *_lines(parameters)])
    heading = (f"Learnt parameters of {arm}: {subject.where}", below_title, *notes)
    below = legend_height(width, [str(handle.get_label()) for handle in handles])
    rows = rows_each * len(parameters)
    height = rows * (min(0.75 * width / columns, 1.4) + 0.17) + 0.25 + below + title_height(width, *heading)
    figure = new_figure(width, height)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for number, one in enumerate(parameters):
        block = panels[number * rows_each : (number + 1) * rows_each]
        _draw_block(list(block.flatten()), one, sites, columns, look)
    for panel in panels[-1]:
        panel.set_xlabel("epoch")
    add_title(figure, *heading)
    add_legend(figure, handles)
    return finish(figure)


def _draw_block(
    block: "Sequence[Axes]", one: Parameter, sites: Sequence[str], columns: int, look: dict[int, Look]
) -> None:
    """The panels of one parameter, on one scale: a site that hardly moves is seen to hardly move."""
    low, high = _ends(one)
    for place, panel in enumerate(block):
        if place >= len(sites):
            panel.set_axis_off()
            continue
        for path in one.paths.get(sites[place], []):
            _draw_path(panel, path, look[path.seed])
        panel.set_ylim(low, high)
        panel.set_title(sites[place].removeprefix(_common_path(sites)), fontsize=6)
        panel.locator_params(nbins=4, axis="y")
        panel.locator_params(nbins=4, integer=True, axis="x")
        if place % columns:
            panel.tick_params(labelleft=False)
        else:
            panel.set_ylabel(one.name)
        if place + columns >= len(sites):
            panel.tick_params(labelbottom=True)


def _ends(one: Parameter) -> tuple[float, float]:
    spreads = [spread for paths in one.paths.values() for path in paths for spread in path.spreads]
    low, high = min(spread.low for spread in spreads), max(spread.high for spread in spreads)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _draw_path(panel: "Axes", path: Path, look: Look) -> None:
    if path.terms:
        for term in path.terms:
            values = [math.nan if value is None else value for value in term]
            panel.plot(path.epochs, values, **look.line(lw=0.9))
    else:
        low, high = [spread.low for spread in path.spreads], [spread.high for spread in path.spreads]
        if low != high:
            panel.fill_between(path.epochs, low, high, color=look.color, alpha=_BAND, lw=0)
        panel.plot(path.epochs, [spread.middle for spread in path.spreads], **look.line(lw=1.0))
    if path.diverged:
        panel.plot(path.epochs[-1], path.spreads[-1].middle, color=look.color, marker="x", ms=4, mew=1, ls="")
    elif len(path.epochs) == 1:
        panel.plot(
            path.epochs, [spread.middle for spread in path.spreads], color=look.color, marker=".", ls=""
        )


def _lines(parameters: Sequence[Parameter]) -> list[str]:
    """What a line stands for."""
    words: dict[Kind, str] = {
        "terms": "a line per term",
        "channels": "lines are medians over channels",
        "summary": "lines are means over channels",
    }
    kinds = {one.kind for one in parameters}
    return [word for kind, word in words.items() if kind in kinds]


def _looks(parameters: Sequence[Parameter]) -> dict[int, Look]:
    seeds = sorted({path.seed for one in parameters for paths in one.paths.values() for path in paths})
    return {seed: LOOKS[i % len(LOOKS)] for i, seed in enumerate(seeds)}


def _handles(parameters: Sequence[Parameter], look: dict[int, Look]) -> "list[Artist]":
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    for seed, one in look.items():
        style: dict[str, Any] = one.line(lw=1.0)
        handles.append(Line2D([], [], label=f"seed {seed}", **style))
    kinds = {one.kind for one in parameters}
    paths = [path for one in parameters for paths in one.paths.values() for path in paths]
    if kinds & {"channels", "summary"}:
        handles.append(Patch(color=GREY, alpha=_BAND, lw=0, label="lowest to highest channel"))
    if any(path.diverged for path in paths):
        handles.append(Line2D([], [], color=INK, marker="x", ms=4, mew=1, ls="", label="the run diverged"))
    return handles


def _common_path(sites: Sequence[str]) -> str:
    """What the names of several sites all begin with, whole steps of the path alone, its last point included."""
    if len(sites) < 2:
        return ""
    steps = zip(*(site.split(".")[:-1] for site in sites), strict=False)
    return "".join(f"{step[0]}." for step in itertools.takewhile(lambda step: len(set(step)) == 1, steps))
