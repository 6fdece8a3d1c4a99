"""Whole recipes in actbench's loop and in the plain one beside it: epochs of each in turn, on the same images."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from actbench.bench.plain_lslu import PlainLSLU
from actbench.bench.timing import Spread, ratios, spread
from actbench.data.canonical import ImageSet
from actbench.data.memory import MemorySource
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Arm, Profile, Recipe
from actbench.training.loop import train_epochs
from actbench.training.state import start_state


class Task(NamedTuple):
    """A recipe and one arm of it, and the arm's activation as a plain module."""

    recipe: str
    profile: Profile
    arm: str
    plain: Callable[[int], nn.Module]


TASKS = {
    "lslu": Task("lslu_vanillanet_c100", "lite", "lslu", PlainLSLU),
    "resnet18": Task("pwlu_resnet18_c100", "paper", "relu", lambda _channels: nn.ReLU()),
}


def task_recipe(task: Task, *, rounds: int, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe with one epoch to warm up and `rounds` to time."""
    # One more than is timed: only an epoch that is the recipe's last is evaluated. And of what an epoch looks at for
    # its record as little as may be: it is training that is timed.
    quiet = ("evaluation.every=10000", "evaluation.batch_size=8", f"train.epochs={rounds + 2}")
    loaded = load_recipe(task.recipe, profile=task.profile, arms=[task.arm], overrides=[*quiet, *overrides])
    return loaded.recipes[0]


def our_epochs(recipe: Recipe, arm: Arm, data: ImageSet, device: torch.device) -> Iterator[float]:
    """actbench's own loop, seed 0: each epoch's mean loss."""
    source = MemorySource("cifar100", data, recipe.input, limit=None, val_fraction=None)
    state = start_state(recipe, arm, seed=0, source=source, device=device)
    for record in train_epochs(state, recipe, arm, seed=0, source=source, device=device):
        yield record.train_loss


class Epoch(NamedTuple):
    """What one took; CPU time with the worker processes' in it, None where the system does not tell theirs."""

    wall_s: float
    cpu_s: float | None
    loss: float


def in_turn(running: Mapping[str, Iterator[float]], *, rounds: int) -> dict[str, list[Epoch]]:
    """An epoch of each in every round; the first, which builds, allocates and starts workers, does not count."""
    found: dict[str, list[Epoch]] = {name: [] for name in running}
    for number in range(rounds + 1):
        for name, epochs in running.items():
            epoch = _timed(epochs)
            if number:
                found[name].append(epoch)
    return found


def times_as_many(ours: Sequence[Epoch], theirs: Sequence[Epoch]) -> Spread:
    """Our images per second of wall time, by theirs of the same round."""
    return spread(ratios([epoch.wall_s for epoch in theirs], [epoch.wall_s for epoch in ours]))


def times_as_many_by_cpu(ours: Sequence[Epoch], theirs: Sequence[Epoch]) -> Spread | None:
    """Our images per second of CPU time, by theirs of the same round."""
    seconds = [[epoch.cpu_s for epoch in side if epoch.cpu_s is not None] for side in (theirs, ours)]
    if min(map(len, seconds)) < len(ours):
        return None
    return spread(ratios(*seconds))


def images_per_s(epochs: Sequence[Epoch], images: int) -> Spread:
    """By the wall clock."""
    return spread([images / epoch.wall_s for epoch in epochs])


def _timed(epochs: Iterator[float]) -> Epoch:
    cpu, wall = cpu_seconds(), time.perf_counter()
    loss = next(epochs)
    wall = time.perf_counter() - wall
    after = cpu_seconds()
    return Epoch(wall, after - cpu if cpu is not None and after is not None else None, loss)


def cpu_seconds() -> float | None:
    """Of this process and its workers so far; None where the system has no /proc to ask for theirs."""
    total = time.process_time()
    try:
        for child in multiprocessing.active_children():
            fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None
    return total
