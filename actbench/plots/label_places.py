"""Places labels beside points so that none covers another: the nearest free place of a few around each point."""

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from actbench.plots.looks import GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Labelled = tuple[float, float, str, bool]
"""Of a point: its place in the axes' units, its label, and whether the label is stressed."""


class Box(NamedTuple):
    """In points of the page."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The shared area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def outside(self, frame: "Box") -> float:
        """The area that lies beyond the frame."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(frame)


_DISTANCES = (4.0, 8.0, 13.0, 19.0, 26.0, 34.0, 43.0)
_ANGLES = tuple(
    math.radians(degrees) for degrees in (20, -20, 160, -160, 60, -60, 120, -120, 90, -90, 0, 180)
)
_NEAR = 9.0
"""From this distance on a thin line leads from the point to its label."""


def place_labels(
    panel: "Axes", points: Sequence[Labelled], line: Sequence[tuple[float, float]] = (), *, size: float = 6.0
) -> None:
    """Writes the labels, off the points and the line; the figure's layout must be final."""
    figure = panel.get_figure()
    assert figure is not None
    scale = 72 / figure.dpi
    corners = [float(end) * scale for end in panel.get_window_extent().extents]

    def on_page(x: float, y: float) -> tuple[float, float]:
        left, bottom = panel.transData.transform((x, y))
        return float(left) * scale, float(bottom) * scale

    anchors = [on_page(x, y) for x, y, _, _ in points]
    sizes = [(0.56 * size * len(label) + 2, 1.15 * size) for _, _, label, _ in points]
    ends = [on_page(x, y) for x, y in line]
    strokes = [
        Box(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 1, max(y1, y2) + 1)
        for (x1, y1), (x2, y2) in itertools.pairwise(ends)
    ]
    places = find_places(anchors, sizes, Box(*corners), strokes)
    for (x, y, label, stressed), anchor, box in zip(points, anchors, places, strict=True):
        x_end, y_end = _end(anchor, box)
        is_left_of_it = box.right <= anchor[0]
        panel.annotate(
            label,
            (x, y),
            xytext=(x_end - anchor[0], y_end - anchor[1]),
            textcoords="offset points",
            ha="right" if is_left_of_it else "left",
            va="center",
            fontsize=size,
            color=INK if stressed else "0.3",
            arrowprops={"arrowstyle": "-", "lw": 0.35, "color": GREY, "shrinkA": 0, "shrinkB": 2}
            if _leader(anchor, box)
            else None,
            zorder=5,
        )


def find_places(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    strokes: Sequence[Box] = (),
) -> list[Box]:
    """A box of the given size for each anchor: free of the anchors, of the boxes before it and of the strokes, inside
    the frame, where there is such a place; else the one that covers least."""
    dots = [Box(x - 2.5, y - 2.5, x + 2.5, y + 2.5) for x, y in anchors]
    placed: dict[int, Box] = {}
    leaders: list[Box] = []
    for i in sorted(range(len(anchors)), key=lambda i: (_crowding(anchors, i), i)):
        taken, labels = [*dots, *strokes, *leaders, *placed.values()], list(placed.values())
        candidates = [box for distance in _DISTANCES for box in _around(anchors[i], sizes[i], distance)]
        costs = [
            sum(box.overlap(other) for other in taken)
            + 3 * box.outside(frame)
            + 10 * sum(bead.overlap(label) for bead in _leader(anchors[i], box) for label in labels)
            for box in candidates
        ]
        placed[i] = candidates[min(range(len(candidates)), key=lambda k: (round(costs[k], 6), k))]
        leaders += _leader(anchors[i], placed[i])
    return [placed[i] for i in range(len(anchors))]


def _end(anchor: tuple[float, float], box: Box) -> tuple[float, float]:
    """Where the label's text begins, seen from the anchor."""
    return (box.right if box.right <= anchor[0] else box.left), (box.bottom + box.top) / 2


def _leader(anchor: tuple[float, float], box: Box) -> list[Box]:
    """The line from the anchor to its label as a row of beads; none where the label is near."""
    x, y = _end(anchor, box)
    if math.dist(anchor, (x, y)) <= _NEAR:
        return []
    places = [
        (anchor[0] + t / 10 * (x - anchor[0]), anchor[1] + t / 10 * (y - anchor[1])) for t in range(2, 10)
    ]
    return [Box(a - 0.5, b - 0.5, a + 0.5, b + 0.5) for a, b in places]


def _crowding(anchors: Sequence[tuple[float, float]], i: int) -> float:
    """Least where the nearest neighbours are near: these have the fewest places left, and choose first."""
    return sum(sorted(math.dist(anchors[i], other) for other in anchors)[:4])


def _around(anchor: tuple[float, float], size: tuple[float, float], distance: float) -> list[Box]:
    """Boxes whose nearest end lies so far from the anchor, in the order in which they please."""
    boxes = []
    for angle in _ANGLES:
        x, y = anchor[0] + distance * math.cos(angle), anchor[1] + distance * math.sin(angle)
        steep = abs(math.cos(angle)) < 0.1
        left = x - size[0] / 2 if steep else x if math.cos(angle) > 0 else x - size[0]
        boxes.append(Box(left, y - size[1] / 2, left + size[0], y + size[1] / 2))
    return boxes
