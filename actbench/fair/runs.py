"""The stored runs that a fair comparison is made of: the recipe's own, and those of tuned arms and controls.

Of the latter those are taken that were trained on the recipe's footing as the last plan of them has the arms: tuned
anew, an arm's earlier runs belong to no table any more. Imports no torch.
"""

from collections.abc import Sequence
from typing import NamedTuple

from actbench.fair.naming import Part
from actbench.recipe.differences import differing_arm_settings
from actbench.recipe.schema import Arm, Recipe
from actbench.store import Store, StoredRun


class PartRuns(NamedTuple):
    plan: Recipe | None
    """As the last run of it has it; None where there is no run."""
    stored: tuple[StoredRun, ...]


def runs_of_part(store: Store, recipe: Recipe, part: Part, *, footing: str | None) -> PartRuns:
    """The runs of one part of a recipe; with a footing only those on it."""
    found, _ = store.scan(f"{recipe.name}.{part}", recipe.profile)
    fitting = [
        run
        for run in found
        if run.record.recipe.variant == recipe.variant and footing in (None, run.record.footing)
    ]
    if not fitting:
        return PartRuns(None, ())
    plan = max(fitting, key=lambda run: (run.record.started, run.record.run)).record.recipe
    arms = {arm.name: arm for arm in plan.arms}
    return PartRuns(plan, tuple(run for run in fitting if _is_as_planned(run.record.arm, arms)))


def arms_of(stored: Sequence[StoredRun]) -> dict[str, list[StoredRun]]:
    """By the arm's name, in order of seed."""
    by_arm: dict[str, list[StoredRun]] = {}
    for run in sorted(stored, key=lambda run: run.record.seed):
        by_arm.setdefault(run.record.arm.name, []).append(run)
    return by_arm


def _is_as_planned(arm: Arm, planned: dict[str, Arm]) -> bool:
    return arm.name in planned and not differing_arm_settings(planned[arm.name], arm)
