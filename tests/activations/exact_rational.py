"""Rationals in exact arithmetic: every number a fraction, every term a power, nothing shared with the package."""

from collections.abc import Sequence
from fractions import Fraction


def sign(value: Fraction) -> int:
    return -1 if value < 0 else 1


def exact(x: float, a: Sequence[float], b: Sequence[float], version: str) -> list[Fraction]:
    """y, dy/dx, dy/da and dy/db in one list, sgn(0) = +1; b starts with b_0 in version C, with b_1 otherwise."""
    point, top = Fraction(x), [Fraction(value) for value in a]
    bottom = dict(enumerate(map(Fraction, b), start=0 if version == "C" else 1))
    p = sum((value * point**i for i, value in enumerate(top)), Fraction(0))
    dp = sum((i * value * point ** (i - 1) for i, value in enumerate(top) if i), Fraction(0))
    if version == "A":
        q = 1 + sum((abs(value) * abs(point) ** j for j, value in bottom.items()), Fraction(0))
        dq = sign(point) * sum(
            (j * abs(value) * abs(point) ** (j - 1) for j, value in bottom.items()), Fraction(0)
        )
        q_by_b = [sign(value) * abs(point) ** j for j, value in bottom.items()]
    else:
        inner = sum((value * point**j for j, value in bottom.items()), Fraction(0))
        q = (Fraction(1, 10) if version == "C" else 1) + abs(inner)
        dq = sign(inner) * sum(
            (j * value * point ** (j - 1) for j, value in bottom.items() if j), Fraction(0)
        )
        q_by_b = [sign(inner) * point**j for j in bottom]
    by_a = [point**i / q for i in range(len(top))]
    return [p / q, (dp - p / q * dq) / q, *by_a, *(-p / q**2 * d for d in q_by_b)]


def sizes(x: float, a: Sequence[float], b: Sequence[float], version: str) -> list[float]:
    """What rounding errors of the same list are relative to: every expression with all its terms made positive.

    Where b's terms cancel in Q, the quotient's relative error grows by how much larger they are than Q.
    """
    z, first = abs(x), 0 if version == "C" else 1
    q = float(1 / exact(x, [1.0], b, version)[0])
    p, dp = (sum(abs(v) * i**d * z ** max(i - d, 0) for i, v in enumerate(a)) for d in (0, 1))
    s, ds = (sum(abs(v) * j**d * z ** max(j - d, 0) for j, v in enumerate(b, first)) for d in (0, 1))
    worse = (1 + s) / q
    y = p / q * worse
    by_a = [z**i / q * worse for i in range(len(a))]
    return [
        y,
        (dp / q + y * (ds / q)) * worse,
        *by_a,
        *(y * (z**j / q) * worse for j in range(first, first + len(b))),
    ]


def to_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
