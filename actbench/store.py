"""Where records lie and how they get there whole: `results/<recipe>/<profile>/<arm>-seed<k>-<hash8>.json`.

A record is written to a temporary file beside its place, flushed to disk, then renamed over it, so a reader sees
the old one or the new one and never half of one. Imports no torch.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from pydantic import ValidationError

from actbench.activations.plugin_source import PluginSource
from actbench.errors import ActbenchError, DamagedRecordError, Problem, RecordError
from actbench.index import read_folder
from actbench.record import SCHEMA_VERSION, RunFacts, RunRecord, RunSummary, VersionProbe

CHECKPOINTS = "checkpoints"
IMPORTED = "imported"
"""Where a profile's records would lie: results that were imported (see `imported/store.py`), which are no records."""


class StoredRun:
    """A record, most often its summary, and its file, whose path is joined only when it is asked for."""

    __slots__ = ("_name", "_place", "record")

    def __init__(self, path: Path, record: RunFacts, name: str = "") -> None:
        """`path` is the file's, or with `name` its folder's."""
        self._place, self._name, self.record = path, name, record

    @property
    def path(self) -> Path:
        return self._place / self._name


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A whole record and its file."""

    path: Path
    record: RunRecord


class Store:
    """The records below one results folder."""

    def __init__(self, results_dir: Path) -> None:
        self.results_dir = results_dir

    def check_writable(self, *, recipe: str, profile: str) -> None:
        """Proves that the recipe's records can be written, before anything is spent. Raises ActbenchError."""
        folder = self.results_dir / recipe / profile
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".write-test-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise ActbenchError(
                f"cannot write results to {folder}: {error.strerror or error}",
                hints=["name another folder with --results-dir or ACTBENCH_RESULTS_DIR"],
            ) from error

    def path(self, *, recipe: str, profile: str, arm: str, seed: int, run: str) -> Path:
        return self.results_dir / recipe / profile / f"{arm}-seed{seed}-{run[:8]}.json"

    def checkpoint_dir(self, record_path: Path) -> Path:
        """The folder of a record's checkpoints, beside it and ignored by git."""
        return record_path.parent / CHECKPOINTS / record_path.stem

    def write(self, path: Path, record: RunRecord) -> None:
        """Stores the record at `path`, whole or not at all."""
        write_atomically(path, (record.model_dump_json(indent=1, exclude_defaults=False) + "\n").encode())

    def read(self, path: Path) -> RunRecord:
        """The record at `path`. Raises RecordError naming the file and what is wrong with it."""
        return _checked(_content(path), path)

    def summary(self, path: Path | str) -> RunSummary:
        """What tables need of the record at `path`; raises what `read` does, but for damage inside the history."""
        from actbench.summary import summarise, summary_of  # only where no index knows the record

        content = _content(path)
        return summarise(content) or summary_of(_checked(content, path))

    def summaries(self, folder: Path) -> list[tuple[Path, RunSummary | RecordError]]:
        """Of all records of a folder in order of name, or why one cannot be had."""
        return [(folder / name, found) for name, found in read_folder(folder, self.summary)]

    def paths(self, recipe: str | None = None, profile: str | None = None) -> list[Path]:
        """Where records lie, in order, whether they can be read or not."""
        found = self.results_dir.glob(f"{recipe or '*'}/{profile or '*'}/*.json")
        return sorted(path for path in found if path.parent.name != IMPORTED)

    def scan(
        self, recipe: str | None = None, profile: str | None = None
    ) -> tuple[list[StoredRun], list[Problem]]:
        """All readable records (of that recipe and profile, if named) in order of path, and what was unreadable."""
        runs: list[StoredRun] = []
        problems: list[Problem] = []
        for folder in sorted(self.results_dir.glob(f"{recipe or '*'}/{profile or '*'}/")):
            if folder.name == IMPORTED:
                continue
            for name, found in read_folder(folder, self.summary):
                if isinstance(found, RecordError):
                    problems.extend(found.problems)
                else:
                    runs.append(StoredRun(folder, found, name))
        return runs, problems


class RecordFiles(Sequence[Path]):
    """Where runs' records lie, as `StoredRun.path` has it."""

    def __init__(self, runs: Sequence[StoredRun]) -> None:
        self._runs = runs

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, place: int) -> Path: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Path]: ...
    def __getitem__(self, place: int | slice) -> Path | Sequence[Path]:
        return RecordFiles(self._runs[place]) if isinstance(place, slice) else self._runs[place].path


def remembered_plugins(runs: Iterable[StoredRun]) -> dict[str, PluginSource]:
    """Activation -> the plug-in that made its runs.

    Of several states of a file that is its present one, where it is at hand, else that of the run begun last.
    """
    found: dict[str, PluginSource] = {}
    for run in sorted(runs, key=lambda run: run.record.started):
        for name, source in run.record.arm.plugins.items():
            if name not in found or not found[name].is_present():
                found[name] = source
    return found


def set_aside(path: Path, why: str) -> Path:
    """Renames a file out of the way, to a name not yet taken, so that nothing stored is lost."""
    number = 1
    while (target := path.with_name(f"{path.name}.{why}-{number}")).exists():
        number += 1
    path.rename(target)
    return target


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all; leftovers of killed writers are removed. Raises ActbenchError."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{path.name}.tmp-*"):
            if not _is_alive(leftover.name.rsplit("-", 1)[1]):
                leftover.unlink(missing_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ActbenchError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _is_alive(pid: str) -> bool:
    """Whether another process of that number runs, which may still be writing."""
    if not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _content(path: Path | str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:  # a file object would ask the system more
            asked = os.fstat(file).st_size + 1
            content = os.read(file, asked)
            while len(content) >= asked and (more := os.read(file, asked)):  # it has grown meanwhile
                content += more
            return content
        finally:
            os.close(file)
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _checked(content: bytes, path: Path | str) -> RunRecord:
    try:
        version = VersionProbe.model_validate_json(content).schema_version
        if version > SCHEMA_VERSION:
            raise RecordError(
                f"schema version {version} is newer than this program's {SCHEMA_VERSION}",
                where=str(path),
                hints=["update actbench to read it"],
            )
        return RunRecord.model_validate_json(content)
    except ValidationError as error:
        raise DamagedRecordError(
            _damage(error), where=str(path), hints=["the run can be made again by `actbench train`"]
        ) from error


def _damage(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"damaged record: {first['msg'].removeprefix('Invalid JSON: ')}"
    place = ".".join(str(part) for part in first["loc"])
    return (
        f"not a record: {place}: {json.dumps(first['msg'])[1:-1]}"
        if place
        else f"not a record: {first['msg']}"
    )
