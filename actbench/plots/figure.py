"""How a figure looks and gets its bytes: the same for the same records, whatever the user's own settings are.

Sizes of letters and lines are those of print, so a figure is drawn at the width at which it will be shown.
"""

import io
import itertools
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

Suffix = Literal[".png", ".svg", ".pdf"]
SUFFIXES: tuple[Suffix, ...] = get_args(Suffix)

COLUMN_WIDTH = 3.3
"""Inches: one column of a paper's two."""
PAGE_WIDTH = 6.6
"""Inches: both columns."""

_STYLE: dict[Any, object] = {
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.titlepad": 3.0,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.0,
    "ytick.labelsize": 6.0,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "legend.fontsize": 7.0,
    "svg.hashsalt": "actbench",  # or element ids would be drawn anew for each file
    "svg.fonttype": "none",  # text can be searched, read aloud and set in the page's own font
    "pdf.fonttype": 42,  # TrueType: publishers refuse the Type 3 fonts that are matplotlib's default
}
_DPI = 200
_SIZE = 7.0
_SPACING = 1.35
_LETTER = 0.57
"""Width of DejaVu Sans' mean letter, in units of its size."""
_HANDLE = 33.0
"""Points that a legend's entry takes beside its label."""


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's own defaults and this house's; afterwards what was set before."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def render(figure: "Figure", suffix: Suffix) -> bytes:
    """The figure as a file's content; to be called inside `style`."""
    buffer = io.BytesIO()
    if suffix == ".svg":
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    elif suffix == ".pdf":
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    else:
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def new_figure(width: float, height: float) -> "Figure":
    """An empty one of so many inches, laid out by its contents; `finish` it before it is rendered."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0.02)
    # Laid out at the dots per inch of PNG files: letters are as wide as their rounding to dots makes them.
    return Figure(figsize=(width, height), dpi=_DPI, layout=layout)


def add_title(figure: "Figure", *texts: str) -> None:
    """The title and what stands below it, each broken to the figure's width."""
    lines = [line for text in texts for line in broken(text, figure.get_figwidth())]
    figure.suptitle("\n".join(lines), fontsize=_SIZE, linespacing=_SPACING)


def title_height(width: float, *texts: str) -> float:
    """Inches that `add_title` takes."""
    return sum(len(broken(text, width)) for text in texts) * _SPACING * _SIZE / 72 + 0.08


def broken(text: str, width: float, size: float = _SIZE) -> list[str]:
    """The text in lines that fit so many inches at so many points, about equally long."""
    letters = max(20, int(72 * width / (_LETTER * size)))
    lines = textwrap.wrap(text, letters, break_long_words=False)
    while len(shorter := textwrap.wrap(text, letters, break_long_words=False)) == len(lines) and letters > 20:
        lines, letters = shorter, letters - 1
    return lines


def columns_of(panels: int, width: float, narrowest: float) -> int:
    """How many panels of at least that width stand in a row, so that the last row is as full as can be."""
    most = max(1, int(width / narrowest))
    return math.ceil(panels / math.ceil(panels / most))


def add_legend(figure: "Figure", handles: Sequence["Artist"]) -> None:
    """Below the panels, in as many columns as fit."""
    columns = legend_columns(figure.get_figwidth(), [str(handle.get_label()) for handle in handles])
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.4,
        labelspacing=0.35,
    )


def legend_columns(width: float, labels: Sequence[str]) -> int:
    """How many columns of these labels, read downwards, fit so many inches."""
    for columns in range(len(labels), 1, -1):
        long, short = math.ceil(len(labels) / columns), len(labels) // columns
        heights = [long] * (len(labels) % columns) + [short] * (columns - len(labels) % columns)
        starts = itertools.accumulate(heights, initial=0)
        longest = [
            max(map(len, labels[start : start + n])) for start, n in zip(starts, heights, strict=False)
        ]
        if sum(_LETTER * _SIZE * letters + _HANDLE for letters in longest) <= 72 * width:
            return columns
    return 1


def legend_height(width: float, labels: Sequence[str]) -> float:
    """Inches that `add_legend` takes."""
    return math.ceil(len(labels) / legend_columns(width, labels)) * 0.135 + 0.1 if labels else 0.0


def finish(figure: "Figure") -> "Figure":
    """Lays the figure out once: each further drawing would move things, and a file's bytes hang on how many came."""
    engine = figure.get_layout_engine()
    assert engine is not None  # see new_figure
    engine.execute(figure)
    figure.set_layout_engine(None)  # "none" would leave a trace for which matplotlib draws everything twice
    return figure
