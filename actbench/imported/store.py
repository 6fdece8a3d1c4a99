"""Where imported sets lie: `results/<name>/imported/<stem>-<sha8>.json`, one for each name.

Beside the folders of profiles, so that none of them is ever read as a record of actbench's own.
"""

import re
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from actbench.errors import ActbenchError, DamagedRecordError, RecordError
from actbench.imported.runs import IMPORT_VERSION, ImportedSet
from actbench.record import VersionProbe
from actbench.store import IMPORTED, set_aside, write_atomically

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def is_name(text: str) -> bool:
    """Whether a set can be called so."""
    return _NAME.fullmatch(text) is not None


def paths(results_dir: Path, name: str | None = None) -> list[Path]:
    """The files of the sets of that name, or of all, in order."""
    if name is not None and not is_name(name):
        return []
    return sorted(results_dir.glob(f"{name or '*'}/{IMPORTED}/*.json"))


def is_place_of_set(path: Path) -> bool:
    """Whether a file lies where an imported set does."""
    return path.parent.name == IMPORTED and path.suffix == ".json"


def path_of(results_dir: Path, imported: ImportedSet) -> Path:
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(imported.source.name).stem)
    return results_dir / imported.name / IMPORTED / f"{stem}-{imported.source.sha256[:8]}.json"


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
    target = path_of(results_dir, imported)
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
