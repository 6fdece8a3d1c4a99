"""Tables as markdown blocks between markers, so that a page's tables can be made again in place.

`<!-- actbench: NAME -->` and `<!-- /actbench -->` enclose all tables of the recipe NAME;
`<!-- actbench: NAME columns=metric,kept -->` says which columns they have. Tables of several recipes side by side have
their names joined by `+`; `<!-- actbench: NAME appendix -->` is the place of a recipe's paragraph for the appendix, and
`<!-- actbench: NAME waterfall -->` that of its waterfalls.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from actbench.tables.columns import Columns, parse_columns, shown_columns
from actbench.tables.table import Cell, Table

_EMPHASIS = {"bold": "**bold**", "underline": "<ins>underlined</ins>"}
_END = "<!-- /actbench -->"
_MARKER = re.compile(r"<!-- actbench: (\S+(?: appendix| waterfall)?)(?: columns=(\S+))? -->")


def render(tables: Sequence[Table]) -> str:
    """One block per recipe, a heading over each table where there are several."""
    return "\n".join(f"{block}\n" for block in blocks(tables).values())


def blocks(tables: Sequence[Table]) -> dict[str, str]:
    """Each recipe's block, markers included, by the recipe's name."""
    headed = len(tables) > 1
    ordered = sorted(tables, key=lambda table: [t.name for t in tables].index(table.name))
    return {
        name: _block(name, list(group), headed)
        for name, group in groupby(ordered, key=lambda table: table.name)
    }


def _block(name: str, tables: Sequence[Table], headed: bool) -> str:
    columns = f" columns={shown_columns(tables[0].asked)}" if tables[0].asked else ""
    return enclosed(f"{name}{columns}", "\n".join(_one(table, headed) for table in tables))


def enclosed(key: str, text: str) -> str:
    """The text between markers."""
    return f"<!-- actbench: {key} -->\n{text}\n{_END}"


def marked_names(page: str) -> list[str]:
    """The names in the page's opening markers."""
    return [name for name, _ in _MARKER.findall(page)]


def marked_columns(page: str, *, where: str) -> dict[str, Columns]:
    """The columns that the page's markers ask for, by recipe. Raises ActbenchError for unknown ones."""
    return {
        name: parse_columns(columns, where=where, key=f"actbench: {name}")
        for name, columns in _MARKER.findall(page)
        if columns
    }


def replace_block(page: str, name: str, block: str) -> str | None:
    """The page with that block in place of what stood between its markers; None where it has no such pair."""
    opening = rf"<!-- actbench: {re.escape(name)}(?: columns=\S+)? -->"
    pattern = re.compile(rf"{opening}.*?{re.escape(_END)}", re.DOTALL)
    match = pattern.search(page)
    if match is None or len(marked_names(match.group())) > 1:  # the end marker of another block is not ours
        return None
    return page[: match.start()] + block + page[match.end() :]


def _one(table: Table, headed: bool) -> str:
    heading = [f"### {escaped(table.title)}", ""] if headed else []
    ruler = ["---", *["---:"] * len(table.columns)]
    rows = [
        [
            escaped(row.arm) + (f"<sup>{row.mark}</sup>" if row.mark else ""),
            *(_cell(cell) for cell in row.cells),
        ]
        for row in table.rows
    ]
    grid = ["| " + " | ".join(line) + " |" for line in (_header(table), ruler, *rows)]
    claims = [f"- {escaped(claim)}" for claim in table.claims]
    notes = [f"- {_mark(note.mark)}{escaped(note.text)}" for note in table.notes]
    return "\n".join(["", *heading, f"**{escaped(table.caption)}**", "", *grid, "", *claims, *notes, ""])


def _header(table: Table) -> list[str]:
    """Markdown has one line of heads: those over several columns go before each of these."""
    above = [f"{escaped(head.text)}: " for head in table.heads for _ in range(head.span)]
    above = above or [""] * len(table.columns)
    return [
        table.first,
        *(over + escaped(column.text) for over, column in zip(above, table.columns, strict=True)),
    ]


def _cell(cell: Cell) -> str:
    number = escaped(cell.number)
    if "bold" in cell.emphasis:
        number = f"**{number}**"
    if "underline" in cell.emphasis:
        number = f"<ins>{number}</ins>"
    return " ".join(
        [number + "".join(map(escaped, cell.marks)) + escaped(cell.beside), *map(escaped, cell.lines[1:])]
    )


def _mark(mark: str) -> str:
    if mark in _EMPHASIS:
        return f"{_EMPHASIS[mark]}: "
    return f"<sup>{mark}</sup> " if mark.isdigit() else f"{escaped(mark)} " if mark else ""


def escaped(text: str) -> str:
    """The text made plain; an underscore inside a word and brackets that begin no link need nothing."""
    special = r"[\\`*|<>#~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\](?=\()"
    return re.sub(f"({special})", r"\\\1", re.sub(r"\s+", " ", text))
