"""Several small runs that share a device: the images that all together train per second."""

import multiprocessing
import queue
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

import torch

from actbench.errors import ActbenchError
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe
from actbench.training.loop import train_epochs
from actbench.training.sources import DataSources
from actbench.training.state import start_state

_PATIENCE_S = 120
"""For imports, the first epoch, and everything that is timed."""
_ARM = "relu"
_RESNET20 = (
    "data.name=synthetic",
    "data.num_classes=100",
    "data.train=12800",
    "data.test=256",
    "evaluation.every=10000",
    "evaluation.protocol=best-test",  # nothing is held out
    "train.batch_size=128",
    "train.amp=bf16",
)


class _Took(NamedTuple):
    begun: float
    ended: float
    """Of the system's clock, which all processes share."""
    images: int


def packed_recipe(*, epochs: int, overrides: Sequence[str]) -> Recipe:
    """ResNet-20 with ReLU on generated images of CIFAR's shape, one epoch to warm up and `epochs` to time."""
    # One more than is timed: only an epoch that is the recipe's last is evaluated.
    settings = [*_RESNET20, f"train.epochs={epochs + 2}", *overrides]
    return load_recipe("pwlu_resnet20_c100", profile="paper", arms=[_ARM], overrides=settings).recipes[0]


def packed_images_per_s(recipe: Recipe, device: torch.device, *, runs: int, epochs: int) -> float:
    """Processes that begin their timed epochs together: all images over the time from the first start to the last end.

    Raises ActbenchError where one of them fails.
    """
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(runs), context.Queue()
    threads = max(1, torch.get_num_threads() // runs)
    members = [
        context.Process(target=_member, args=(recipe, str(device), seed, threads, epochs, start, results))
        for seed in range(runs)
    ]
    for member in members:
        member.start()
    try:
        found: list[_Took | str] = [results.get(timeout=_PATIENCE_S) for _ in members]
    except queue.Empty:
        raise ActbenchError(f"{runs} runs at a time: not done within {_PATIENCE_S} s") from None
    finally:
        for member in members:
            member.join(10)
            member.kill()
    if failures := [each for each in found if isinstance(each, str)]:
        raise ActbenchError(f"{runs} runs at a time: {failures[0]}")
    took = [each for each in found if isinstance(each, _Took)]
    seconds = max(each.ended for each in took) - min(each.begun for each in took)
    return sum(each.images for each in took) / seconds


def _member(
    recipe: Recipe,
    device_name: str,
    seed: int,
    threads: int,
    epochs: int,
    start: Barrier,
    results: "multiprocessing.Queue[_Took | str]",
) -> None:
    try:
        torch.set_num_threads(threads)
        device, arm = torch.device(device_name), recipe.arm(_ARM)
        source = DataSources(Path("data")).of(recipe)
        state = start_state(recipe, arm, seed=seed, source=source, device=device)
        running = train_epochs(state, recipe, arm, seed=seed, source=source, device=device)
        next(running)
        start.wait(_PATIENCE_S)
        begun = time.time()
        for _ in range(epochs):
            next(running)  # ends with its losses read, so the device is done
        ended, batch = time.time(), min(recipe.train.batch_size, source.num_train)
        images = epochs * source.steps_per_epoch(recipe.train.batch_size) * batch
        results.put(_Took(begun, ended, images))
    except Exception as error:  # told by the process that waits; the others need not
        start.abort()
        results.put(f"{type(error).__name__}: {error}")
