"""Tables as aligned text for a terminal."""

from collections.abc import Sequence

from tabulate import tabulate

from actbench.tables.table import Table


def render(tables: Sequence[Table]) -> str:
    return "\n\n\n".join(_one(table) for table in tables) + "\n"


def _one(table: Table) -> str:
    headers = ["arm", *(column.text for column in table.columns)]
    rows = [
        [row.arm + (f" ({row.mark})" if row.mark else ""), *(c.text for c in row.cells)] for row in table.rows
    ]
    grid = tabulate(
        rows,
        headers,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left", *["right"] * len(table.columns)],
    )
    notes = [f"({note.mark}) {note.text}" if note.mark else note.text for note in table.notes]
    return "\n".join([table.caption, "", grid, "", *notes])
