"""The ways in which two arms' means are compared, and which of them decides."""

from typing import Literal

Method = Literal["moderated", "welch", "paired", "block"]
METHODS: tuple[Method, ...] = ("moderated", "welch", "paired", "block")
DEFAULT_METHOD: Method = "moderated"
"""The most powerful that holds its family-wise error in the simulations of docs/statistics.md, which chose it; no
result did."""
METHOD_NAMES: dict[Method, str] = {
    "moderated": "moderated paired t",
    "welch": "Welch's t",
    "paired": "paired t",
    "block": "block contrasts with pooled error",
}
MODERATION = 0.4
"""How many degrees of freedom the table's usual variance is worth beside an arm's own, at most.

Set by `benchmarks/analyses.py`: more finds more, until an arm that deviates more than the others errs too often.
"""


def moderation(arms: int) -> float:
    """The degrees of freedom lent by a table of so many arms: none by up to three, whose own are all there is."""
    return min(MODERATION, max(0, arms - 3) / arms) if arms else 0.0
