"""Tables as markdown blocks between markers, so that a page's tables can be made again in place.

`<!-- actbench: NAME -->` and `<!-- /actbench -->` enclose all tables of the recipe NAME;
`<!-- actbench: NAME columns=metric,kept -->` says which columns they have.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from actbench.tables.columns import Columns, parse_columns
from actbench.tables.table import Table

_END = "<!-- /actbench -->"
_MARKER = re.compile(r"<!-- actbench: (\S+)(?: columns=(\S+))? -->")


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
    columns = f" columns={','.join(tables[0].asked)}" if tables[0].asked else ""
    return "\n".join(
        [f"<!-- actbench: {name}{columns} -->", *(_one(table, headed) for table in tables), _END]
    )


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
    heading = [f"### {_escaped(table.title)}", ""] if headed else []
    header = ["arm", *(_escaped(column.text) for column in table.columns)]
    ruler = ["---", *["---:"] * len(table.columns)]
    rows = [
        [
            _escaped(row.arm) + (f"<sup>{row.mark}</sup>" if row.mark else ""),
            *(_escaped(c.text) for c in row.cells),
        ]
        for row in table.rows
    ]
    notes = [
        f"- {f'<sup>{note.mark}</sup> ' if note.mark else ''}{_escaped(note.text)}" for note in table.notes
    ]
    grid = ["| " + " | ".join(line) + " |" for line in (header, ruler, *rows)]
    return "\n".join(["", *heading, f"**{_escaped(table.caption)}**", "", *grid, "", *notes, ""])


def _escaped(text: str) -> str:
    """The text made plain; an underscore inside a word and brackets that begin no link need nothing."""
    special = r"[\\`*|<>#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\](?=\()"
    return re.sub(f"({special})", r"\\\1", " ".join(text.split()))
