r"""Tables as LaTeX for a paper: needs \usepackage{booktabs} and nothing else.

A table goes into one column of a two-column page where that is wide enough, and across both (`table*`) where not.
"""

from collections.abc import Sequence

from actbench.tables.latex_fit import fitted
from actbench.tables.latex_text import escaped
from actbench.tables.table import Cell, Head, Note, Table

_EMPHASIS = {"bold": r"\textbf{bold}", "underline": r"\underline{underlined}"}


def render(tables: Sequence[Table]) -> str:
    return "\n".join(_one(table) for table in tables)


def _one(table: Table) -> str:
    fit = fitted(table)
    table, environment = fit.table, "table" if fit.columns == 1 else "table*"
    header = [
        escaped(table.first),
        *(_stacked(list(map(escaped, column.lines)), "b") for column in table.columns),
    ]
    rows = [
        [escaped(row.arm) + _raised(row.mark), *(_stacked(_lines(cell)) for cell in row.cells)]
        for row in table.rows
    ]
    too_wide = [] if fit.columns else ["% Wider than 6.75 in: choose fewer columns."]
    lines = [
        *too_wide,
        rf"\begin{{{environment}}}[htbp]",
        r"  \centering",
        rf"  \caption{{{escaped(table.caption)}}}",
        rf"  \label{{tab:{table.label}}}",
        r"  \smallskip",
        r"  \scriptsize",
        rf"  \setlength{{\tabcolsep}}{{{fit.gap_pt / 2}pt}}",
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
