"""How wide a table becomes in LaTeX, before LaTeX has seen it: enough to choose between a column and a page.

Measured on Computer Modern at seven points, scriptsize in a class of ten; most other fonts are narrower.
Imports no torch.
"""

import re

from actbench.tables.table import Cell, Table

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


def letters_pt(table: Table) -> float:
    """At most, without the gaps between columns."""
    widths = [
        max(map(_text_pt, ("arm", *(row.arm + row.mark for row in table.rows)))),
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
