"""Percent or fractions: whether the values of a file can be what they are said, or seem, to be."""

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from actbench.errors import Problem
from actbench.imported.entries import Entry
from actbench.imported.runs import Unit, in_lines


def out_of_range(entries: Iterable[Entry], asked: Unit | None, source: str) -> Iterator[Problem]:
    """Values that no metric can have in that unit, percent unless told."""
    top = 1 if asked == "fraction" else 100
    for entry in entries:
        for metric, value in _finite(entry):
            if not 0 <= value <= top:
                yield Problem(
                    message=f"{value:g} cannot be: in {asked or 'percent'} values are from 0 to {top}",
                    where=f"{source}:{entry.line}",
                    key=metric,
                )


def unclear_units(
    entries: Sequence[Entry], metrics: Iterable[str], asked: Unit | None, source: str
) -> Iterator[Problem]:
    """Metrics of which every value might be either, where nobody said which."""
    for metric in metrics if asked is None else ():
        values = [value for entry in entries for name, value in _finite(entry) if name == metric]
        if values and min(values) >= 0 and max(values) <= 1:
            yield Problem(
                message=f"no {metric} is above 1: are these fractions, or percent?",
                where=source,
                hints=("say which: --unit fraction or --unit percent",),
            )


def doubtful_units(entries: Sequence[Entry], unit: Unit, source: str) -> Iterator[str]:
    """Words about single values that look like fractions among percent."""
    if unit == "fraction":
        return
    values: dict[str, list[tuple[float, int]]] = {}
    for entry in entries:
        for metric, value in _finite(entry):
            values.setdefault(metric, []).append((value, entry.line))
    for metric, found in values.items():
        middle = median(value for value, _ in found)
        lines = sorted(line for value, line in found if 0 < value <= 1 < middle)
        if lines:
            yield f"{source}: {metric} is at most 1 and taken as percent in {in_lines(lines)}"


def _finite(entry: Entry) -> Iterator[tuple[str, float]]:
    for metric, value in entry.values.items():
        if value is not None and not math.isnan(value):
            yield metric, value
