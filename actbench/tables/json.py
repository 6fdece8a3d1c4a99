"""Tables as one JSON document: unrounded numbers, and the text that other formats show."""

import json
from collections.abc import Sequence
from typing import Any

from actbench.tables.table import Row, Table


def document(tables: Sequence[Table]) -> dict[str, Any]:
    """What `--json` prints: plain data, a missing number null."""
    return {"tables": [_one(table) for table in tables]}


def render(tables: Sequence[Table]) -> str:
    return json.dumps(document(tables), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _one(table: Table) -> dict[str, Any]:
    if table.parts:
        return {"label": table.label, "caption": table.caption, "parts": [_one(part) for part in table.parts]}
    return {
        **table.facts,
        "label": table.label,
        "caption": table.caption,
        "rows": [_row(table, row) for row in table.rows],
        "claims": list(table.claims),
        "notes": [f"({note.mark}) {note.text}" if note.mark else note.text for note in table.notes],
    }


def _row(table: Table, row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {table.first: row.arm}
    for column, cell in zip(table.columns, row.cells, strict=True):
        cells[column.key] = {**cell.numbers, "text": cell.text, "emphasis": sorted(cell.emphasis)}
    files = list(table.file_labels.get(row.arm, ()))
    return {**cells, "evidence": row.evidence(), "files": files}
