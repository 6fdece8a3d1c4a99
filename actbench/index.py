"""The index of a folder of records: their summaries in one file of the user's cache, so that a table needs no other.

It is derived and never the truth: an entry counts only while its record's file has the size and the time of change
that it was read with. Whatever is wrong with an index, it is as if there were none. Imports no torch.

The file: a line with a checksum of the rest; a line of JSON, columns over the records, which name texts by their
number; then the texts, a line each. Equal ones (recipes, arms, costs of one arm) are there once.
"""

import contextlib
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

from actbench import __version__
from actbench.errors import RecordError
from actbench.frozen import Frozen
from actbench.record import (
    SCHEMA_VERSION,
    AttackResult,
    AveragePrecision,
    Cost,
    DataFacts,
    DetectionTally,
    Provenance,
    RunSummary,
    Status,
    Take,
    Tally,
    TestResult,
)
from actbench.user_cache import user_cache

FEWEST = 50
"""Fewer records are read as fast as an index of them."""
GRANULARITY_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT's): what was changed less long ago may change again unseen."""

Found = RunSummary | RecordError
Read = Callable[[Path], RunSummary]


class _Entry(NamedTuple):
    size: int
    mtime_ns: int
    summary: RunSummary


class _Columns(Frozen):
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    mtimes_ns: tuple[int, ...]
    statuses: tuple[Status, ...]
    reasons: tuple[str | None, ...]
    seeds: tuple[int, ...]
    footings: tuple[str, ...]
    runs: tuple[str, ...]
    epochs: tuple[int, ...]
    recipes: tuple[int, ...]
    arms: tuple[int, ...]
    data: tuple[int, ...]
    results: tuple[tuple[int, ...], ...]
    costs: tuple[int | None, ...]
    provenances: tuple[int, ...]


def read_folder(folder: Path, read: Read) -> list[tuple[Path, Found]]:
    """The summaries of the folder's records in order of name, from its index where that knows them.

    What it does not know is read by `read`, and the index is brought up to date.
    """
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    if len(names) < FEWEST:
        return [(path, _attempt(path, read)) for path in map(folder.joinpath, names)]
    place = _place(folder)
    known = _load(place)
    entries: dict[str, _Entry] = {}
    found: list[tuple[Path, Found]] = []
    is_new = False
    for name in names:
        path, entry = folder / name, known.get(name)
        state, now = (
            _state(f"{folder}/{name}"),
            time.time_ns(),
        )  # building the name once more is faster than a Path
        if entry is not None and entry[:2] == state:
            entries[name] = entry
            found.append((path, entry.summary))
            continue
        summary = _attempt(path, read)
        found.append((path, summary))
        if state and state[1] < now - GRANULARITY_NS and not isinstance(summary, RecordError):
            entries[name] = _Entry(*state, summary)
            is_new = True
    if is_new or len(entries) < len(known):
        _save(place, entries)
    return found


def _attempt(path: Path, read: Read) -> Found:
    try:
        return read(path)
    except RecordError as error:
        return error


def _state(path: str) -> tuple[int, int] | None:
    """Size and time of change: by them a file is taken for the one that was read."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _place(folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return user_cache() / "records" / f"{key}.index"


def _load(place: Path) -> Mapping[str, _Entry]:
    """The index by name of file; empty where it is missing, broken, or of another version."""
    try:
        content = place.read_bytes()
        first, head, *texts = content.split(b"\n")
        if first != _first_line(memoryview(content)[len(first) + 1 :]):
            return {}
        return _entries(_Columns.model_validate_json(head), texts)
    except (OSError, ValueError, IndexError):  # pydantic's errors are ValueErrors
        return {}


def _entries(columns: _Columns, texts: Sequence[bytes]) -> dict[str, _Entry]:
    return {
        name: _Entry(
            size,
            mtime_ns,
            RunSummary(
                status=status,
                reason=reason,
                recipe_json=texts[recipe],
                arm_json=texts[arm],
                seed=seed,
                footing=footing,
                run=run,
                epochs=epochs,
                data_json=texts[data],
                result_jsons=tuple([texts[number] for number in results]),
                cost_json=None if cost is None else texts[cost],
                provenance_json=texts[provenance],
            ),
        )
        for (
            name, size, mtime_ns, status, reason, seed, footing, run, epochs,
            recipe, arm, data, results, cost, provenance,
        ) in zip(*(getattr(columns, field) for field in _Columns.model_fields), strict=True)
    }  # fmt: skip


def _save(place: Path, entries: Mapping[str, _Entry]) -> None:
    """Writes the index whole or not at all; where the cache cannot be written there is none."""
    texts: dict[bytes, int] = {}

    def number(text: bytes) -> int:
        return texts.setdefault(text, len(texts))

    summaries = [entry.summary for entry in entries.values()]
    columns = _Columns(
        names=tuple(entries),
        sizes=tuple(entry.size for entry in entries.values()),
        mtimes_ns=tuple(entry.mtime_ns for entry in entries.values()),
        statuses=tuple(summary.status for summary in summaries),
        reasons=tuple(summary.reason for summary in summaries),
        seeds=tuple(summary.seed for summary in summaries),
        footings=tuple(summary.footing for summary in summaries),
        runs=tuple(summary.run for summary in summaries),
        epochs=tuple(summary.epochs for summary in summaries),
        recipes=tuple(number(summary.recipe_json) for summary in summaries),
        arms=tuple(number(summary.arm_json) for summary in summaries),
        data=tuple(number(summary.data_json) for summary in summaries),
        results=tuple(tuple(map(number, summary.result_jsons)) for summary in summaries),
        costs=tuple(None if s.cost_json is None else number(s.cost_json) for s in summaries),
        provenances=tuple(number(summary.provenance_json) for summary in summaries),
    )
    rest = b"\n".join([columns.model_dump_json().encode(), *texts])
    temporary = place.with_name(f".{place.name}.tmp-{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(_first_line(rest) + b"\n" + rest)
        temporary.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _first_line(rest: bytes | memoryview) -> bytes:
    return f"actbench index {_version()} {zlib.adler32(rest):08x}".encode()


@cache
def _version() -> str:
    """Changes with whatever says how a text of the index is read."""
    models = (
        Tally,
        AveragePrecision,
        DetectionTally,
        AttackResult,
        TestResult,
        Cost,
        DataFacts,
        Take,
        Provenance,
    )
    declared = [
        __version__,
        SCHEMA_VERSION,
        [(column.name, column.type) for column in fields(RunSummary)],
        *({name: repr(field) for name, field in model.model_fields.items()} for model in models),
    ]
    return hashlib.sha256(repr(declared).encode()).hexdigest()[:16]
