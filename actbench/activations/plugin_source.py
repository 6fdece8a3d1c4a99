"""What is known of a user's own activation: by the catalogue once it is loaded, by records ever after. No torch."""

import hashlib
from pathlib import Path

from pydantic import Field

from actbench.frozen import Frozen, OptionValue


def file_digest(path: Path) -> str:
    """Hash of a file's content. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class PluginSource(Frozen):
    """Where a user's own activation comes from, and what it was when it was imported."""

    file: str | None = None
    """As it was named; None for a package's."""
    package: str | None = None
    """Name and version of the package; None for a file's."""
    sha256: str = ""
    """Of the whole file, or of all the package's files; empty where neither it nor a record of it is at hand."""
    defaults: dict[str, OptionValue] = Field(default_factory=dict)
    """The default of each option, so that a record can be read without the plug-in."""

    @property
    def label(self) -> str:
        return self.file or self.package or "a plug-in"

    def is_present(self) -> bool:
        """Whether its file lies where it lay, unchanged."""
        try:
            return self.file is not None and self.sha256 == file_digest(Path(self.file))
        except OSError:
            return False
