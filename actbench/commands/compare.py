"""`compare`: the table of a recipe's stored runs, and what must be said about them. Imports no torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from actbench.commands.outcome import Outcome
from actbench.compare import compare as compare_runs
from actbench.comparison import Group
from actbench.errors import NotComparableError
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Sources, select
from actbench.tables import terminal
from actbench.tables.build import build_tables
from actbench.tables.columns import DEFAULTS, Columns, Layout
from actbench.tables.side_by_side import joint_name, side_by_side
from actbench.tables.table import Table


def compare(
    references: Sequence[str],
    *,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    arms: Sequence[str] = (),
    baselines: Sequence[str] = (),
    metric: str | None = None,
    which: Which = "last",
    weights: Weights = "raw",
    results_dir: Path = Path("results"),
    limit: int | None = None,
    seeds: str | None = None,
    check: bool = False,
    columns: Columns | None = None,
    layout: Layout = "recipe",
    allow_mismatch: bool = False,
    with_document: bool = True,
) -> Outcome:
    """Compares what the references name: recipes, record files or folders of them.

    The document holds every number there is, which takes longer than the table: it can be left out. Raises
    NotComparableError where runs may not stand in one table, where there are none, and, under `check`, where the
    selection is not complete.
    """
    made = tables_of(
        Sources(
            references, profile, overrides, results_dir, arms, limit, seeds, allow_mismatch=allow_mismatch
        ),
        baselines=baselines,
        metric=metric,
        which=which,
        weights=weights,
        check=check,
        layout=layout,
        columns_of=lambda _recipe: columns or DEFAULTS[layout],
    )
    said = {"complete": made.complete, "warnings": list(made.warnings)}
    return Outcome(
        text=terminal.render(made.tables),
        document={**_document(made.tables), **said} if with_document else None,
        warnings=made.warnings,
        exit_code=made.exit_code,
    )


def _document(tables: Sequence[Table]) -> dict[str, object]:
    from actbench.tables import json  # what few calls need is imported for these

    return json.document(tables)


class Tables(NamedTuple):
    tables: list[Table]
    groups: tuple[Group, ...]
    """What the tables are made of."""
    warnings: tuple[str, ...]
    complete: bool
    """Whether every planned run is there."""
    exit_code: int
    """4 where a damaged record left the selection incomplete."""


def tables_of(
    sources: Sources,
    *,
    baselines: Sequence[str],
    metric: str | None,
    which: Which,
    weights: Weights,
    check: bool,
    columns_of: Callable[[str], Columns],
    layout: Layout = "recipe",
) -> Tables:
    """The tables of what the sources name, and what must be said about them."""
    selected = select(sources._replace(takes_imported=True))
    keys = sorted({selection.plan.paper for selection in selected.selections if selection.plan.paper})
    comparison = compare_runs(
        selected.selections,
        papers={key: load_paper(key) for key in keys},
        baselines=baselines,
        metric=metric,
        which=which,
        weights=weights,
        imported=selected.imported,
        allow_mismatch=sources.allow_mismatch,
    )
    if check and selected.incomplete:
        raise NotComparableError("the selection is not complete", hints=selected.warnings)
    return Tables(
        tables=build_tables(comparison, columns_of)
        if layout == "recipe"
        else [side_by_side(comparison.groups, columns_of(joint_name(comparison.groups)))],
        groups=comparison.groups,
        warnings=tuple(selected.warnings),
        complete=not selected.incomplete,
        exit_code=NotComparableError.exit_code if selected.damaged and selected.incomplete else 0,
    )
