"""`actbench trace`: the records behind a cell of compare's table, and its numbers made again of them. No torch."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from actbench.commands.outcome import Outcome
from actbench.compare import compare
from actbench.comparison import Group
from actbench.errors import ActbenchError, NotComparableError
from actbench.imported.store import read as read_set
from actbench.papers.reported import load_paper
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Selected, Sources, select
from actbench.store import Store
from actbench.tables.build import build_table
from actbench.tables.columns import WIDE
from actbench.tables.table import Cell, Column, Table
from actbench.trace import Check, Trace, TracedRun, TracedValue, checks
from actbench.traced_runs import Sides, sides_of_import, sides_of_records
from actbench.tracer import Tracer


def trace(
    reference: str,
    arm: str,
    column: str | None = None,
    *,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    baselines: Sequence[str] = (),
    metric: str | None = None,
    which: Which = "last",
    weights: Weights = "raw",
    results_dir: Path = Path("results"),
    limit: int | None = None,
    seeds: str | None = None,
    allow_mismatch: bool = False,
) -> Outcome:
    """Traces one cell, or without a column every cell of the row, in each variant of the recipe.

    Exit code 4 where the records, read anew, give another number than the table.
    """
    sources = Sources(
        [reference],
        profile,
        overrides,
        results_dir,
        (),
        limit,
        seeds,
        takes_imported=True,
        allow_mismatch=allow_mismatch,
    )
    selected = select(sources)
    found: list[_Traced] = []
    for group in _groups(selected, baselines, metric, which, weights, allow_mismatch):
        names = [row.name for row in group.rows]
        if arm not in names:
            raise ActbenchError(
                f"{group.setting.name} has no arm {arm!r}", where="command line", hints=name_hints(arm, names)
            )
        found += _cells(group, arm, column, Store(results_dir))
    agrees = all(check.agrees for traced in found for check in traced.checks)
    return Outcome(
        text="\n\n".join(_text(found)),
        document={"agrees": agrees, "cells": [_document(traced) for traced in found]},
        warnings=tuple(selected.warnings),
        exit_code=0 if agrees else NotComparableError.exit_code,
    )


class _Traced(NamedTuple):
    title: str
    arm: str
    column: Column
    cell: Cell
    trace: Trace
    checks: tuple[Check, ...]


def _groups(
    selected: Selected,
    baselines: Sequence[str],
    metric: str | None,
    which: Which,
    weights: Weights,
    allow_mismatch: bool,
) -> tuple[Group, ...]:
    papers = {
        plan.paper: load_paper(plan.paper) for plan in (s.plan for s in selected.selections) if plan.paper
    }
    return compare(
        selected.selections,
        papers=papers,
        baselines=baselines,
        metric=metric,
        which=which,
        weights=weights,
        imported=selected.imported,
        allow_mismatch=allow_mismatch,
    ).groups


def _cells(group: Group, arm: str, asked: str | None, store: Store) -> Iterable[_Traced]:
    table = build_table(group, WIDE)
    chosen = None if asked is None else _column(table, asked)
    tracer = Tracer(group, _sides(group, store))
    row = next(row for row in table.rows if row.arm == arm)
    made = f"profile {group.setting.profile}" if group.setting.is_audited else "imported"
    for column, cell in zip(table.columns, row.cells, strict=True):
        if chosen in (None, column):
            traced = tracer.cell(arm, column.key)
            yield _Traced(
                f"{table.title}, {made}", arm, column, cell, traced, checks(cell.numbers, traced.made)
            )


def _sides(group: Group, store: Store) -> Sides:
    if group.plan:
        return sides_of_records(group, store.read)
    (path,) = {path for row in group.rows for path in row.files}
    return sides_of_import(group, read_set(path), path)


def _column(table: Table, asked: str) -> Column:
    """By its key, by its head, or by the baseline that it is against."""
    named: dict[str, Column] = {}
    for column in table.columns:
        for name in (column.key, column.text, column.lines[0], column.text.removeprefix("vs ")):
            named.setdefault(_folded(name), column)
    named["metric"] = table.columns[0]
    if _folded(asked) not in named:
        raise ActbenchError(
            f"the table has no column {asked!r}",
            where="command line",
            hints=name_hints(asked, [column.text for column in table.columns]),
        )
    return named[_folded(asked)]


def _folded(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _document(traced: _Traced) -> dict[str, Any]:
    trace = traced.trace
    return {
        "table": traced.title,
        "arm": traced.arm,
        "column": traced.column.key,
        "text": traced.cell.text,
        "numbers": dict(traced.cell.numbers),
        "made_again": dict(trace.made),
        "agrees": all(check.agrees for check in traced.checks),
        "how": list(trace.how),
        "runs": [asdict(run) for run in trace.runs],
        "missing": {role: list(seeds) for role, seeds in trace.missing.items()},
        "family": [test._asdict() for test in trace.family],
        "reported": [asdict(value) for value in trace.reported],
        "claim": trace.claim,
    }


def _text(found: Sequence[_Traced]) -> Iterable[str]:
    """A block for each cell; what several cells stand on is told once: the formula at the first, runs at the end."""
    told: set[tuple[object, ...]] = set()
    for traced in found:
        grounds = (traced.title, traced.trace.how, traced.trace.reported, traced.trace.claim)
        yield "\n".join([*_block(traced), *(() if grounds in told else _grounds(traced.trace))])
        told.add(grounds)
    runs = list(dict.fromkeys(run for traced in found for run in traced.trace.runs))
    if runs:
        yield "\n".join(_records(runs))
    missing = {role: seeds for traced in found for role, seeds in traced.trace.missing.items()}
    if missing:
        lacking = "; ".join(f"{role} {', '.join(map(str, seeds))}" for role, seeds in missing.items())
        yield f"seeds missing: {lacking}"
    yield _agreement([check for traced in found for check in traced.checks])


def _block(traced: _Traced) -> Iterable[str]:
    yield f"{traced.title}: {traced.arm}, {traced.column.text}"
    yield f"  {traced.cell.text}"
    numbers = {name: value for name, value in traced.cell.numbers.items() if value is not None}
    if numbers:
        yield "  unrounded, as fractions: " + ", ".join(
            f"{name} {value!r}" for name, value in numbers.items()
        )


def _grounds(trace: Trace) -> Iterable[str]:
    yield from (f"  {line}" for line in trace.how)
    yield from (f"  {line}" for value in trace.reported for line in _reported(value))
    if trace.claim:
        yield f"  claim {trace.claim}"


def _reported(value: TracedValue) -> Iterable[str]:
    number = "not found" if value.value is None else f"{value.value:g}"
    yield f"reported {number} ({value.about}), {value.place}, table {value.table}: {value.caption}"
    if value.certainty:
        yield f"  certainty: {value.certainty}"


def _records(runs: Sequence[TracedRun]) -> Iterable[str]:
    """A line for each run; where it was made behind it, or once for all where that is the same."""
    places = {_place(run) for run in runs}
    yield "records" if len(places) > 1 else f"records, all of {places.pop()}"
    for run in runs:
        value = "-" if run.value is None else f"{run.value!r}{f' = {run.counts}' if run.counts else ''}"
        status = run.status if run.reason is None else f"{run.status}: {run.reason}"
        at = f" at epoch {run.epoch}" if run.epoch else ""
        took = "" if run.wall_time_s is None else f", {run.wall_time_s:.0f} s"
        file = f"{run.lines} ({run.file})" if run.lines else run.file
        yield f"  {run.role} seed {run.seed}  {value}  {status}{at}{took}  {file}"
        if places:
            yield f"    {_place(run)}"


def _place(run: TracedRun) -> str:
    if run.lines:
        return "somebody else's program; how they were made is not known"
    commit = "an unknown commit" if run.commit is None else f"commit {run.commit[:8]}"
    dirty = " (tree changed)" if run.dirty else ""
    threads = f"{run.threads} thread{'s' if run.threads != 1 else ''}"
    return f"{commit}{dirty}, on {run.device}, {run.hardware}, {threads}"


def _agreement(made: Sequence[Check]) -> str:
    wrong = [check for check in made if not check.agrees]
    if not wrong:
        return "made again from these records, every number is the table's"
    told = ", ".join(f"{check.name} {check.shown!r} / {check.made!r}" for check in wrong)
    return f"made again from these records, numbers are not the table's (table / records): {told}"
