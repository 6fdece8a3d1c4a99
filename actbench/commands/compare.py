"""`compare`: the table of a recipe's stored runs, and what must be said about them. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from actbench.commands.outcome import Outcome
from actbench.compare import compare as compare_runs
from actbench.errors import NotComparableError
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Sources, select
from actbench.tables import json, terminal
from actbench.tables.build import build_tables
from actbench.tables.table import Table


def compare(
    references: Sequence[str],
    *,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    arms: Sequence[str] = (),
    baselines: Sequence[str] = (),
    which: Which = "last",
    weights: Weights = "raw",
    results_dir: Path = Path("results"),
    check: bool = False,
) -> Outcome:
    """Compares what the references name: recipes, record files or folders of them.

    Raises NotComparableError where runs may not stand in one table, where there are none, and, under `check`,
    where the selection is not complete.
    """
    tables, warnings, exit_code = tables_of(
        Sources(references, profile, overrides, results_dir, arms),
        baselines=baselines,
        which=which,
        weights=weights,
        check=check,
    )
    return Outcome(
        text=terminal.render(tables), document=json.document(tables), warnings=warnings, exit_code=exit_code
    )


def tables_of(
    sources: Sources, *, baselines: Sequence[str], which: Which, weights: Weights, check: bool
) -> tuple[list[Table], tuple[str, ...], int]:
    """The tables, the warnings, and the exit code: 4 where a damaged record left the selection incomplete."""
    selected = select(sources)
    keys = sorted({selection.plan.paper for selection in selected.selections if selection.plan.paper})
    comparison = compare_runs(
        selected.selections,
        papers={key: load_paper(key) for key in keys},
        baselines=baselines,
        which=which,
        weights=weights,
    )
    if check and selected.incomplete:
        raise NotComparableError("the selection is not complete", hints=selected.warnings)
    exit_code = NotComparableError.exit_code if selected.damaged and selected.incomplete else 0
    return build_tables(comparison), tuple(selected.warnings), exit_code
