"""Imported sets are read and written whole, each at its place (see `places.py`)."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from actbench.errors import ActbenchError, DamagedRecordError, RecordError
from actbench.imported.places import paths, place_of
from actbench.imported.runs import IMPORT_VERSION, ImportedSet
from actbench.record import VersionProbe
from actbench.store import set_aside, write_atomically


def read(path: Path) -> ImportedSet:
    """The set at `path`. Raises RecordError naming the file and what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    try:
        version = VersionProbe.model_validate_json(content).schema_version
        if version > IMPORT_VERSION:
            message = f"schema version {version} is newer than this program's {IMPORT_VERSION}"
            raise RecordError(message, where=str(path), hints=["update actbench to read it"])
        return ImportedSet.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"not an imported set: {place + ': ' if place else ''}{first['msg']}"
        hints = ["import its file again: `actbench import`"]
        raise DamagedRecordError(message, where=str(path), hints=hints) from error


class Stored(NamedTuple):
    path: Path
    is_new: bool
    superseded: tuple[Path, ...]
    """Where earlier sets of the name are kept."""


def write(results_dir: Path, imported: ImportedSet, *, force: bool) -> Stored:
    """Stores the set.

    The very same set is left as it lies. Raises ActbenchError where another one of the name lies, unless forced.
    """
    target = place_of(results_dir, imported.name, imported.source.name, imported.source.sha256)
    content = (imported.model_dump_json(indent=1) + "\n").encode()
    there = paths(results_dir, imported.name)
    if there == [target] and target.read_bytes() == content:
        return Stored(target, False, ())
    if there and not force:
        raise ActbenchError(
            f"{imported.name} is imported already, from another file or with other words: {there[0]}",
            hints=["--force replaces it and keeps the old file aside; --name NAME imports beside it"],
        )
    try:
        kept = tuple(set_aside(path, "superseded") for path in there)
    except OSError as error:
        raise ActbenchError(f"cannot be renamed: {error.strerror or error}", where=str(there[0])) from error
    write_atomically(target, content)
    return Stored(target, True, kept)
