"""How long a run will take, from a few real steps of it."""

import statistics
import time

import torch

from actbench.data.source import Source
from actbench.recipe.schema import Arm, Recipe
from actbench.training.loop import update
from actbench.training.state import start_state

_STEPS = 3
_EVALUATION_SHARE = 1 / 3
"""A forward pass costs about a third of an update."""


def estimate_run(recipe: Recipe, arm: Arm, *, source: Source, device: torch.device) -> float:
    """Seconds for the whole run: the median of a few timed updates (after one to warm up), times their number."""
    recipe = recipe.trained_as(arm)
    settings = recipe.train
    state = start_state(recipe, arm, seed=0, source=source, device=device)
    state.model.train()
    steps = source.steps_per_epoch(settings.batch_size)
    batches = source.train_batches(
        seed=0, epoch=0, batch_size=settings.batch_size, device=device, channels_last=settings.channels_last
    )
    times: list[float] = []
    for _ in range(min(_STEPS + 1, steps)):
        begun = time.perf_counter()
        update(state, next(batches), settings, device)
        times.append(time.perf_counter() - begun)
    step = statistics.median(times[1:] or times)
    evaluated = settings.epochs // recipe.evaluation.every * (source.num_val or source.num_test)
    per_image = step / min(settings.batch_size, source.num_train)
    return step * steps * settings.epochs + per_image * _EVALUATION_SHARE * (evaluated + source.num_test)
