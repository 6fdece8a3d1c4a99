"""Numbers and names as the sentences of a report have them."""

from collections.abc import Sequence

from actbench.stats.intervals import Interval

_NAMES = {"relu": "ReLU", "swish": "Swish"}


def name_of(arm: str) -> str:
    """An arm as a sentence names it."""
    return _NAMES.get(arm, arm)


def listed(names: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else "".join(names)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def points(fraction: float) -> str:
    """A difference in points, signed unless it rounds to nothing."""
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def reach(interval: Interval) -> str:
    return f"{points(interval.low)} to {points(interval.high)}"


def p_value(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def over_seeds(number: int) -> str:
    return "in one seed" if number == 1 else f"over {number} seeds"


def of_tests(number: int) -> str:
    return "one test" if number == 1 else f"{number} tests"
