"""What `train` is asked, and how it tells what goes on. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from actbench.errors import ActbenchError, Problem, RecipeError
from actbench.recipe.load import load_recipe
from actbench.recipe.plan import PlannedRun
from actbench.recipe.schema import Profile, Recipe
from actbench.record import EpochRecord, RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    references: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    profile: Profile | None = None
    seeds: str | None = None
    arms: tuple[str, ...] = ()
    device: str = "auto"
    data_dir: Path = Path("data")
    results_dir: Path = Path("results")
    limit: int | None = None
    plan_only: bool = False
    force: bool = False
    download: bool = False
    jobs: int = 1
    """Runs at a time, each in a process of its own; 1: in this one."""
    calibrate: bool = False
    """Whether the arms of a calibration are trained as well."""
    plugins: tuple[Path, ...] = ()
    """Files that this process has loaded, and others must."""


class Progress(Protocol):
    """How the command tells what goes on; `cli/` has the one that prints."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def run_started(self, run: PlannedRun, number: int, total: int) -> None: ...
    def epoch_done(self, run: PlannedRun, epoch: EpochRecord) -> None: ...
    def run_finished(self, run: PlannedRun, record: RunRecord) -> None: ...
    def agrees(self, question: str) -> bool: ...


def load_recipes(request: TrainRequest) -> list[Recipe]:
    """All recipes and their variants. Raises RecipeError with every mistake of all files."""
    recipes: dict[Path, tuple[Recipe, ...]] = {}
    problems: list[Problem] = []
    for reference in request.references:
        try:
            loaded = load_recipe(
                reference,
                profile=request.profile,
                overrides=request.overrides,
                limit=request.limit,
                seeds=request.seeds,
                arms=request.arms,
            )
            recipes[loaded.path.resolve()] = loaded.recipes  # one named twice is trained once
        except ActbenchError as error:
            problems.extend(error.problems)
    if problems:
        raise RecipeError(list(dict.fromkeys(problems)))
    return [recipe for variants in recipes.values() for recipe in variants]
