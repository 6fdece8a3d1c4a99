"""Many tests at once: p-values adjusted for how many there are.

A test that could not be made (None) stays None and does not count: it can reject nothing, so it can err in nothing.
"""

from collections.abc import Sequence

from actbench.stats.contrasts import Contrast


def adjusted(family: Sequence[Contrast | None]) -> list[float | None]:
    """p-values of the tests of one table that hold the chance of any error among them.

    Holm's steps over `family_p`, and never below the test's own `p`. Variances brought nearer to the table's are safe
    among many tests, of which an arm that deviates more has few; where two thirds of them or fewer are left to decide,
    a test's own `p` goes into the steps too.
    """
    order = _ascending(
        [contrast.family_p if contrast and contrast.p is not None else None for contrast in family]
    )
    few = fewest_moderated(len(order))
    found: list[float | None] = [None] * len(family)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        contrast, left = family[index], len(order) - rank
        assert contrast is not None
        assert contrast.p is not None
        step = p if left > few else max(p, contrast.p)
        largest = max(largest, min(1.0, left * step))
        found[index] = max(largest, contrast.p)
    return found


def fewest_moderated(tests: int) -> int:
    """Of so many tests in a family: how many left to decide are too few to rest on the table's usual variance."""
    return max(2 * tests // 3, min(3, tests - 1))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p-values that hold the chance of any error in the family, by Holm's steps down."""
    order = _ascending(ps)
    adjusted: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(ps: Sequence[float | None]) -> list[float | None]:
    """p-values that hold the share of errors among the findings, by Benjamini and Hochberg's steps up."""
    order = _ascending(ps)
    adjusted: list[float | None] = [None] * len(ps)
    smallest = 1.0
    for rank, (p, index) in reversed(list(enumerate(order, start=1))):
        smallest = min(smallest, p * (len(order) / rank))  # never rounded below p
        adjusted[index] = smallest
    return adjusted


def _ascending(ps: Sequence[float | None]) -> list[tuple[float, int]]:
    if any(p is not None and not 0 <= p <= 1 for p in ps):
        raise ValueError("a p-value lies outside 0 to 1")
    return sorted((p, index) for index, p in enumerate(ps) if p is not None)
