"""How a figure looks and gets its bytes: the same for the same record, whatever the user's own settings are."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Suffix = Literal[".png", ".svg"]
SUFFIXES: tuple[Suffix, ...] = (".png", ".svg")

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
}


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
    else:
        figure.savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()
