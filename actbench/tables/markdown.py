"""Tables as markdown blocks between markers, so that a page's tables can be made again in place.

`<!-- actbench: NAME -->` and `<!-- /actbench -->` enclose all tables of the recipe NAME.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from actbench.tables.table import Table

_END = "<!-- /actbench -->"
_MARKER = re.compile(r"<!-- actbench: (\S+) -->")


def render(tables: Sequence[Table]) -> str:
    """One block per recipe, a heading over each table where there are several."""
    return "\n".join(f"{block}\n" for block in blocks(tables).values())


def blocks(tables: Sequence[Table]) -> dict[str, str]:
    """Each recipe's block, markers included, by the recipe's name."""
    headed = len(tables) > 1
    ordered = sorted(tables, key=lambda table: [t.name for t in tables].index(table.name))
    return {
        name: "\n".join([f"<!-- actbench: {name} -->", *(_one(table, headed) for table in group), _END])
        for name, group in groupby(ordered, key=lambda table: table.name)
    }


def marked_names(page: str) -> list[str]:
    """The names in the page's opening markers."""
    return _MARKER.findall(page)


def replace_block(page: str, name: str, block: str) -> str | None:
    """The page with that block in place of what stood between its markers; None where it has no such pair."""
    pattern = re.compile(rf"<!-- actbench: {re.escape(name)} -->.*?{re.escape(_END)}", re.DOTALL)
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
