r"""Tables as LaTeX for a paper: needs \usepackage{booktabs} and nothing else."""

import re
from collections.abc import Sequence

from actbench.tables.table import Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    # At the start of a table's line [ would be taken for an optional argument.
    "[": "{[}",
    "]": "{]}",
}
_QUOTED = re.compile(r'"([^"]*)"')
_MINUS = re.compile(r"(?<![\w.)])-(?=\d)")


def render(tables: Sequence[Table]) -> str:
    return "\n".join(_one(table) for table in tables)


def _one(table: Table) -> str:
    header = ["arm", *(_stacked(column.lines, "b") for column in table.columns)]
    rows = [
        [
            _escaped(row.arm) + (rf"\textsuperscript{{{row.mark}}}" if row.mark else ""),
            *(_stacked(c.lines) for c in row.cells),
        ]
        for row in table.rows
    ]
    notes = [
        (rf"\textsuperscript{{{note.mark}}}\," if note.mark else "") + _escaped(note.text)
        for note in table.notes
    ]
    lines = [
        r"\begin{table}[htbp]",
        r"  \centering",
        rf"  \caption{{{_escaped(table.caption)}}}",
        rf"  \label{{tab:{table.label}}}",
        r"  \scriptsize",
        r"  \setlength{\tabcolsep}{1.5pt}",
        rf"  \begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{}}}}",
        r"    \toprule",
        f"    {' & '.join(header)} \\\\",
        r"    \midrule",
        *_spaced([f"    {' & '.join(row)} \\\\" for row in rows]),
        r"    \bottomrule",
        r"  \end{tabular}",
        "",
        r"  \medskip",
        r"  \parbox{\linewidth}{\scriptsize\raggedright",
        *(f"    {note}\\par" for note in notes),
        "  }",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _spaced(rows: Sequence[str]) -> list[str]:
    """A little room between rows, which may be several lines high."""
    return [line for row in rows for line in (r"    \addlinespace", row)][1:]


def _stacked(lines: Sequence[str], align: str = "t") -> str:
    """The lines above each other; `t` has the first of them in line with the row, `b` the last."""
    if len(lines) == 1:
        return _escaped(lines[0])
    stack = r" \\ ".join(_escaped(line) for line in lines)
    return rf"\begin{{tabular}}[{align}]{{@{{}}r@{{}}}}{stack}\end{{tabular}}"


def _escaped(text: str) -> str:
    """The text with LaTeX's characters made plain, a lone hyphen a dash and a number's hyphen a minus."""
    if text == "-":
        return "--"
    parts = _MINUS.split(_QUOTED.sub(r"``\1''", text))
    return "$-$".join("".join(_ESCAPES.get(character, character) for character in part) for part in parts)
