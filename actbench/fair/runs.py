"""The stored runs that a fair comparison is made of: the recipe's own, and those of tuned arms and controls.

Of the latter those are taken that were trained on the recipe's footing as the last plan of them has the arms: tuned
anew, an arm's earlier runs belong to no table any more. Imports no torch.
"""

from collections.abc import Sequence
from typing import NamedTuple

from actbench.fair.naming import part_name
from actbench.recipe.differences import differing_arm_settings
from actbench.recipe.schema import Arm, Part, Recipe
from actbench.store import Store, StoredRun

_TUNING: tuple[Part, ...] = ("tune", "fair")


class PartRuns(NamedTuple):
    plan: Recipe | None
    """As the last run of it has it; None where there is no run."""
    stored: tuple[StoredRun, ...]


class TuningRuns(NamedTuple):
    recipe: Recipe
    """With all its arms, whichever are to be shown: how many trials each gets depends on the others."""
    stored: tuple[StoredRun, ...]
    """Trials, and runs of the arms that were made of them."""


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


def calibration_runs(store: Store, recipe: Recipe) -> tuple[StoredRun, ...]:
    """Those of the recipe's calibration, and with them those that its baseline may have; empty if there are none."""
    name = part_name(recipe, "calibrate")
    made, _ = store.scan(name, recipe.profile)
    if not made:
        return ()
    others = [
        store.scan(place, recipe.profile)[0] for place in (name.rpartition(".")[0], part_name(recipe, "fair"))
    ]
    runs = [*made, *(run for found in others for run in found)]
    return tuple(run for run in runs if run.record.recipe.variant == recipe.variant)


def tuning_runs(store: Store, recipe: Recipe) -> TuningRuns | None:
    """None where the recipe asks for no tuning."""
    if recipe.tune is None:
        return None
    found = [store.scan(part_name(recipe, part), recipe.profile)[0] for part in _TUNING]
    runs = (run for runs in found for run in runs if run.record.recipe.variant == recipe.variant)
    return TuningRuns(recipe, tuple(runs))


def arms_of(stored: Sequence[StoredRun]) -> dict[str, list[StoredRun]]:
    """By the arm's name, in order of seed."""
    by_arm: dict[str, list[StoredRun]] = {}
    for run in sorted(stored, key=lambda run: run.record.seed):
        by_arm.setdefault(run.record.arm.name, []).append(run)
    return by_arm


def _is_as_planned(arm: Arm, planned: dict[str, Arm]) -> bool:
    return arm.name in planned and not differing_arm_settings(planned[arm.name], arm)
