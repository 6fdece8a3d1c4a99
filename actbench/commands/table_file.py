"""Where rendered tables go: to standard output, to a file, between the markers of a page, or beside a file to check it.

A markdown file keeps everything outside the markers. Imports no torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from actbench.errors import ActbenchError
from actbench.store import write_atomically
from actbench.tables import markdown
from actbench.tables.columns import Columns
from actbench.tables.formats import Format, format_of


class Rendered(NamedTuple):
    text: str
    blocks: Mapping[str, str]
    """What a markdown page takes in, by the key of its markers."""
    what: str
    """In the plural, for messages: tables."""


class TableFile(NamedTuple):
    file: Path | None
    """To be written or compared; None for standard output."""
    is_check: bool
    format: Format
    page: str | None
    """The markdown file that takes tables in at its markers; None where there is none yet."""

    @property
    def marked(self) -> dict[str, Columns]:
        """Name of a table in the page -> the columns that its marker asks for."""
        return {} if self.page is None else markdown.marked_columns(self.page, where=str(self.file))

    def take(self, rendered: Rendered) -> str | None:
        """Writes or compares, and what to print; None where the file to check is stale."""
        if self.file is None:
            return rendered.text
        content = _content(rendered, self.page, self.file)
        if not self.is_check:
            _write(self.file, content)
            return f"wrote {self.file}\n"
        return f"{self.file} is up to date\n" if _read(self.file) == content else None


def table_file(output: Path | None, check: Path | None, format: Format | None) -> TableFile:
    """Without a format the file's suffix tells it; markdown where that tells nothing."""
    if output is not None and check is not None:
        raise ActbenchError("-o writes a file and --check compares it: give one", where="command line")
    file = output or check
    format = format or (format_of(file) if file else "markdown")
    page = _page(file) if file and format == "markdown" else None
    return TableFile(file, check is not None, format, page)


def _page(path: Path) -> str | None:
    """The text in which tables have their marked places; None where there is no such file yet."""
    content = _read(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise ActbenchError("not UTF-8 text", where=str(path)) from error


def _content(rendered: Rendered, page: str | None, path: Path) -> bytes:
    """What the file holds once the tables are in it."""
    if page is None:
        return rendered.text.encode()
    for key, block in rendered.blocks.items():
        replaced = markdown.replace_block(page, key, block)
        if replaced is None:
            marks = [f"<!-- actbench: {key} -->", "<!-- /actbench -->"]
            raise ActbenchError(
                f"no place marked for the {rendered.what} of {key.partition(' ')[0]}",
                where=str(path),
                hints=["put these two lines where they shall stand:", *marks],
            )
        page = replaced
    return page.encode()


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ActbenchError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ActbenchError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
