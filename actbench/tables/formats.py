"""The formats of `export-table`, by name."""

from collections.abc import Callable, Sequence
from typing import Literal

from actbench.tables import csv, html, json, latex, markdown, terminal
from actbench.tables.table import Table

Format = Literal["terminal", "markdown", "latex", "csv", "html", "json"]

RENDERERS: dict[Format, Callable[[Sequence[Table]], str]] = {
    "terminal": terminal.render,
    "markdown": markdown.render,
    "latex": latex.render,
    "csv": csv.render,
    "html": html.render,
    "json": json.render,
}
