"""Tables as aligned text for a terminal."""

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from actbench.tables.table import Table

WIDTH = 100
"""Columns of running text; the grid is as wide as it must be."""


def render(tables: Sequence[Table]) -> str:
    return "\n\n\n".join(_one(table) for table in tables) + "\n"


def _one(table: Table) -> str:
    headers = ["arm", *("\n".join(column.lines) for column in table.columns)]
    rows = [
        [row.arm + (f" ({row.mark})" if row.mark else ""), *("\n".join(c.lines) for c in row.cells)]
        for row in table.rows
    ]
    grid = tabulate(
        rows,
        headers,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left", *["right"] * len(table.columns)],
    )
    notes = [f"({note.mark}) {note.text}" if note.mark else note.text for note in table.notes]
    lines = _spaced([line.rstrip() for line in grid.split("\n")], rows)
    return "\n".join([_wrapped(table.caption), "", *lines, "", *(_wrapped(note, "  ") for note in notes)])


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
