"""The index of a folder of records: their summaries in one file of the user's cache, so that a table needs no other.

It is derived and never the truth: an entry counts only while its record's file has the size and the time of change
that it was read with. Whatever is wrong with an index, it is as if there were none. Imports no torch.

The file: a line with a checksum and lengths; a line of JSON, columns over the records; what records share (recipes,
arms), a line each, by number; every record's results; and what is parsed only when it is asked for: costs, provenance,
and which test examples were right.
"""

import contextlib
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic_core import to_json

from actbench import __version__
from actbench.errors import RecordError
from actbench.frozen import Frozen
from actbench.recipe.schema import Arm, Recipe
from actbench.record import (
    SCHEMA_VERSION,
    AnyTally,
    AttackResult,
    AveragePrecision,
    Cost,
    DataFacts,
    DetectionTally,
    Machine,
    Provenance,
    ResultFacts,
    RunSummary,
    Status,
    Take,
    Tally,
)
from actbench.summary import as_json
from actbench.user_cache import user_cache

FEWEST = 50
"""Fewer records are read as fast as an index of them."""
GRANULARITY_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT's): what was changed less long ago may change again unseen."""

_PLAIN = (
    "status", "reason", "seed", "run", "epochs", "validation", "started", "wall_time_s", "step_wall_s", "step_cpu_s",
    "results_lengths", "details_lengths",
)  # fmt: skip
_MARK = "actbench-index"
_FIRST_LINE = len(f"{_MARK} {'':16} {'':10} {'':15} {'':15} {'':15} \n")

_Model = TypeVar("_Model", bound=Frozen)
_Item = TypeVar("_Item")
Found = RunSummary | RecordError
Read = Callable[[str], RunSummary]
"""Of the file at that path."""


class _Entry(NamedTuple):
    size: int
    mtime_ns: int
    summary: RunSummary


class _Columns(Frozen):
    """One entry for each record, but for footings and machines, which are listed once each."""

    footings: tuple[str, ...]
    machines: tuple[Machine, ...]
    name: tuple[str, ...]
    size: tuple[int, ...]
    mtime_ns: tuple[int, ...]
    status: tuple[Status, ...]
    reason: tuple[str | None, ...]
    recipe: tuple[int, ...]
    arm: tuple[int, ...]
    seed: tuple[int, ...]
    footing: tuple[int, ...]
    run: tuple[str, ...]
    data: tuple[int, ...]
    epochs: tuple[int, ...]
    validation: tuple[AnyTally | None, ...]
    started: tuple[str, ...]
    wall_time_s: tuple[float, ...]
    machine: tuple[int, ...]
    step_wall_s: tuple[float | None, ...]
    step_cpu_s: tuple[float | None, ...]
    results_lengths: tuple[tuple[int, ...], ...]
    details_lengths: tuple[tuple[int, ...], ...]


def read_folder(folder: Path, read: Read) -> list[tuple[str, Found]]:
    """The summaries of the folder's records by name of file, in order, from its index where that knows them.

    What it does not know is read by `read`, and the index is brought up to date.
    """
    # Names alone: to make ten thousand paths takes longer than to ask the system about as many files.
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    prefix = f"{folder}{os.sep}"
    if len(names) < FEWEST:
        return [(name, _attempt(f"{prefix}{name}", read)) for name in names]
    place = _place(folder)
    kept, used, is_changed = _load(place), 0, False
    found: list[tuple[str, Found]] = []
    for name in names:
        path = f"{prefix}{name}"
        entry, state = kept.get(name), _state(path)
        if entry is not None and state == entry[:2]:
            used += 1
            found.append((name, entry.summary))
            continue
        is_changed |= kept.pop(name, None) is not None
        now = time.time_ns()
        summary = _attempt(path, read)
        found.append((name, summary))
        if state and state[1] < now - GRANULARITY_NS and not isinstance(summary, RecordError):
            kept[name] = _Entry(*state, summary)
            used, is_changed = used + 1, True
    if used < len(kept):
        there = set(names)
        kept, is_changed = {name: entry for name, entry in kept.items() if name in there}, True
    if is_changed:
        _save(place, kept)
    return found


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
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return user_cache() / "records" / f"{key}.index"


def _load(place: Path) -> dict[str, _Entry]:
    """The index by name of file; empty where it is missing, broken, or of another version."""
    try:
        whole = memoryview(place.read_bytes())
        mark, version, checksum, *lengths, _ = bytes(whole[:_FIRST_LINE]).decode().split(" ")
        of_lines, of_results, of_details = map(int, lengths)
        content = whole[_FIRST_LINE:]
        is_whole = len(content) == of_lines + of_results + of_details
        if not is_whole or (mark, version, int(checksum)) != (_MARK, _version(), zlib.adler32(content)):
            return {}
        head, *texts = bytes(content[:of_lines]).split(b"\n")
        ends = of_lines, of_lines + of_results
        return _entries(_Columns.model_validate_json(head), texts, content[slice(*ends)], content[ends[1] :])
    except (OSError, ValueError, IndexError):  # pydantic's errors are ValueErrors
        return {}


def _entries(
    columns: _Columns, texts: Sequence[bytes], results: memoryview, details: memoryview
) -> dict[str, _Entry]:
    result_ends = accumulate(map(sum, columns.results_lengths), initial=0)
    detail_ends = accumulate(map(sum, columns.details_lengths), initial=0)
    rows = zip(
        columns.status,
        columns.reason,
        _made(Recipe, columns.recipe, texts),
        _made(Arm, columns.arm, texts),
        columns.seed,
        [columns.footings[number] for number in columns.footing],
        columns.run,
        _made(DataFacts, columns.data, texts),
        columns.epochs,
        columns.validation,
        columns.started,
        columns.wall_time_s,
        [columns.machines[number] for number in columns.machine],
        columns.step_wall_s,
        columns.step_cpu_s,
        [results[start:end] for start, end in pairwise(result_ends)],
        columns.results_lengths,
        [details[start:end] for start, end in pairwise(detail_ends)],
        columns.details_lengths,
        strict=True,
    )
    # What a named tuple's own maker does, without the function around it: half of this function's time.
    summaries = map(partial(tuple.__new__, RunSummary), rows)
    found = zip(columns.size, columns.mtime_ns, summaries, strict=True)
    return dict(zip(columns.name, map(partial(tuple.__new__, _Entry), found), strict=True))


def _made(model: type[_Model], numbers: Sequence[int], texts: Sequence[bytes]) -> list[_Model]:
    """An object for each number, but one alone for all records that name the same text."""
    known = {number: _parsed(model, texts[number]) for number in set(numbers)}
    return [known[number] for number in numbers]


@cache  # folders of several recipes have arms in common
def _parsed(model: type[_Model], text: bytes) -> _Model:
    return model.model_validate_json(text)


def _save(place: Path, entries: Mapping[str, _Entry]) -> None:
    """Writes the index whole or not at all; where the cache cannot be written there is none."""
    summaries = [entry.summary for entry in entries.values()]
    footings, machines, texts = _Numbers[str](), _Numbers[Machine](), _Numbers[bytes]()
    known: dict[int, int] = {}

    def shared(facts: Frozen) -> int:
        if id(facts) not in known:
            known[id(facts)] = texts.of(as_json(facts))
        return known[id(facts)]

    columns = dict(
        name=list(entries),
        size=[entry.size for entry in entries.values()],
        mtime_ns=[entry.mtime_ns for entry in entries.values()],
        **{key: [getattr(summary, key) for summary in summaries] for key in _PLAIN},
        footing=[footings.of(summary.footing) for summary in summaries],
        machine=[machines.of(summary.machine) for summary in summaries],
        recipe=[shared(summary.recipe) for summary in summaries],
        arm=[shared(summary.arm) for summary in summaries],
        data=[shared(summary.data) for summary in summaries],
    )
    head = to_json({"footings": list(footings), "machines": list(machines), **columns})
    lines = b"\n".join([head, *texts])
    content = b"".join([lines, *(summary.results_json for summary in summaries)])
    of_results = len(content) - len(lines)
    content = b"".join([content, *(summary.details for summary in summaries)])
    lengths = f"{len(lines):015} {of_results:015} {len(content) - len(lines) - of_results:015}"
    first = f"{_MARK} {_version()} {zlib.adler32(content):010} {lengths} \n".encode()
    temporary = place.with_name(f".{place.name}.tmp-{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(first + content)
        temporary.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class _Numbers(dict[_Item, int]):
    """The distinct ones of what is asked for, numbered in order."""

    def of(self, item: _Item) -> int:
        return self.setdefault(item, len(self))


@cache
def _version() -> str:
    """Changes with whatever says how a text of the index is read."""
    models = (
        Tally,
        AveragePrecision,
        DetectionTally,
        AttackResult,
        ResultFacts,
        Cost,
        DataFacts,
        Take,
        Provenance,
    )
    declared = [
        __version__,
        SCHEMA_VERSION,
        RunSummary._fields,
        *({name: repr(field) for name, field in model.model_fields.items()} for model in models),
    ]
    return hashlib.sha256(repr(declared).encode()).hexdigest()[:16]
