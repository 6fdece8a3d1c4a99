"""A table as renderers take it: text for eyes, numbers for programs. Imports no torch."""

from dataclasses import dataclass, field

from actbench.tables.columns import Columns

Number = float | int | None


@dataclass(frozen=True, slots=True)
class Cell:
    lines: tuple[str, ...]
    """What a reader sees; formats without room for several lines join them with spaces."""
    numbers: dict[str, Number] = field(default_factory=dict)
    """The same unrounded, by name; all cells of a column have the same names. Accuracies and precisions are
    fractions, as in records; a paper's values stay in the paper's unit."""

    @property
    def text(self) -> str:
        return " ".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    key: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    arm: str
    mark: str
    """Points to a note; empty if there is none."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    mark: str
    """Empty for a note on the whole table."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    name: str
    """The recipe's name."""
    label: str
    """Unique among the tables of a recipe; letters, digits and hyphens."""
    title: str
    caption: str
    columns: tuple[Column, ...]
    """Without the first, which names the arm."""
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    facts: dict[str, str | int | bool | list[int] | None]
    """What the numbers were made under, for programs."""
    asked: Columns = ()
    """The columns that were asked for; empty where they are the default ones."""
