"""A table as renderers take it: text for eyes, numbers for programs. Imports no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from actbench.tables.columns import Columns

Number = float | int | None
Emphasis = Literal["bold", "underline"]
NONE = "-"
"""Stands where there is nothing to show."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table."""

    lines: tuple[str, ...]
    """What a reader sees; formats without room for several lines join them with spaces."""
    numbers: dict[str, Number] = field(default_factory=dict)
    """The same unrounded, by name, the one to sort by first; all cells of a column have the same names. Accuracies
    and precisions are fractions, as in records; a paper's values stay in the paper's unit."""
    emphasis: frozenset[Emphasis] = frozenset()
    """How its number is set: the first word of the first line."""
    marks: tuple[str, ...] = ()
    """Signs right behind the number, each told in a note: `*`, `†`."""

    @property
    def number(self) -> str:
        return self.lines[0].partition(" ")[0] if self.lines else ""

    @property
    def beside(self) -> str:
        """What follows the number in its line, the space before it included."""
        return self.lines[0][len(self.number) :] if self.lines else ""

    @property
    def text(self) -> str:
        """Everything in one line, without emphasis."""
        return " ".join([f"{self.number}{''.join(self.marks)}{self.beside}", *self.lines[1:]])

    @property
    def sort_value(self) -> Number:
        return next(iter(self.numbers.values()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What stands over the cells below it."""

    key: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Stands over several columns: the network and the data that they are about."""

    lines: tuple[str, ...]
    span: int
    """How many columns, counted from the end of the head before it."""

    @property
    def text(self) -> str:
        return ", ".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An arm and its cells."""

    arm: str
    mark: str
    """Points to a note; empty if there is none."""
    cells: tuple[Cell, ...]
    evidence: Callable[[], dict[str, Any]] = dict
    """Makes every number that the comparison has of this arm, shown or not, as plain data for `--json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence below the table."""

    mark: str
    """What it explains: an arm's mark, a cell's, or an emphasis by its name; empty for a note on the whole table."""
    text: str
    is_legend: bool = False
    """Whether it explains what stands in the table, and is as true under any other table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is rendered, in whatever format."""

    name: str
    """The recipe's name; of several, joined by `+`. A markdown page has its tables between markers of that name."""
    label: str
    """Unique among the tables of a recipe; letters, digits and hyphens."""
    title: str
    caption: str
    columns: tuple[Column, ...]
    """Without the first, which names what a row is about."""
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    facts: dict[str, Any]
    """What the numbers were made under, for programs: plain data."""
    setting: tuple[str, ...] = ()
    """The network and the data in a few words, as heads of columns have them."""
    claims: tuple[str, ...] = ()
    """A line for each claim of the paper that this is about, its verdict in it."""
    files: dict[str, Sequence[Path]] = field(default_factory=dict)
    """The record files behind each row, by the arm's name."""
    asked: Columns = ()
    """The columns that were asked for; empty where they are the default ones."""
    heads: tuple[Head, ...] = ()
    """Over the columns, where they are about several networks or data sets."""
    first: str = "arm"
    """Head of the first column."""
    parts: tuple["Table", ...] = ()
    """The tables that stand side by side in this one."""

    @property
    def file_labels(self) -> dict[str, tuple[str, ...]]:
        return {arm: tuple(path.as_posix() for path in paths) for arm, paths in self.files.items()}
