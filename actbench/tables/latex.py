r"""Tables as LaTeX for a paper: needs \usepackage{booktabs} and nothing else.

A table goes into one column of a two-column page (3.25 in) where that is wide enough by the measure below, with
intervals under their means where that helps, and across both (`table*`, 6.75 in) where it is not.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import floor

from actbench.tables.latex_text import escaped
from actbench.tables.latex_width import letters_pt
from actbench.tables.table import Cell, Head, Note, Table

_COLUMN_PT = 234.0
"""3.25 in, the narrowest column of the usual styles."""
_PAGE_PT = 487.0
_LEAST_GAP_PT = 3.0
_LARGEST_GAP_PT = 10.0
"""Between two columns of the table."""
_EMPHASIS = {"bold": r"\textbf{bold}", "underline": r"\underline{underlined}"}


def render(tables: Sequence[Table]) -> str:
    return "\n".join(_one(table) for table in tables)


def _one(table: Table) -> str:
    environment, room = "table", _room(table, _COLUMN_PT)
    if room < _LEAST_GAP_PT:
        stacked = _with_stacked_intervals(table)
        is_narrow = _room(stacked, _COLUMN_PT) >= _LEAST_GAP_PT
        environment, table = ("table", stacked) if is_narrow else ("table*", table)
        room = _room(table, _COLUMN_PT if is_narrow else _PAGE_PT)
    gap = min(max(room, _LEAST_GAP_PT), _LARGEST_GAP_PT)
    header = ["arm", *(_stacked(list(map(escaped, column.lines)), "b") for column in table.columns)]
    rows = [
        [escaped(row.arm) + _raised(row.mark), *(_stacked(_lines(cell)) for cell in row.cells)]
        for row in table.rows
    ]
    too_wide = ["% Wider than 6.75 in: choose fewer columns."] if room < _LEAST_GAP_PT else []
    lines = [
        *too_wide,
        rf"\begin{{{environment}}}[htbp]",
        r"  \centering",
        rf"  \caption{{{escaped(table.caption)}}}",
        rf"  \label{{tab:{table.label}}}",
        r"  \scriptsize",
        rf"  \setlength{{\tabcolsep}}{{{floor(5 * gap) / 10}pt}}",
        rf"  \begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{}}}}",
        r"    \toprule",
        *_groups(table.heads),
        f"    {' & '.join(header)} \\\\",
        r"    \midrule",
        *_spaced([f"    {' & '.join(row)} \\\\" for row in rows]),
        r"    \bottomrule",
        r"  \end{tabular}",
        "",
        r"  \medskip",
        r"  \parbox{\linewidth}{\scriptsize\raggedright",
        *(rf"    {escaped(claim)}\par" for claim in table.claims),
        *(rf"    {_note(note)}\par" for note in table.notes),
        "  }",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _room(table: Table, width_pt: float) -> float:
    """What there is for each gap between columns."""
    return (width_pt - letters_pt(table)) / max(len(table.columns), 1)


def _with_stacked_intervals(table: Table) -> Table:
    """The table with what stands beside numbers below them."""
    rows = tuple(replace(row, cells=tuple(map(_with_stacked_interval, row.cells))) for row in table.rows)
    return replace(table, rows=rows)


def _with_stacked_interval(cell: Cell) -> Cell:
    beside = cell.beside.strip()
    return replace(cell, lines=(cell.number, beside, *cell.lines[1:])) if beside.startswith("±") else cell


def _groups(heads: Sequence[Head]) -> list[str]:
    """The line of heads over several columns each, and the rules below them."""
    if not heads:
        return []
    cells, rules, first = [""], [], 2
    for head in heads:
        text = r" \\ ".join(map(escaped, head.lines))
        if len(head.lines) > 1:
            text = rf"\begin{{tabular}}[b]{{@{{}}c@{{}}}}{text}\end{{tabular}}"
        cells.append(rf"\multicolumn{{{head.span}}}{{c}}{{{text}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + head.span - 1}}}")
        first += head.span
    return [f"    {' & '.join(cells)} \\\\", f"    {' '.join(rules)}"]


def _lines(cell: Cell) -> list[str]:
    number = escaped(cell.number)
    if "bold" in cell.emphasis:
        number = rf"\textbf{{{number}}}"
    if "underline" in cell.emphasis:
        number = rf"\underline{{{number}}}"
    return [number + "".join(map(_raised, cell.marks)) + escaped(cell.beside), *map(escaped, cell.lines[1:])]


def _raised(mark: str) -> str:
    if not mark:
        return ""
    # Mathematics raises the dagger by itself, and sets a star that is not up already.
    return {"*": "$^{*}$", "†": r"$^{\dagger}$"}.get(mark, rf"\textsuperscript{{{escaped(mark)}}}")


def _note(note: Note) -> str:
    if note.mark in _EMPHASIS:
        return f"{_EMPHASIS[note.mark]}: {escaped(note.text)}"
    return (rf"{_raised(note.mark)}\," if note.mark else "") + escaped(note.text)


def _spaced(rows: Sequence[str]) -> list[str]:
    """A little room between rows, which may be several lines high."""
    return [line for row in rows for line in (r"    \addlinespace", row)][1:]


def _stacked(lines: Sequence[str], align: str = "t") -> str:
    """The lines above each other; `t` has the first of them in line with the row, `b` the last."""
    if len(lines) == 1:
        return lines[0]
    stack = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[{align}]{{@{{}}r@{{}}}}{stack}\end{{tabular}}"
