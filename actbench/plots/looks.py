"""Which colour, dash and marker an arm has: told apart in colour, by colour-blind eyes, and in grey print.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/) without yellow, too pale for lines on paper.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

INK, GREY, PALE = "0.1", "0.45", "0.82"


class Look(NamedTuple):
    color: str
    dash: str | tuple[float, tuple[float, ...]]
    marker: str

    def line(self, **more: Any) -> dict[str, Any]:
        return {"color": self.color, "ls": self.dash, **more}


LOOKS = (
    Look("#000000", (0, (4, 1.5)), "o"),
    Look("#0072B2", (0, (1, 1.3)), "s"),
    Look("#D55E00", "-", "^"),
    Look("#009E73", (0, (6, 1, 1, 1)), "D"),
    Look("#CC79A7", "-", "v"),
    Look("#56B4E9", (0, (3, 1)), "P"),
    Look("#E69F00", (0, (6, 1, 1, 1, 1, 1)), "X"),
    Look("0.55", "-", "*"),
)
"""For the baselines first, then for the other arms."""

SEED_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")


def in_order(names: Sequence[str], baselines: Sequence[str]) -> list[str]:
    """The baselines, then the other arms, each once and as the recipe has them."""
    return [
        *(name for name in baselines if name in names),
        *(name for name in names if name not in baselines),
    ]


def looks(names: Sequence[str], baselines: Sequence[str]) -> dict[str, Look]:
    """Arm -> its look. Beyond eight arms looks come again: a figure then must not tell arms apart by them."""
    ordered = in_order(names, baselines)
    return {name: LOOKS[i % len(LOOKS)] for i, name in enumerate(ordered)}


def seed_markers(seeds: Sequence[int]) -> dict[int, str]:
    return {seed: SEED_MARKERS[i % len(SEED_MARKERS)] for i, seed in enumerate(sorted(seeds))}
