"""Tables as aligned text for a terminal."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from actbench.tables.table import Cell, Table

_EMPHASIS: dict[str, str] = {"underline": "^", "bold": "~"}
"""Stand before the number."""
WIDTH = 100
"""Columns of running text; the grid is as wide as it must be."""
_BESIDE_HEADS = 2
"""By so much a column is wider than its head, if nothing else makes it so."""


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
    lines = _spaced(grid(headers, rows), rows)
    below = [*table.claims, *(f"{_mark(note.mark)}{note.text}" for note in table.notes)]
    return "\n".join([_wrapped(table.caption), "", *lines, "", *(_wrapped(text, "  ") for text in below)])


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns below their heads, the first to the left and all others to the right.

    What tabulate would make of it: to load that takes as long as to render twenty tables.
    """
    table = [[cell.split("\n") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, head)) + _BESIDE_HEADS for head in table[0]]
    for row in table[1:]:
        widths = [max(width, *map(len, cell)) for width, cell in zip(widths, row, strict=True)]
    above, *below = (list(_row(row, widths)) for row in table)
    rule = "  ".join("-" * width for width in widths)
    return [*above, rule, *(line for row in below for line in row)]


def _row(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for first, *others in zip_longest(*cells, fillvalue=""):
        aligned = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *aligned]).rstrip()


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
