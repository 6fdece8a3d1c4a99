"""The formats of `export-table`, by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
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

_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".html": "html",
    ".json": "json",
    ".txt": "terminal",
}


def format_of(file: Path) -> Format:
    """The format that a file's suffix tells; markdown where it tells nothing."""
    return _SUFFIXES.get(file.suffix, "markdown")
