"""`actbench ablations`: an activation beside itself with parts of its learning taken away. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from actbench.commands.outcome import Outcome
from actbench.compare import Selection, compare
from actbench.errors import ActbenchError, NotComparableError
from actbench.fair.calibration import calibrated_baseline
from actbench.fair.naming import tuned_name
from actbench.fair.runs import runs_of_part
from actbench.footing import check_footing
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Arm, Profile, Recipe
from actbench.selection import Sources, select
from actbench.store import Store, StoredRun
from actbench.tables import json, terminal
from actbench.tables.build import build_tables
from actbench.tables.formats import RENDERERS, Format


def ablations(
    reference: str,
    *,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    arms: Sequence[str] = (),
    metric: str | None = None,
    limit: int | None = None,
    results_dir: Path = Path("results"),
    format: Format | None = None,
) -> Outcome:
    """A table for each activation that was ablated; its gaps are to the whole activation and to the first baseline.

    Raises NotComparableError where there are no such runs.
    """
    selected = select(Sources([reference], profile, overrides, results_dir, limit=limit))
    found = [one for selection in selected.selections for one in _ablated(selection, arms, results_dir)]
    if not found:
        raise NotComparableError(
            f"no ablations of {reference} in {results_dir}",
            hints=["set `ablate: learnable` in the recipe and train it; arms that learn nothing have none"],
        )
    tables = build_tables(compare(found, papers={}, metric=metric))
    return Outcome(
        text=RENDERERS[format](tables) if format else terminal.render(tables),
        document={**json.document(tables), "warnings": list(selected.warnings)},
        warnings=tuple(selected.warnings),
    )


def _ablated(selection: Selection, wanted: Sequence[str], results_dir: Path) -> list[Selection]:
    """For each candidate the runs of itself, of the baseline and of its ablations, as one selection."""
    plan, store = selection.plan, Store(results_dir)
    kept, _ = check_footing(selection.stored, selection.origin, plan)
    ablated = runs_of_part(store, plan, "ablate", footing=kept.footing)
    if ablated.plan is None:
        return []
    fair = runs_of_part(store, plan, "fair", footing=kept.footing)
    stored = [*selection.stored, *fair.stored, *ablated.stored]
    first = calibrated_baseline(plan)
    candidates = [arm for arm in plan.arms if arm.name not in plan.baselines and arm != first]
    for name in wanted:
        if name not in (names := [arm.name for arm in candidates]):
            raise ActbenchError(f"{plan.name} ablates no arm {name!r}", hints=name_hints(name, names))
    return [
        _beside(selection, _as_trained(arm, fair.plan), _as_trained(first, fair.plan), own, stored)
        for arm in candidates
        if arm.name in (wanted or [arm.name]) and (own := _ablations_of(arm.name, ablated.plan))
    ]


def _as_trained(arm: Arm, fair: Recipe | None) -> Arm:
    """Its tuned form where there is one, from which ablations are made then."""
    arms = {one.name: one for one in fair.arms} if fair else {}
    return arms.get(tuned_name(arm.name), arm)


def _ablations_of(name: str, plan: Recipe) -> list[Arm]:
    return [
        arm for arm in plan.arms if arm.name.startswith(f"{name}.") or arm.name.endswith(f".spare.{name}")
    ]


def _beside(
    selection: Selection, whole: Arm, baseline: Arm, own: Sequence[Arm], stored: Sequence[StoredRun]
) -> Selection:
    arms = (baseline, whole, *own)
    names = {arm.name for arm in arms}
    plan = selection.plan.model_copy(
        update={
            "arms": arms,
            "baselines": (whole.name, baseline.name),
            "part": "ablate",
            "paper": None,
            "table": None,
            "claim": None,
            "tune": None,
        }
    )
    runs = tuple(run for run in stored if run.record.arm.name in names)
    return Selection(plan=plan, stored=runs, origin=selection.origin, calibration=selection.calibration)
