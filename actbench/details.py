"""What tables seldom need of records, in a file beside their index: each record's part is read when it is asked for.

A part has a checksum of its own. Where it is not there as it was written, the record itself is read again. Imports no
torch.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from actbench.errors import RecordError

if TYPE_CHECKING:
    from actbench.record import RunSummary

Read = Callable[[str], "RunSummary"]
"""Of the record's file at that path."""


WINDOW = 1 << 17
"""Bytes that are read at a time: an arm's runs lie next to each other."""


class DetailsFile:
    """The parts of a folder's records, one after the other."""

    def __init__(self, place: Path, folder: Path, read: Read) -> None:
        """`folder` is where the records lie, of which `read` makes summaries."""
        self.place, self.folder, self.read = place, folder, read
        self._from, self._window = 0, b""

    def part(self, start: int, length: int) -> bytes:
        """Those bytes of the file, as far as it has them."""
        if not self._from <= start <= self._from + len(self._window) - length:
            self._from = start // WINDOW * WINDOW
            self._window = self._bytes(self._from, WINDOW + length)
        return self._window[start - self._from : start - self._from + length]

    def _bytes(self, start: int, length: int) -> bytes:
        try:
            with open(self.place, "rb", buffering=0) as file:
                file.seek(start)
                return file.read(length)
        except OSError:
            return b""


class StoredDetails(NamedTuple):
    """A record's details: bytes that lie in a file, and equal to them."""

    home: DetailsFile
    name: str
    """Of the record's file."""
    start: int
    length: int
    checksum: int

    def __bytes__(self) -> bytes:
        """Raises RecordError where neither file holds any more what it held."""
        part = self.home.part(self.start, self.length)
        if self._is_own(part):
            return part
        path = str(self.home.folder / self.name)
        own = bytes(self.home.read(path).details)
        if not self._is_own(own):
            raise RecordError("changed while it was read", where=path, hints=["try it again"])
        return own

    def _is_own(self, content: bytes) -> bool:
        return len(content) == self.length and zlib.crc32(content) == self.checksum

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes | StoredDetails) and bytes(self) == bytes(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(bytes(self))
