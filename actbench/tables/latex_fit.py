"""Whether a table fits a column of a two-column page, a whole page, or neither, before LaTeX has seen it.

Widths are those of Computer Modern at seven points, scriptsize in a class of ten; most other fonts are narrower.
Imports no torch.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from math import floor
from textwrap import wrap
from typing import Literal, NamedTuple

from actbench.tables.table import Cell, Table

COLUMN_PT = 234.0
"""3.25 in, the narrowest column of the usual styles."""
PAGE_PT = 487.0
"""6.75 in, two of these and what lies between."""
_LEAST_GAP_PT = 3.0
_LARGEST_GAP_PT = 10.0
_HEAD_LETTERS = 18
"""To which heads over several columns are broken."""
_LEAST_LETTERS = 7
"""What is as short is not broken."""
_WHOLE = re.compile(r"[±\[(]|^vs ")
"""Lines that are not broken."""

_WIDTHS_PT = {
    2.3: "!',.:;[]il",
    2.7: " -fj",
    3.2: "()rts|_",
    3.6: "cez",
    4.6: "bdhnpuS",
    5.3: "LFPE",
    5.8: "wBCRT",
    4.0: "0123456789aog",
    6.6: "+=@±%mADGHKNOQUVXY",
}
"""The other small letters have 4.2."""
_BOLD_PT = 0.6
"""What a bold digit has more."""


class Fit(NamedTuple):
    table: Table
    columns: Literal[0, 1, 2]
    """Of the page that it takes; 0 where it is wider than the page."""
    gap_pt: float
    """Between the table's own columns."""


def fitted(table: Table) -> Fit:
    """The table as it fits best: as it is into a column, else with its lines broken, else as it is into the page."""
    trials: list[tuple[Table, Literal[1, 2]]] = [
        (table, 1),
        (_narrowed(table), 1),
        (table, 2),
        (_narrowed(table), 2),
    ]
    for trial, columns in trials:
        gap = (PAGE_PT if columns == 2 else COLUMN_PT) - letters_pt(trial)
        gap /= max(len(trial.columns), 1)
        if gap >= _LEAST_GAP_PT:
            return Fit(trial, columns, floor(10 * min(gap, _LARGEST_GAP_PT)) / 10)
    return Fit(_narrowed(table), 0, _LEAST_GAP_PT)


def _narrowed(table: Table) -> Table:
    """The table with what stands beside numbers below them, and words below each other."""
    rows = table.rows
    columns = list(table.columns)
    cells = [[row.cells[place] for row in rows] for place in range(len(columns))]
    for place, column in enumerate(columns):
        below = [_below(cell) for cell in cells[place]]
        lines = [line for cell in below for line in cell.lines]
        width = max(
            [len(line) for line in lines if _is_whole(line)] + [_longest_word([*lines, *column.lines])]
        )
        columns[place] = replace(column, lines=_broken(column.lines, width))
        cells[place] = [replace(cell, lines=_broken(cell.lines, width)) for cell in below]
    return replace(
        table,
        heads=tuple(replace(head, lines=_broken(head.lines, _HEAD_LETTERS)) for head in table.heads),
        columns=tuple(columns),
        rows=tuple(replace(row, cells=tuple(c[place] for c in cells)) for place, row in enumerate(rows)),
    )


def _below(cell: Cell) -> Cell:
    beside = cell.beside.strip()
    return replace(cell, lines=(cell.number, beside, *cell.lines[1:])) if beside.startswith("±") else cell


def _is_whole(line: str) -> bool:
    return bool(_WHOLE.search(line))


def _longest_word(lines: Sequence[str]) -> int:
    return max((len(word) for line in lines if not _is_whole(line) for word in line.split(" ")), default=0)


def _broken(lines: Sequence[str], width: int) -> tuple[str, ...]:
    return tuple(
        part for line in lines for part in ((line,) if _is_whole(line) else wrap(line, width) or ("",))
    )


def letters_pt(table: Table) -> float:
    """At most, without the gaps between columns."""
    widths = [
        max(map(_text_pt, (table.first, *(row.arm + row.mark for row in table.rows)))),
        *(_column_pt(table, place) for place in range(len(table.columns))),
    ]
    first = 1
    for head in table.heads:
        # A head that is wider than its columns widens the last of them.
        below = sum(widths[first : first + head.span])
        widths[first + head.span - 1] += max(0, max(map(_text_pt, head.lines)) - below)
        first += head.span
    return sum(widths)


def _column_pt(table: Table, place: int) -> float:
    cells = [row.cells[place] for row in table.rows]
    return max([*map(_text_pt, table.columns[place].lines), *map(_cell_pt, cells)])


def _cell_pt(cell: Cell) -> float:
    bold = _BOLD_PT * len(cell.number) if "bold" in cell.emphasis else 0
    number = f"{cell.number}{''.join(cell.marks)}{cell.beside}"
    return max([bold + _text_pt(number), *map(_text_pt, cell.lines[1:])])


def _text_pt(text: str) -> float:
    minuses = len(re.findall(r"-(?=\d)", text))  # set as minus signs
    return 3.6 * minuses + sum(map(_character_pt, text))


def _character_pt(character: str) -> float:
    for width, characters in _WIDTHS_PT.items():
        if character in characters:
            return width
    return 4.2 if character.isascii() and character.isalnum() and not character.isupper() else 8.1
