"""Tables as comma-separated values: unrounded numbers, one line per arm; the first columns name the table.

Tables side by side stand one below the other here, as programs want them.
"""

import csv
import io
from collections.abc import Sequence

from actbench.tables.table import Number, Table


def render(tables: Sequence[Table]) -> str:
    parts = [part for table in tables for part in (table.parts or (table,))]
    lines = [_line(table, index) for table in parts for index in range(len(table.rows))]
    fields = list(dict.fromkeys(field for line in lines for field in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _line(table: Table, index: int) -> dict[str, str | Number]:
    row = table.rows[index]
    facts = (
        "recipe",
        "profile",
        "variant",
        "data",
        "synthetic",
        "model",
        "epochs",
        "protocol",
        "metric",
        "which",
        "weights",
        "footing",
    )
    line: dict[str, str | Number] = {key: _plain(table.facts[key]) for key in facts}
    line[table.first] = row.arm
    for column, cell in zip(table.columns, row.cells, strict=True):
        for name, number in cell.numbers.items():
            line[f"{column.key}_{name}"] = number
    return line


def _plain(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
