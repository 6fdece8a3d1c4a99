"""One of a paper's tables, row by row beside what the records hold for it. Imports no torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actbench.claims import profiles_with_records
from actbench.commands.claim_rows import table
from actbench.compare import Selection, compare
from actbench.comparison import ArmRow
from actbench.errors import ActbenchError
from actbench.metrics import metrics_of
from actbench.papers.matching import arm_of, is_data, is_published, rows_beside, setting_label
from actbench.papers.reported import Paper, ReportedRow, ReportedTable
from actbench.recipe.schema import Recipe
from actbench.selection import Sources, select
from actbench.stats.intervals import Estimate

WIDTHS = {"model": 18, "activation": 16, "reported": 16, "reproduced": 22, "from": 20}
"""With two blanks between them a line has 100 characters."""


class PaperTable(NamedTuple):
    text: str
    document: dict[str, Any]
    problems: tuple[str, ...]
    """Recipes with records that cannot be compared, and why."""


class _Held(NamedTuple):
    """What the records hold for one row of the paper."""

    place: str
    arm: str
    n: int
    estimate: Estimate
    files: Sequence[Path]


def paper_table(
    paper: Paper, reported: ReportedTable, recipes: Mapping[str, Recipe], results_dir: Path
) -> PaperTable:
    """The table's rows, each beside every arm of the paper's recipes that it is about."""
    held: dict[int, list[_Held]] = {index: [] for index in range(len(reported.rows))}
    problems: list[str] = []
    for name in (name for name, recipe in recipes.items() if recipe.paper == paper.paper.key):
        for profile in profiles_with_records(name, results_dir):
            try:
                for selection in select(Sources([name], profile, (), results_dir)).selections:
                    for index, found in _held(selection, paper, reported):
                        held[index].append(found)
            except ActbenchError as error:
                problems.append(f"{name} ({profile}): {error.problems[0].message}")
    rows = [cells for index, row in enumerate(reported.rows) for cells in _cells(row, held[index])]
    head = f"{reported.id}: {reported.caption}; {reported.dataset or 'data not known'}, {reported.metric}"
    return PaperTable(
        text=f"{head}\n\n{table(rows, WIDTHS)}" if rows else f"{head}\n\nno rows",
        document={
            "id": reported.id,
            "rows": [_document(row, held[index]) for index, row in enumerate(reported.rows)],
        },
        problems=tuple(problems),
    )


def _held(selection: Selection, paper: Paper, reported: ReportedTable) -> Iterator[tuple[int, _Held]]:
    """The rows of the paper, by number, that arms of the selection stand beside, with what these have."""
    plan = selection.plan
    beside = {
        (arm.name, id(row)): _place(plan, reported, is_own)
        for arm in plan.arms
        for row, is_own in rows_beside(reported, plan, arm)
    }
    if not beside:
        return
    for metric in (metric for metric in metrics_of(plan).values() if metric.reported == reported.metric):
        for index, row in enumerate(reported.rows):
            baseline = arm_of(row.baseline, plan)
            (group,) = compare(
                [selection],
                papers={paper.paper.key: paper},
                baselines=[baseline] if baseline else [],
                metric=metric.name,
            ).groups
            for ours in group.rows:
                place = beside.get((ours.name, id(row)))
                estimate = _estimate(ours, row, baseline) if place else None
                if place and estimate:
                    yield index, _Held(place, ours.name, ours.completed, estimate, ours.files)


def _estimate(ours: ArmRow, row: ReportedRow, baseline: str | None) -> Estimate | None:
    """A mean for an absolute value; for a gain the difference to the arm that is its baseline, if there is one."""
    if row.kind == "absolute":
        return ours.value
    return next((gap.difference for gap in ours.gaps if gap.baseline == baseline), None)


def _place(plan: Recipe, reported: ReportedTable, is_own: bool) -> str:
    """The recipe, and how far its runs are from the paper's."""
    setting = setting_label(plan)
    is_exact = is_own and reported.dataset is not None and is_data(plan, reported.dataset)
    is_exact = is_exact and (plan.profile == "paper" or is_published(plan.model))
    parts = [plan.name, *([plan.variant] if plan.variant else []), plan.profile]
    parts.append(setting if is_exact else f"on stand-in ({setting})")
    parts += ["synthetic data"] if plan.is_synthetic else []
    return ", ".join(parts)


def _cells(row: ReportedRow, held: list[_Held]) -> Iterator[list[str]]:
    activation = row.activation or row.uncatalogued or "-"
    reported = "not read" if row.value is None else f"{row.value:{_sign(row)}g}"
    if row.kind == "gain":
        reported += f" over {row.reference}"
    head = [row.model, activation, reported]
    if not held:
        yield [*head, "-", "-"]
    for index, found in enumerate(held):
        told = _told(row, found)
        yield [*(["", "", ""] if index else head), told, found.place]


def _told(row: ReportedRow, found: _Held) -> str:
    """In percent, as all metrics of records are fractions."""
    estimate, sign = found.estimate, _sign(row)
    text = f"{found.arm} {100 * estimate.value:{sign}.2f}"
    if estimate.interval and not estimate.is_level:
        low, high = (f"{100 * bound:{sign}.2f}" for bound in estimate.interval)
        text += f" [{low}, {high}]"
    return f"{text} (n={estimate.n})"


def _sign(row: ReportedRow) -> str:
    return "+" if row.kind == "gain" else ""


def _document(row: ReportedRow, held: list[_Held]) -> dict[str, Any]:
    records = [
        {
            "from": found.place,
            "arm": found.arm,
            "n": found.n,
            "value": found.estimate.value,
            "low": found.estimate.interval.low if found.estimate.interval else None,
            "high": found.estimate.interval.high if found.estimate.interval else None,
            "files": [str(path) for path in found.files],
        }
        for found in held
    ]
    return {**row.model_dump(mode="json"), "records": records}
