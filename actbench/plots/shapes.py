"""The learnt curve of every site of one run, over the density of the site's input, and how it moved.

One panel per site in the order of the forward pass. Reads the record alone; imports matplotlib only to draw.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from actbench.errors import ActbenchError
from actbench.papers.matching import data_label, model_label
from actbench.plots.figure import broken, legend_columns
from actbench.record import EpochRecord, RunRecord, SiteShape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Color = tuple[float, float, float, float]

PALEST = 0.12
"""Where on cividis, read backwards, the earliest curve lies: the end itself is too pale for paper."""
_GREY = "0.88"
_BAND = 0.22
_RELU: dict[str, Any] = {"color": "0.45", "lw": 0.7, "ls": (0, (4, 2))}
_SINGLE: dict[str, Any] = {"alpha": 0.6, "lw": 0.4}
WIDTH = 7.2
"""Inches of a figure: two columns of a page."""


def drawn_epochs(record: RunRecord, wanted: Sequence[int] = ()) -> list[EpochRecord]:
    """The epochs with curves; of these only the wanted ones, counted from 1, if any are named.

    Raises ActbenchError for an epoch after which no curve was measured.
    """
    measured = [epoch for epoch in record.history if epoch.shapes]
    known = {epoch.epoch + 1 for epoch in measured}
    for number in wanted:
        if number not in known:
            raise ActbenchError(
                f"no curves were measured after epoch {number}",
                where="command line",
                key="--epoch",
                hints=[f"measured after epochs {', '.join(map(str, sorted(known)))} of this run"],
            )
    return [epoch for epoch in measured if not wanted or epoch.epoch + 1 in wanted]


def draw_shapes(
    record: RunRecord, epochs: Sequence[EpochRecord], *, minus_relu: bool = False, width: float = WIDTH
) -> "Figure":
    """The figure of these epochs' curves, the last one's with its band; to be called inside `plots.figure.style`.

    With `minus_relu`, how far each curve lies from ReLU: early in training, and in wide layers, that is little.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    last = epochs[-1]
    columns = _columns(len(last.shapes), width)
    rows = math.ceil(len(last.shapes) / columns)
    title = "\n".join(line for text in _title(record, last) for line in broken(text, width, 8.0))
    height = rows * (0.78 * width / columns + 0.12) + 0.6 + 0.15 * (title.count("\n") + 1)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.025, wspace=0.02, hspace=0.0)
    figure = Figure(figsize=(width, height), layout=layout)
    panels = figure.subplots(rows, columns, squeeze=False)
    colors = _colors(len(epochs))
    for number, panel in enumerate(panels.flatten()):
        if number >= len(last.shapes):
            panel.set_axis_off()
            continue
        site = last.shapes[number].site
        _draw_site(panel, site, epochs, colors, minus_relu)
        panel.set_title(site.removeprefix(_common_path(last)))
        if number % columns == 0:
            panel.set_ylabel("output - ReLU" if minus_relu else "output")
        if number // columns == rows - 1:
            panel.set_xlabel("input")
    figure.suptitle(title, fontsize=8, linespacing=1.35)
    _add_legend(figure, epochs, colors)
    # Laid out once: each further drawing would move things a little, and a file's bytes hang on how many came before.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _columns(sites: int, width: float) -> int:
    """As many as rows; each at least 0.9 inches wide, or their numbers would be too small to read."""
    return min(max(1, int(width / 0.9)), math.ceil(math.sqrt(sites)))


def _colors(count: int) -> list[Color]:
    """From light to dark on a scale that stays ordered in grey and to colour-blind eyes."""
    import matplotlib as mpl

    scale = mpl.colormaps["cividis_r"]
    steps = [1.0] if count == 1 else [PALEST + (1 - PALEST) * i / (count - 1) for i in range(count)]
    return [scale(step) for step in steps]


def _draw_site(
    panel: "Axes", site: str, epochs: Sequence[EpochRecord], colors: Sequence[Color], minus_relu: bool
) -> None:
    history = [_shape_of(epoch, site) for epoch in epochs]
    last, color = history[-1], colors[-1]
    assert last is not None
    grid, heights = last.grid(), list[float]()

    def y(shape: SiteShape, curve: Sequence[float]) -> list[float]:
        drawn = [
            value - max(x, 0) if minus_relu else value for x, value in zip(shape.grid(), curve, strict=True)
        ]
        heights.extend(
            value for x, value in zip(shape.grid(), drawn, strict=True) if last.left <= x <= last.right
        )
        return drawn

    _draw_density(panel, last)
    relu = [0, 0, 0 if minus_relu else max(last.right, 0)]
    panel.plot([last.left, 0, last.right], relu, **_RELU)
    for shape, shade in zip(history[:-1], colors, strict=False):
        if shape is not None:
            panel.plot(shape.grid(), y(shape, shape.mean), color=shade, lw=0.9)
    if last.lower:
        low, high = y(last, last.lower), y(last, last.upper)
        panel.fill_between(grid, low, high, color=color, alpha=_BAND, lw=0)
    for curve in last.channels.values():
        panel.plot(grid, y(last, curve), color=color, **_SINGLE)
    panel.plot(grid, y(last, last.mean), color=color, lw=1.4)
    for bound in _bounds(epochs[-1], site):
        panel.plot([bound, bound], [0, 0.09], color=color, lw=1.0, transform=panel.get_xaxis_transform())
    margin = 0.06 * (max(heights) - min(heights)) or 1.0
    panel.set_xlim(last.left, last.right)
    panel.set_ylim(min(heights) - margin, max(heights) + margin)
    panel.locator_params(nbins=4)


def _common_path(epoch: EpochRecord) -> str:
    """What the names of several sites all begin with, whole steps of the path alone, its last point included."""
    if len(epoch.shapes) < 2:
        return ""
    names = [shape.site.split(".")[:-1] for shape in epoch.shapes]
    common = list(itertools.takewhile(lambda steps: len(set(steps)) == 1, zip(*names, strict=False)))
    return "".join(f"{steps[0]}." for steps in common)


def _draw_density(panel: "Axes", shape: SiteShape) -> None:
    """To its own scale: the tallest cell reaches almost to the top."""
    tallest = max(shape.density) or 1.0
    panel.stairs(
        [0.92 * share / tallest for share in shape.density],
        shape.grid(),
        fill=True,
        color=_GREY,
        transform=panel.get_xaxis_transform(),
        zorder=0,
    )


def _shape_of(epoch: EpochRecord, site: str) -> SiteShape | None:
    return next((shape for shape in epoch.shapes if shape.site == site), None)


def _bounds(epoch: EpochRecord, site: str) -> Iterator[float]:
    """Where PWLU's flexible range ends, averaged over channels, if the record tells."""
    values = next((log.values for log in epoch.activations if log.site == site), {})
    for name in ("bound_left", "bound_right"):
        several = values.get(f"{name}.mean") or values.get(name) or []
        known = [value for value in several if value is not None]
        if known:
            yield sum(known) / len(known)


def _title(record: RunRecord, last: EpochRecord) -> tuple[str, str]:
    recipe = record.recipe
    epochs = recipe.train.epochs
    ended = "" if record.status == "completed" else f", {record.status} after epoch {len(record.history)}"
    synthetic = "; generated images, no result" if recipe.is_synthetic else ""
    where = f"{model_label(recipe.model)} on {data_label(recipe.data)}"
    run = f"recipe {recipe.name}, profile {recipe.profile}, arm {record.arm.name}, seed {record.seed}"
    path = _common_path(last).rstrip(".")
    below = f"sites below {path}; " if path else ""
    return (
        f"Learnt curves of {record.arm.activation} in {where} after epoch {last.epoch + 1} of {epochs}",
        f"{run}{ended}{synthetic}; {below}lines are means over channels",
    )


def _add_legend(figure: "Figure", epochs: Sequence[EpochRecord], colors: Sequence[Color]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    last, color = epochs[-1], colors[-1]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=shade, lw=1.4 if epoch is last else 0.9, label=f"epoch {epoch.epoch + 1}")
        for epoch, shade in zip(epochs, colors, strict=True)
    ]
    if any(shape.lower for shape in last.shapes):
        handles.append(Patch(color=color, alpha=_BAND, lw=0, label="10 to 90 % of channels"))
    if any(shape.channels for shape in last.shapes):
        handles.append(Line2D([], [], color=color, label="single channels", **_SINGLE))
    if any(True for shape in last.shapes for _ in _bounds(last, shape.site)):
        handles.append(
            Line2D([], [], color=color, ls="", marker="|", ms=5, mew=1, label="range, mean bounds")
        )
    handles.append(Line2D([], [], label="ReLU", **_RELU))
    handles.append(Patch(color=_GREY, label="input, own scale"))
    fitting = legend_columns(figure.get_figwidth(), [str(handle.get_label()) for handle in handles])
    columns = (
        min(math.ceil(len(handles) / 2), fitting)
        if figure.get_figwidth() < WIDTH
        else math.ceil(len(handles) / 2)
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
