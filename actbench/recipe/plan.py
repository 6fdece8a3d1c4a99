"""Which runs a recipe asks for, which of them are stored already, and in which order the rest go. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actbench.errors import ActbenchError, DamagedRecordError, Problem
from actbench.recipe.hashing import footing_hash, run_hash
from actbench.recipe.schema import Arm, Recipe
from actbench.record import FINISHED
from actbench.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    recipe: Recipe
    arm: Arm
    seed: int
    footing: str
    run: str
    path: Path
    state: Literal["done", "resumable", "missing"]

    @property
    def label(self) -> str:
        variant = f"{self.recipe.variant}/" if self.recipe.variant else ""
        return f"{self.recipe.name} {variant}{self.arm.name} seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    runs: tuple[PlannedRun, ...]
    damaged: tuple[Problem, ...]
    """Records that stand at a planned place and cannot be read."""

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        return tuple(run for run in self.runs if run.state != "done")


def make_plan(
    recipes: Sequence[Recipe], fingerprints: Mapping[int, str], store: Store, *, arms: Sequence[str] = ()
) -> Plan:
    """Every run of `recipes`, seed-major: the first seed of every arm comes first, so an interim table exists early.

    `fingerprints` maps a recipe's index to its data's fingerprint; `arms` names the arms wanted, all if empty.
    """
    runs: list[PlannedRun] = []
    damaged: list[Problem] = []
    longest = max(len(recipe.seeds) for recipe in recipes)
    for turn in range(longest):
        for index, recipe in enumerate(recipes):
            if turn >= len(recipe.seeds):
                continue
            footing = footing_hash(recipe, fingerprints[index])
            for arm in recipe.arms:
                if not arms or arm.name in arms:
                    planned, problems = _planned(recipe, arm, recipe.seeds[turn], footing, store)
                    _refuse_twins(planned, runs)
                    runs.append(planned)
                    damaged.extend(problems)
    return Plan(runs=tuple(runs), damaged=tuple(damaged))


def _refuse_twins(planned: PlannedRun, runs: Sequence[PlannedRun]) -> None:
    """Two variants, or two arms, of the same settings would share one record."""
    twin = next((run for run in runs if run.run == planned.run), None)
    if twin is not None:
        raise ActbenchError(
            f"{twin.label} and {planned.label} have the same settings: they are one run",
            hints=["remove one of the two, or make them differ"],
        )


def is_finished(store: Store, run: PlannedRun) -> bool:
    """Whether the run's record stands and needs no more training."""
    return run.path.exists() and store.read(run.path).status in FINISHED


def _planned(
    recipe: Recipe, arm: Arm, seed: int, footing: str, store: Store
) -> tuple[PlannedRun, tuple[Problem, ...]]:
    run = run_hash(footing, arm, seed)
    path = store.path(recipe=recipe.name, profile=recipe.profile, arm=arm.name, seed=seed, run=run)
    problems: tuple[Problem, ...] = ()
    state: Literal["done", "resumable", "missing"] = "missing"
    try:
        if path.exists() and store.read(path).status in FINISHED:
            state = "done"
    except DamagedRecordError as error:
        problems = error.problems
    if state == "missing" and (store.checkpoint_dir(path) / "last.pt").exists():
        state = "resumable"
    planned = PlannedRun(recipe=recipe, arm=arm, seed=seed, footing=footing, run=run, path=path, state=state)
    return planned, problems
