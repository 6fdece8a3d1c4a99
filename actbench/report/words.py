"""Numbers and names as the sentences of a report have them."""

from actbench.stats.intervals import Interval
from actbench.tables.words import points

_NAMES = {"relu": "ReLU", "swish": "Swish"}


def name_of(arm: str) -> str:
    """An arm as a sentence names it."""
    return _NAMES.get(arm, arm)


def reach(interval: Interval) -> str:
    return f"{points(interval.low)} to {points(interval.high)}"


def p_value(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def over_seeds(number: int) -> str:
    return "in one seed" if number == 1 else f"over {number} seeds"


def of_tests(number: int) -> str:
    return "one test" if number == 1 else f"{number} tests"
