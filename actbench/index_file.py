"""The file that an index is, and the file of details beside it. Imports no torch.

The index: a line with a checksum and the lengths of what follows: JSON, columns over the records; what records share
(recipes, arms, data), by number; every record's results; every record's cost, parsed when it is asked for. The details
are not even opened until they are asked for (see `details.py`).
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial, reduce
from itertools import accumulate, repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic_core import to_json

from actbench import __version__
from actbench.details import DetailsFile, StoredDetails
from actbench.frozen import Frozen, as_json
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
    Weights,
    Which,
)

_PLAIN = (
    "status", "reason", "seed", "run", "epochs", "validation", "started", "wall_time_s", "step_wall_s", "step_cpu_s",
    "accuracies",
)  # fmt: skip
_MARK = "actbench-index"
# ASCII's own separator of records: no JSON has it, since it escapes it.
_ENTRY = b"\x1e"
FIRST_LINE = len(f"{_MARK} {'':16} {'':10}{4 * ' 123456789012'}\n")

_Model = TypeVar("_Model", bound=Frozen)
_Item = TypeVar("_Item")
_Row = TypeVar("_Row", bound=tuple[object, ...])


class Entry(NamedTuple):
    size: int
    mtime_ns: int
    summary: RunSummary


class Index(NamedTuple):
    """By name of file, in order: with what size and time of change a record was read, and its summary."""

    names: list[str]
    sizes: list[int]
    mtimes_ns: list[int]
    summaries: list[RunSummary]

    def entries(self) -> dict[str, Entry]:
        rows = zip(self.sizes, self.mtimes_ns, self.summaries, strict=True)
        return dict(zip(self.names, map(Entry._make, rows), strict=True))


class _Columns(Frozen):
    """One entry for each record, but for footings, machines and evaluations, which are listed once each."""

    footings: tuple[str, ...]
    machines: tuple[Machine, ...]
    evaluations: tuple[tuple[tuple[Which, Weights], ...], ...]
    name: list[str]
    size: list[int]
    mtime_ns: list[int]
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
    evaluated: tuple[int, ...]
    accuracies: tuple[tuple[float | None, ...], ...]
    details_length: tuple[int, ...]
    details_checksum: tuple[int, ...]


def load(home: DetailsFile) -> Index | None:
    """None where it is missing, broken, or of another version, or lacks its details."""
    try:
        with open(_place(home), "rb", buffering=0) as file:
            mark, written_by, checksum, *told = file.read(FIRST_LINE).decode().split()
            lengths = list(map(int, told))
            if FIRST_LINE + sum(lengths) != os.stat(file.fileno()).st_size or min(lengths) < 0:
                return None
            sections = [file.read(length) for length in lengths]
        if (mark, written_by) != (_MARK, version()) or int(checksum) != _checksum(sections):
            return None
        head, shared, results, costs = sections
        columns = _Columns.model_validate_json(head)
        if os.stat(home.place).st_size != sum(columns.details_length):
            return None
        return Index(
            columns.name,
            columns.size,
            columns.mtime_ns,
            _summaries(columns, shared.split(_ENTRY), results.split(_ENTRY), costs.split(_ENTRY), home),
        )
    except (OSError, ValueError, IndexError):  # pydantic's errors are ValueErrors
        return None


def _place(home: DetailsFile) -> Path:
    return home.place.with_suffix(".index")


def _summaries(
    columns: _Columns,
    shared: Sequence[bytes],
    results: Sequence[bytes],
    costs: Sequence[bytes],
    home: DetailsFile,
) -> list[RunSummary]:
    starts = accumulate(columns.details_length[:-1], initial=0)
    details = zip(
        repeat(home), columns.name, starts, columns.details_length, columns.details_checksum, strict=False
    )
    rows = zip(
        columns.status,
        columns.reason,
        _made(Recipe, columns.recipe, shared),
        _made(Arm, columns.arm, shared),
        columns.seed,
        [columns.footings[number] for number in columns.footing],
        columns.run,
        _made(DataFacts, columns.data, shared),
        columns.epochs,
        columns.validation,
        columns.started,
        columns.wall_time_s,
        [columns.machines[number] for number in columns.machine],
        columns.step_wall_s,
        columns.step_cpu_s,
        [columns.evaluations[number] for number in columns.evaluated],
        columns.accuracies,
        results,
        costs,
        _tuples(StoredDetails, details),
        strict=True,
    )
    summaries = list(_tuples(RunSummary, rows))
    if not len(columns.name) == len(columns.size) == len(columns.mtime_ns) == len(summaries):
        raise ValueError("columns of different length")
    return summaries


def _tuples(kind: type[_Row], rows: Iterable[tuple[object, ...]]) -> Iterable[_Row]:
    """Named tuples by what their own maker does, without the function around it, which takes as long as all else."""
    return map(partial(tuple.__new__, kind), rows)


def _made(model: type[_Model], numbers: Sequence[int], texts: Sequence[bytes]) -> list[_Model]:
    """An object for each number, but one alone for all records that name the same text."""
    known = {number: _parsed(model, texts[number]) for number in set(numbers)}
    return [known[number] for number in numbers]


@cache  # folders of several recipes have arms in common
def _parsed(model: type[_Model], text: bytes) -> _Model:
    return model.model_validate_json(text)


def save(home: DetailsFile, entries: Mapping[str, Entry]) -> None:
    """Writes the index whole or not at all; where the cache cannot be written there is none."""
    summaries = [entry.summary for entry in entries.values()]
    footings, machines, texts = _Numbers[str](), _Numbers[Machine](), _Numbers[bytes]()
    evaluations = _Numbers[tuple[tuple[Which, Weights], ...]]()
    known: dict[int, int] = {}

    def shared(facts: Frozen) -> int:
        if id(facts) not in known:
            known[id(facts)] = texts.of(as_json(facts))
        return known[id(facts)]

    details = [bytes(summary.details) for summary in summaries]
    columns = dict(
        name=list(entries),
        size=[entry.size for entry in entries.values()],
        mtime_ns=[entry.mtime_ns for entry in entries.values()],
        **{key: [getattr(summary, key) for summary in summaries] for key in _PLAIN},
        footing=[footings.of(summary.footing) for summary in summaries],
        machine=[machines.of(summary.machine) for summary in summaries],
        evaluated=[evaluations.of(summary.evaluated) for summary in summaries],
        recipe=[shared(summary.recipe) for summary in summaries],
        arm=[shared(summary.arm) for summary in summaries],
        data=[shared(summary.data) for summary in summaries],
        details_length=list(map(len, details)),
        details_checksum=list(map(zlib.crc32, details)),
    )
    listed = {"footings": list(footings), "machines": list(machines), "evaluations": list(evaluations)}
    head = to_json({**listed, **columns})
    results = [summary.results_json for summary in summaries]
    costs = [summary.cost_json for summary in summaries]
    sections = [head, *map(_ENTRY.join, (texts, results, costs))]
    lengths = " ".join(f"{len(section):012}" for section in sections)
    first = f"{_MARK} {version()} {_checksum(sections):010} {lengths}\n"
    with contextlib.suppress(OSError):
        _write_whole(home.place, details)
        _write_whole(_place(home), [first.encode(), *sections])


def _checksum(sections: Sequence[bytes]) -> int:
    """Of the sections, and of where each ends."""
    lengths = repr(list(map(len, sections))).encode()
    return reduce(lambda value, section: zlib.crc32(section, value), sections, zlib.crc32(lengths))


def _write_whole(place: Path, parts: Iterable[bytes]) -> None:
    """Writes the file whole or not at all. Raises OSError."""
    temporary = place.with_name(f".{place.name}.tmp-{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb", buffering=1 << 20) as file:  # tens of megabytes need not be joined before
            file.writelines(parts)
        temporary.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


class _Numbers(dict[_Item, int]):
    """The distinct ones of what is asked for, numbered in order."""

    def of(self, item: _Item) -> int:
        return self.setdefault(item, len(self))


@cache
def version() -> str:
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
        tuple(_Columns.model_fields),
        *({name: repr(field) for name, field in model.model_fields.items()} for model in models),
    ]
    return hashlib.sha256(repr(declared).encode()).hexdigest()[:16]
