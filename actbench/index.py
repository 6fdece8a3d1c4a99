"""The index of a folder of records: their summaries in one file of the user's cache, so that a table needs no other.

It is derived and never the truth: an entry counts only while its record's file has the size and the time of change
that it was read with. Whatever is wrong with an index, it is as if there were none. Imports no torch.
"""

import hashlib
import os
import time
from pathlib import Path

from actbench.details import DetailsFile, Read
from actbench.errors import RecordError
from actbench.index_file import Entry, Index, load, save
from actbench.record import RunSummary
from actbench.user_cache import user_cache

FEWEST = 50
"""Fewer records are read as fast as an index of them."""
GRANULARITY_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT's): what was changed less long ago may change again unseen."""

Found = RunSummary | RecordError


def read_folder(folder: Path, read: Read) -> list[tuple[str, Found]]:
    """The summaries of the folder's records by name of file, in order, from its index where that knows them.

    What it does not know is read by `read`, and the index is brought up to date.
    """
    # Names alone: to make ten thousand paths takes longer than to ask the system about as many files.
    names = sorted([name for name in os.listdir(folder) if name.endswith(".json")])
    prefix = f"{folder}{os.sep}"
    if len(names) < FEWEST:
        return [(name, _attempt(f"{prefix}{name}", read)) for name in names]
    home = DetailsFile(_place(folder), folder, read)
    index = load(home)
    if index and names == index.names and _are_as_read(prefix, index):
        return list(zip(names, index.summaries, strict=True))
    kept, used, is_changed = index.entries() if index else {}, 0, False
    found: dict[str, Found] = {}
    for name in names:
        path = f"{prefix}{name}"
        entry, state = kept.get(name), _state(path)
        if entry is not None and state == entry[:2]:
            used += 1
            found[name] = entry.summary
            continue
        is_changed |= kept.pop(name, None) is not None
        now = time.time_ns()
        found[name] = summary = _attempt(path, read)
        if state and state[1] < now - GRANULARITY_NS and not isinstance(summary, RecordError):
            kept[name] = Entry(*state, summary)
            used, is_changed = used + 1, True
    if is_changed or used < len(kept):
        held = {name: own for name in names if name in kept and (own := _held(kept[name]))}
        found |= {name: entry.summary for name, entry in held.items()}
        save(home, held)
    return list(found.items())


def _are_as_read(prefix: str, index: Index) -> bool:
    """Whether every file has the size and the time of change that it was read with."""
    try:
        facts = [os.stat(f"{prefix}{name}") for name in index.names]
    except OSError:
        return False
    return index.sizes == [file.st_size for file in facts] and index.mtimes_ns == [
        file.st_mtime_ns for file in facts
    ]


def _held(entry: Entry) -> Entry | None:
    """The entry with its details in memory, since their file is about to be another; None if they are lost."""
    summary = entry.summary
    if isinstance(summary.details, bytes):
        return entry
    try:
        return entry._replace(summary=summary._replace(details=bytes(summary.details)))
    except RecordError:  # the record changes at this moment: the next call reads it
        return None


def _attempt(path: str, read: Read) -> Found:
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
    """Of the details; the index lies beside them."""
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return user_cache() / "records" / f"{key}.details"
