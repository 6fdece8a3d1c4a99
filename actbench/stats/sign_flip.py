"""The exact test of pairs that assumes no distribution: every difference could as well have had the other sign."""

from collections.abc import Sequence
from itertools import product
from math import fsum
from typing import NamedTuple

MOST_PAIRS = 12
"""All 2**n choices of signs are gone through."""


class SignFlip(NamedTuple):
    p: float
    smallest: float
    """The smallest p that this many pairs could have given; at five seeds it is above .05 whatever they show."""


def sign_flip(differences: Sequence[float]) -> SignFlip | None:
    """Two-sided exact p over all choices of signs; None for fewer than two pairs or more than MOST_PAIRS."""
    n = len(differences)
    if not 2 <= n <= MOST_PAIRS:
        return None
    sizes = sorted(map(abs, differences))
    seen = abs(fsum(differences))
    least = seen - 1e-12 * fsum(sizes)  # a tie is one however it was rounded
    # A choice and its reverse have sums of the same size: half of them tell all.
    sums = (
        sizes[-1] + fsum(s * d for s, d in zip(signs, sizes[:-1], strict=True))
        for signs in product((1, -1), repeat=n - 1)
    )
    extreme = sum(abs(total) >= least for total in sums)
    return SignFlip(extreme / 2 ** (n - 1), 0.5 ** (n - 1))
