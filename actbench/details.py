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


class DetailsFile(NamedTuple):
    """The parts of a folder's records, one after the other."""

    place: Path
    folder: Path
    """Where the records lie."""
    read: Read

    def part(self, start: int, length: int) -> bytes:
        """Those bytes of the file, as far as it has them."""
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
