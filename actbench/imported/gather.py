"""The lines of a file of results become runs: one for each arm and seed, their values fractions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from actbench.errors import ImportedFileError, Problem
from actbench.imported.columns import recognise
from actbench.imported.entries import Entry, read_entries
from actbench.imported.runs import ImportedRun, ImportedStatus, Unit, in_lines
from actbench.imported.sheet import key_of, read_sheet
from actbench.imported.units import doubtful_units, out_of_range, unclear_units
from actbench.metrics import METRICS

_OF_AN_ARM = ("parameters", "activation_parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    runs: tuple[ImportedRun, ...]
    metrics: tuple[str, ...]
    unit: Unit
    notices: tuple[str, ...]


def gather(content: bytes, source: str, *, unit: Unit | None = None, own: Sequence[str] = ()) -> Gathered:
    """The runs of the file. Raises ImportedFileError with all its mistakes.

    `source` is the file as messages name it, `own` are columns that are metrics by declaration.
    """
    own = tuple(map(key_of, own))
    sheet = read_sheet(content, source)
    columns = recognise(sheet, source, own)
    problems = list(sheet.problems)
    entries = read_entries(sheet, columns, source, own, problems)
    if not sheet.lines and not problems:
        problems.append(Problem(message="no runs: the file has its first line alone", where=source))
    _refuse_similar_arms(entries, source, problems)
    drafts = _drafts(entries, source, problems)
    _check_arms(drafts, source, problems)
    metrics = [*METRICS, *(name for name in own if name not in METRICS)]
    present = tuple(m for m in metrics if any(m in draft.values for draft in drafts))
    problems += [*out_of_range(entries, unit, source), *unclear_units(entries, present, unit, source)]
    known = unit or "percent"
    runs = [_run(draft, known, source, problems) for draft in drafts]
    if not problems and not any(run.values for run in runs):
        problems.append(Problem(message="no run has a value", where=source))
    if problems:
        raise ImportedFileError(sorted(dict.fromkeys(problems), key=_line_of))
    notices = (*columns.notices, *doubtful_units(entries, known, source), *_unused(runs, source))
    return Gathered(runs=tuple(runs), metrics=present, unit=known, notices=notices)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A run as its lines tell it: for each thing said, the line that says it first."""

    arm: str
    seed: int
    lines: list[int]
    values: dict[str, tuple[float | None, int]]
    facts: dict[str, tuple[str | float | int, int]]


def _drafts(entries: Iterable[Entry], source: str, problems: list[Problem]) -> list[_Draft]:
    """By arm and seed, so that the order of lines decides nothing."""
    drafts: dict[tuple[str, int], _Draft] = {}
    for entry in entries:
        draft = drafts.setdefault((entry.arm, entry.seed), _Draft(entry.arm, entry.seed, [], {}, {}))
        draft.lines.append(entry.line)
        where, who = f"{source}:{entry.line}", f"arm {entry.arm} seed {entry.seed}"
        twice = next((metric for metric in entry.values if metric in draft.values), None)
        if twice:
            message = f"{who} has its {twice} in line {draft.values[twice][1]} already"
            problems.append(Problem(message=message, where=where))
            continue
        draft.values.update({metric: (value, entry.line) for metric, value in entry.values.items()})
        for key, fact in entry.facts.items():
            before, line = draft.facts.setdefault(key, (fact, entry.line))
            if before != fact:
                message = f"{who} has {key} {fact} here and {before} in line {line}"
                problems.append(Problem(message=message, where=where, key=f"column {key}"))
    return [drafts[key] for key in sorted(drafts)]


def _refuse_similar_arms(entries: Iterable[Entry], source: str, problems: list[Problem]) -> None:
    """Names that differ in case or blanks alone are one arm misspelt rather than two."""
    first: dict[str, Entry] = {}
    told: set[str] = set()
    for entry in entries:
        known = first.setdefault(key_of(entry.arm), entry)
        if known.arm != entry.arm and entry.arm not in told:
            told.add(entry.arm)
            message = f"arm {entry.arm!r} is {known.arm!r} in line {known.line}: spell it one way"
            problems.append(Problem(message=message, where=f"{source}:{entry.line}"))


def _check_arms(drafts: Iterable[_Draft], source: str, problems: list[Problem]) -> None:
    """The size of a network is the same for every seed."""
    first: dict[tuple[str, str], tuple[str | float | int, int]] = {}
    for draft in drafts:
        for key in _OF_AN_ARM:
            if key in draft.facts:
                fact, line = draft.facts[key]
                before, at = first.setdefault((draft.arm, key), (fact, line))
                if before != fact:
                    message = f"arm {draft.arm} has {fact} {key} here and {before} in line {at}"
                    where = f"{source}:{line}"
                    problems.append(Problem(message=message, where=where, key=f"column {key}"))


def _run(draft: _Draft, unit: Unit, source: str, problems: list[Problem]) -> ImportedRun:
    told, told_at = draft.facts.get("status", (None, 0))
    known = {metric: value for metric, (value, _) in draft.values.items() if value is not None}
    is_lost = any(math.isnan(value) for value in known.values())
    if told == "completed" and (is_lost or not known):
        message = f"status completed, but {'a value that is not finite' if is_lost else 'no value'}"
        problems.append(Problem(message=message, where=f"{source}:{told_at}", key="column status"))
    status: ImportedStatus = "diverged" if is_lost else "completed" if known else "missing"
    if told in ("diverged", "failed"):
        status = "failed" if told == "failed" else "diverged"
    facts: Mapping[str, object] = {key: fact for key, (fact, _) in draft.facts.items() if key != "status"}
    return ImportedRun.model_validate(
        {
            "arm": draft.arm,
            "seed": draft.seed,
            "status": status,
            "values": {
                m: _fraction(value, unit) for m, value in sorted(known.items()) if not math.isnan(value)
            },
            "lines": sorted(draft.lines),
            **facts,
        }
    )


def _fraction(value: float, unit: Unit) -> float:
    """The fraction nearest to what the file says: 72.4 / 100 is not 0.724 to the last bit."""
    return float(Decimal(repr(value)).scaleb(-2)) if unit == "percent" else value


def _unused(runs: Iterable[ImportedRun], source: str) -> list[str]:
    lines = sorted(run.lines[0] for run in runs if run.values and run.status in ("diverged", "failed"))
    if not lines:
        return []
    return [f"{source}: values of runs that diverged or failed count for nothing ({in_lines(lines)})"]


def _line_of(problem: Problem) -> int:
    line = (problem.where or "").rpartition(":")[2]
    return int(line) if line.isdigit() else 0
