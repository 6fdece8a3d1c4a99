"""Tables as aligned text for a terminal."""

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from actbench.tables.table import Cell, Table

_EMPHASIS: dict[str, str] = {"underline": "^", "bold": "~"}
"""Stand before the number."""
WIDTH = 100
"""Columns of running text; the grid is as wide as it must be."""


def render(tables: Sequence[Table]) -> str:
    return "\n\n\n".join(_one(table) for table in tables) + "\n"


def _one(table: Table) -> str:
    above = [head.lines for head in table.heads for _ in range(head.span)] or [()] * len(table.columns)
    headers = [
        table.first,
        *("\n".join((*over, *c.lines)) for over, c in zip(above, table.columns, strict=True)),
    ]
    rows = [
        [row.arm + (f" ({row.mark})" if row.mark else ""), *("\n".join(_lines(cell)) for cell in row.cells)]
        for row in table.rows
    ]
    grid = tabulate(
        rows,
        headers,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left", *["right"] * len(table.columns)],
    )
    lines = _spaced([line.rstrip() for line in grid.split("\n")], rows)
    below = [*table.claims, *(f"{_mark(note.mark)}{note.text}" for note in table.notes)]
    return "\n".join([_wrapped(table.caption), "", *lines, "", *(_wrapped(text, "  ") for text in below)])


def _lines(cell: Cell) -> list[str]:
    emphasis = "".join(sign for name, sign in _EMPHASIS.items() if name in cell.emphasis)
    return [f"{emphasis}{cell.number}{''.join(cell.marks)}{cell.beside}", *cell.lines[1:]]


def _mark(mark: str) -> str:
    mark = _EMPHASIS.get(mark, mark)
    return f"({mark}) " if mark.isdigit() else f"{mark} " if mark else ""


def _spaced(lines: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The grid's lines with an empty one between rows of which any is several lines high."""
    heights = [max(len(cell.split("\n")) for cell in row) for row in rows]
    place = len(lines) - sum(heights)
    if max(heights) == 1:
        return lines
    spaced = lines[:place]
    for height in heights:
        spaced += [*lines[place : place + height], ""]
        place += height
    return spaced[:-1]


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
