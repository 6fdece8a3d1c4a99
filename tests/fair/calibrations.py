"""A recipe with stored runs of its baseline and its calibration, made by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from actbench.fair.calibration import calibration_recipes
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store, StoredRun
from actbench.summary import summary_of

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]

COUNTS = {
    "relu": (5000, 5040, 4960),
    "relu_again": (5010, 5030, 4970),
    "leaky_0.8": (4400, 4450, 4380),
    "relu_narrow": (4990, 5005, 4970),
}
"""Right answers of 10,000, by seed."""


def calibration_records(
    recipe: Recipe, make_run: MakeRun, counts: Mapping[str, Sequence[int]] = COUNTS
) -> list[RunRecord]:
    plans = {arm.name: plan for plan in calibration_recipes(recipe) for arm in plan.arms}
    return [
        make_run(plans[arm], arm, seed, correct)
        for arm, values in counts.items()
        for seed, correct in enumerate(values)
    ]


def as_stored(records: Sequence[RunRecord]) -> list[StoredRun]:
    return [StoredRun(Path(f"{run.arm.name}-{run.seed}.json"), summary_of(run)) for run in records]


def write_records(folder: Path, records: Sequence[RunRecord]) -> None:
    store = Store(folder)
    for run in records:
        recipe = run.recipe
        store.write(
            store.path(
                recipe=recipe.name, profile=recipe.profile, arm=run.arm.name, seed=run.seed, run=run.run
            ),
            run,
        )
