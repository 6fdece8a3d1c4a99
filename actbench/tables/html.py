"""Tables as HTML: a fragment that a page can take in, or a small whole page around fragments.

A fragment needs nothing from outside and runs nothing: a script of the page's may sort it by `data-sort-value`.
"""

from collections.abc import Sequence
from html import escape

from actbench.tables.table import Cell, Head, Note, Row, Table

STYLE = """\
figure.table { margin: 0 0 3em; }
figure.table .scroll { overflow-x: auto; }
figure.table table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
figure.table caption { text-align: left; padding-bottom: .6em; font-weight: 600; }
figure.table th, figure.table td { padding: .3em .7em; text-align: right; vertical-align: top; white-space: nowrap; }
figure.table thead th { vertical-align: bottom; border-bottom: 1px solid; }
figure.table thead th[scope=colgroup] { text-align: center; border-bottom: 1px solid; }
figure.table thead tr:first-child th:first-child, figure.table tbody th { text-align: left; padding-left: 0; }
figure.table tbody th { font-weight: 400; }
figure.table thead tr:first-child > * { border-top: 2px solid; }
figure.table tbody tr:last-child > * { border-bottom: 2px solid; }
figure.table .beside { font-size: .85em; opacity: .85; }
figure.table sup { line-height: 0; }
figure.table ul, figure.table .claims { font-size: .85em; max-width: 60em; padding-left: 0; list-style: none; }
"""
"""What a page's own style sheet may take over, for every fragment on it."""
_PAGE = "body { font: 16px/1.45 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }\n"
_MARK_IDS = {"*": "star", "†": "dagger"}


def render(tables: Sequence[Table]) -> str:
    """A whole page."""
    title = escape(", ".join(dict.fromkeys(table.title for table in tables)))
    body = "\n".join(
        fragment(table, prefix=prefix) for table, prefix in zip(tables, _prefixes(tables), strict=True)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_PAGE}{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def fragment(table: Table, *, prefix: str | None = None) -> str:
    """The table with its caption and notes. Ids begin with `prefix`, the table's label if None: one page, one each."""
    prefix = prefix or table.label
    lines = [
        f'<figure class="table" id="{prefix}">',
        '<div class="scroll">',
        "<table>",
        f"<caption>{escape(table.caption)}</caption>",
        "<thead>",
        *_head(table),
        "</thead>",
        "<tbody>",
        *(_row(row, prefix) for row in table.rows),
        "</tbody>",
        "</table>",
        "</div>",
        *(f'<p class="claims">{escape(claim)}</p>' for claim in table.claims),
        "<ul>",
        *(_note(note, prefix) for note in table.notes),
        "</ul>",
        "</figure>",
    ]
    return "\n".join(lines) + "\n"


def _prefixes(tables: Sequence[Table]) -> list[str]:
    labels = [table.label for table in tables]
    return [
        label if labels.count(label) == 1 else f"{label}-{labels[:place].count(label) + 1}"
        for place, label in enumerate(labels)
    ]


def _head(table: Table) -> list[str]:
    columns = [f'<th scope="col">{"<br>".join(map(escape, column.lines))}</th>' for column in table.columns]
    if not table.heads:
        return ["<tr>", f'<th scope="col">{escape(table.first)}</th>', *columns, "</tr>"]
    return [
        "<tr>",
        f'<th scope="col" rowspan="2">{escape(table.first)}</th>',
        *map(_group, table.heads),
        "</tr>",
        "<tr>",
        *columns,
        "</tr>",
    ]


def _group(head: Head) -> str:
    return f'<th scope="colgroup" colspan="{head.span}">{"<br>".join(map(escape, head.lines))}</th>'


def _row(row: Row, prefix: str) -> str:
    mark = _reference(row.mark, prefix) if row.mark else ""
    name = f'<th scope="row" data-sort-value="{escape(row.arm)}">{escape(row.arm)}{mark}</th>'
    return "\n".join(["<tr>", name, *(_cell(cell, prefix) for cell in row.cells), "</tr>"])


def _cell(cell: Cell, prefix: str) -> str:
    number = escape(cell.number)
    if "bold" in cell.emphasis:
        number = f"<strong>{number}</strong>"
    if "underline" in cell.emphasis:
        number = f"<u>{number}</u>"
    number += "".join(_reference(mark, prefix) for mark in cell.marks)
    rest = [f'<br><span class="beside">{escape(line)}</span>' for line in cell.lines[1:]]
    value = "" if cell.sort_value is None else repr(cell.sort_value)
    return f'<td data-sort-value="{value}">{number}{escape(cell.beside)}{"".join(rest)}</td>'


def _reference(mark: str, prefix: str) -> str:
    return f'<sup><a href="#{prefix}-{_MARK_IDS.get(mark, mark)}">{escape(mark)}</a></sup>'


def _note(note: Note, prefix: str) -> str:
    text = escape(note.text)
    if note.mark == "bold":
        return f"<li><strong>bold</strong>: {text}</li>"
    if note.mark == "underline":
        return f"<li><u>underlined</u>: {text}</li>"
    if note.mark:
        return f'<li id="{prefix}-{_MARK_IDS.get(note.mark, note.mark)}"><sup>{escape(note.mark)}</sup> {text}</li>'
    return f"<li>{text}</li>"
