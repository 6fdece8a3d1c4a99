"""The lines of a file of results, each checked by itself: what a run's fields say, or what is wrong with them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from actbench.errors import Problem
from actbench.imported.columns import Columns, metric_hints, metric_named
from actbench.imported.runs import ImportedStatus
from actbench.imported.sheet import Line, Sheet
from actbench.recipe.nearest import name_hints

_STATUSES = tuple(status for status in get_args(ImportedStatus) if status != "missing")
_NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_WHOLE = re.compile(r"([0-9]+)([.]0*)?")  # programs that know no missing integer write 3.0
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    line: int
    arm: str
    seed: int
    values: dict[str, float | None]
    """Metric -> its value in the file's unit; None where the field is empty, NaN where it is not finite."""
    facts: dict[str, str | float | int]
    """Of the other fields those that are not empty."""


def read_entries(
    sheet: Sheet, columns: Columns, source: str, own: Sequence[str], problems: list[Problem]
) -> list[Entry]:
    """The lines that can be read; of the others what is wrong is added to `problems`."""
    entries = []
    for line in sheet.lines:
        reader = _LineReader(line, columns, source, decimal_comma=sheet.separator != ",")
        entry = reader.entry(own)
        problems += reader.problems
        if entry and not reader.problems:
            entries.append(entry)
    return entries


class _LineReader:
    """Reads one line's fields and collects their mistakes."""

    def __init__(self, line: Line, columns: Columns, source: str, *, decimal_comma: bool) -> None:
        self.line, self.columns, self.source = line, columns, source
        self.decimal_comma = decimal_comma
        self.problems: list[Problem] = []

    def entry(self, own: Sequence[str]) -> Entry | None:
        arm, seed = self._arm(), self._seed()
        values = self._values(own)
        facts = {key: fact for key in self.columns.facts if (fact := self._fact(key)) is not None}
        if arm is None or seed is None:
            return None
        return Entry(line=self.line.number, arm=arm, seed=seed, values=values, facts=facts)

    def _wrong(self, message: str, column: str, *hints: str) -> None:
        where = f"{self.source}:{self.line.number}"
        self.problems.append(Problem(message=message, where=where, key=f"column {column}", hints=hints))

    def _arm(self) -> str | None:
        text = self.line.fields[self.columns.arm]
        if text and text.isprintable() and len(text) <= 64:
            return text
        wrong = f"{text[:64]!r} is no arm's name: 1 to 64 printable characters" if text else "no arm's name"
        self._wrong(wrong, self.columns.arm)
        return None

    def _seed(self) -> int | None:
        text = self.line.fields["seed"]
        whole = _WHOLE.fullmatch(text)
        if whole and int(whole[1]) <= _LARGEST:
            return int(whole[1])
        self._wrong(f"{text!r} is no seed: a whole number from 0" if text else "no seed", "seed")
        return None

    def _values(self, own: Sequence[str]) -> dict[str, float | None]:
        if not self.columns.is_long:
            return {metric: self._value(column) for metric, column in self.columns.metrics.items()}
        text = self.line.fields["metric"]
        metric = metric_named(text, own)
        if metric is None:
            hints = metric_hints(text, own) if text else ()
            self._wrong(f"unknown metric {text!r}" if text else "no metric", "metric", *hints)
            return {}
        return {metric: self._value("value")}

    def _value(self, column: str) -> float | None:
        text = self.line.fields[column]
        return math.nan if _NOT_FINITE.fullmatch(text) else self._number(text, column)

    def _number(self, text: str, column: str) -> float | None:
        """None where the field is empty, or wrong."""
        if not text:
            return None
        plain = text.replace(",", ".") if self.decimal_comma and text.count(",") == 1 else text
        if not _NUMBER.fullmatch(plain):
            hint = (
                "write it without the sign, and give --unit percent"
                if text.endswith("%")
                else "an empty field is a missing value, nan one of a diverged run"
            )
            self._wrong(f"{text!r} is no number", column, hint)
            return None
        number = float(plain)
        if not math.isfinite(number):
            self._wrong(f"{text!r} is beyond what a number can be", column)
            return None
        return number

    def _fact(self, key: str) -> str | float | int | None:
        text = self.line.fields[key]
        if not text:
            return None
        if key == "status":
            status = text.casefold()
            if status in _STATUSES:
                return status
            self._wrong(f"unknown status {text!r}", key, *name_hints(text, _STATUSES))
            return None
        if key in ("parameters", "activation_parameters"):
            whole = _WHOLE.fullmatch(text)
            if whole and int(whole[1]) <= _LARGEST:
                return int(whole[1])
            self._wrong(f"{text!r} is no count: a whole number in digits alone", key)
            return None
        number = self._number(text, key)
        if number is not None and number <= 0:
            self._wrong(f"{text!r}: a time must be above 0", key)
        return number
