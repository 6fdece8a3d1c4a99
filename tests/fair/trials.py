"""Trials without training: stored runs of a tuning recipe whose validation accuracy a function says."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

from actbench.fair.tuning import tuning_recipe
from actbench.recipe.schema import Arm, Recipe
from actbench.record import EpochRecord, RunRecord, Tally
from actbench.store import StoredRun

MakeRun = Callable[..., RunRecord]
Accuracy = Callable[[Arm, int], float]
"""Of a trial's arm on a seed; NaN for a run that diverges."""
TOTAL = 1000


def trial_run(make_run: MakeRun, recipe: Recipe, arm: Arm, seed: int, accuracy: float) -> StoredRun:
    """The stored run of one trial."""
    diverged = accuracy != accuracy
    val = None if diverged else Tally(correct=round(accuracy * TOTAL), total=TOTAL, loss_sum=1.0)
    epoch = EpochRecord(
        epoch=0, lr=0.0, train_loss=1.0, val=val, time_s=1.0, step_time_s=0.01, data_time_s=0.1
    )
    run = make_run(recipe, arm.name, seed, status="diverged" if diverged else "completed")
    return StoredRun(
        Path(f"{arm.name}-{seed}.json"), run.model_copy(update={"results": (), "history": (epoch,)})
    )


def tuned(recipe: Recipe, accuracy: Accuracy, make_run: MakeRun) -> list[StoredRun]:
    """All trials that the recipe asks for, round by round, as `actbench train` would store them."""
    stored: list[StoredRun] = []
    done: set[tuple[str, int]] = set()
    for turn in count():
        assert turn < 20, "the search does not end"
        wanted = tuning_recipe(recipe, stored)
        if wanted is None:
            return stored
        todo = [(arm, seed) for arm in wanted.arms for seed in wanted.seeds if (arm.name, seed) not in done]
        assert todo, "trials are wanted that are stored already"
        done |= {(arm.name, seed) for arm, seed in todo}
        stored += [trial_run(make_run, wanted, arm, seed, accuracy(arm, seed)) for arm, seed in todo]
    raise AssertionError
