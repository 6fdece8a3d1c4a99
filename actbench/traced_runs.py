"""The sides of a group as its files give them now, and each run with what its file says of it. Imports no torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from actbench.comparison import Group
from actbench.imported.group import imported_side
from actbench.imported.runs import ImportedSet
from actbench.record import RunFacts, RunRecord, RunSummary, Tally
from actbench.sides import Reading, Side, side_of
from actbench.store import StoredRun
from actbench.trace import TracedRun


class Sides(NamedTuple):
    sides: Mapping[str, Side]
    """By the arm's name."""
    listed: Mapping[str, tuple[TracedRun, ...]]
    share_seeds: bool = True
    """Whether equal seeds of two arms are pairs."""


def sides_of_records(group: Group, read: Callable[[Path], RunSummary | RunRecord]) -> Sides:
    """Of a recipe's runs, each record read by `read`."""
    reading = Reading(group.metric, group.which, group.weights)
    sides: dict[str, Side] = {}
    for row in group.rows:
        assert row.arm is not None
        sides[row.name] = side_of(row.arm, [StoredRun(path, read(path)) for path in row.files], reading)
    listed = {
        name: tuple(
            _run(name, run, path, side.values.get(run.seed), reading)
            for run, path in zip(side.runs, side.files, strict=True)
        )
        for name, side in sides.items()
    }
    return Sides(sides, listed)


def _run(role: str, run: RunFacts, path: Path, value: float | None, reading: Reading) -> TracedRun:
    result = run.result(reading.which, reading.weights)
    made = run.provenance
    return TracedRun(
        role=role,
        seed=run.seed,
        status=run.status,
        reason=run.reason,
        value=value,
        counts=None if value is None else _counts(run, reading),
        epoch=result.epoch + 1 if result else None,
        file=str(path),
        run=run.run,
        commit=made.commit,
        dirty=made.dirty,
        wall_time_s=made.wall_time_s,
        device=made.device,
        hardware=made.hardware,
        threads=made.threads,
        started=made.started,
    )


def _counts(run: RunFacts, reading: Reading) -> str | None:
    tally = reading.result(run).tally
    if not isinstance(tally, Tally) or reading.metric.attack is not None:
        return None
    return f"{tally.correct} of {tally.total}"


def sides_of_import(group: Group, imported: ImportedSet, path: Path) -> Sides:
    """Of an imported set: the same runs that the group has."""
    runs = {row.name: [run for run in imported.runs if run.arm == row.name] for row in group.rows}
    metric = group.metric.name
    sides = {name: imported_side(name, found, metric, path) for name, found in runs.items()}
    listed = {
        name: tuple(
            TracedRun(
                role=name,
                seed=run.seed,
                status=run.status,
                reason=None,
                value=run.values.get(metric),
                counts=None,
                epoch=None,
                file=str(path),
                lines=f"{imported.source.name}:{','.join(map(str, run.lines))}",
                wall_time_s=run.wall_time_s,
            )
            for run in found
        )
        for name, found in runs.items()
    }
    return Sides(sides, listed, share_seeds=imported.is_paired)
