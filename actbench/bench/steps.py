"""Training steps of a recipe, arm beside arm: what a step costs, and where in it the time goes.

Model, loss, optimiser and input pipeline are the recipe's own. Data is what the pipeline costs without its random
part, augmentation what it costs beyond that: from a second pipeline over the same images that draws nothing.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from actbench.bench.timing import Spread, page_faults, ratios, spread
from actbench.data.source import Batch, DetectionBatch, Source
from actbench.recipe.schema import Arm, Recipe
from actbench.training.build import set_deep_lambda
from actbench.training.loop import update
from actbench.training.phases import begin_epoch
from actbench.training.precision import wait_for
from actbench.training.state import State, backends, start_state
from actbench.training.updates import apply_gradients, part_loss

PARTS = ("data", "augmentation", "forward", "backward", "optimiser")
WARMUP = 2
_SEED = 0
_FIRST_EPOCHS = 1
"""Epochs that see a batch even if no phase begins in them, so that statistics have something to average."""

Read = Callable[[], float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSteps:
    arm: str
    backends: Mapping[str, int]
    """The code that computes activations -> at how many sites."""
    notes: tuple[str, ...]
    """What the phases said that came before."""
    step_s: Spread
    over_reference: Spread
    images_per_s: float
    """By the median step."""
    shares: Mapping[str, float]
    """Part -> its share of the parts together, of their medians."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsResult:
    reference: str
    steps: int
    batch_images: int
    clock: str
    page_faults: int
    arms: tuple[ArmSteps, ...]


class Stream:
    """Batches of one arm without end, epoch after epoch, the same for every arm."""

    def __init__(self, source: Source, recipe: Recipe, device: torch.device) -> None:
        self._source, self._settings, self._device = source, recipe.train, device
        self._epoch = 0
        self._batches: Iterator[Batch | DetectionBatch] = iter(())

    def next(self) -> Batch | DetectionBatch:
        for _ in range(2):
            batch = next(self._batches, None)
            if batch is not None:
                return batch
            self._batches = self._source.train_batches(
                seed=_SEED,
                epoch=self._epoch,
                batch_size=self._settings.batch_size,
                device=self._device,
                channels_last=self._settings.channels_last,
            )
            self._epoch += 1
        raise AssertionError("an epoch without a batch")


class _Runner:
    """One arm at work."""

    def __init__(
        self, recipe: Recipe, arm: Arm, source: Source, plain: Source | None, device: torch.device
    ) -> None:
        self.arm, self.recipe, self.device = arm, recipe, device
        self.state = start_state(recipe, arm, seed=_SEED, source=source, device=device)
        self.stream = Stream(source, recipe, device)
        self.plain = None if plain is None else Stream(plain, recipe, device)
        self.notes = reach_last_phase(self.state, recipe, self.stream, device)
        # As in the first epoch: deep training is over later, and its activations with it.
        set_deep_lambda(self.state.model, arm, epoch=0)
        self.parts: dict[str, list[float]] = {part: [] for part in PARTS}
        self.whole: list[float] = []

    def step(self, read: Read) -> None:
        settings, device = self.recipe.train, self.device
        plain = _seconds(self.plain.next, read, device)[0] if self.plain else None
        made, batch = _seconds(self.stream.next, read, device)
        parts = split_update(self.state, batch, self.recipe, device, read)
        self.parts["data"].append(made if plain is None else min(plain, made))
        self.parts["augmentation"].append(0.0 if plain is None else max(made - plain, 0.0))
        for part, time_s in parts.items():
            self.parts[part].append(time_s)
        if device.type == "cpu":
            self.whole.append(made + sum(parts.values()))
        else:
            # There each part waits for the device, which a step in training does not.
            self.whole.append(
                _seconds(lambda: update(self.state, self.stream.next(), settings, device), read, device)[0]
            )


def measure_steps(
    recipe: Recipe,
    arms: Sequence[Arm],
    source: Source,
    plain: Source | None,
    *,
    reference: str,
    steps: int,
    device: torch.device,
) -> StepsResult:
    """Every arm's step once in every round, in an order drawn anew; `plain` is the source without augmentation.

    Activations are in the last phase that the recipe reaches, deep training in its first epoch.
    """
    runners = [_Runner(recipe, arm, source, plain, device) for arm in arms]
    clock, read = _clock(device)
    order = random.Random(_SEED)
    faults = 0
    for number in range(WARMUP + steps):
        if number == WARMUP:
            faults = page_faults()
            for runner in runners:
                runner.whole.clear()
                for times in runner.parts.values():
                    times.clear()
        for runner in order.sample(runners, len(runners)):
            runner.step(read)
    (base,) = (runner.whole for runner in runners if runner.arm.name == reference)
    images = min(recipe.train.batch_size, source.num_train)
    return StepsResult(
        reference=reference,
        steps=steps,
        batch_images=images,
        clock=clock,
        page_faults=page_faults() - faults,
        arms=tuple(_told(runner, base, images) for runner in runners),
    )


def reach_last_phase(state: State, recipe: Recipe, stream: Stream, device: torch.device) -> tuple[str, ...]:
    """Takes activations through the phases of the recipe's epochs, with an update where one begins; what they said."""
    state.model.train()
    notes: list[str] = []
    for epoch in range(recipe.train.epochs):
        changes = begin_epoch(state.model, epoch, state.optimizer, state.ema.model if state.ema else None)
        notes += [f"{name}: {change.note}" for name, change in changes.items()]
        if changes or epoch < _FIRST_EPOCHS:
            update(state, stream.next(), recipe.train, device)
    return tuple(notes)


def split_update(
    state: State, batch: Batch | DetectionBatch, recipe: Recipe, device: torch.device, read: Read
) -> dict[str, float]:
    """`loop.update` with a clock between its parts: their seconds. The weights become the same."""
    settings = recipe.train
    parts = dict.fromkeys(("forward", "backward", "optimiser"), 0.0)
    state.optimizer.zero_grad(set_to_none=True)
    for part in batch.parts(settings.accumulation):
        taken, loss = _seconds(partial(part_loss, state, part, batch, settings, device), read, device)
        parts["forward"] += taken
        parts["backward"] += _seconds(loss.backward, read, device)[0]

    parts["optimiser"] = _seconds(partial(apply_gradients, state, settings), read, device)[0]
    return parts


def _told(runner: _Runner, base: Sequence[float], images: int) -> ArmSteps:
    medians = {part: spread(times).median for part, times in runner.parts.items()}
    whole = sum(medians.values())
    step = spread(runner.whole)
    counts: dict[str, int] = {}
    for backend in backends(runner.state).values():
        counts[backend] = counts.get(backend, 0) + 1
    return ArmSteps(
        arm=runner.arm.name,
        backends=counts,
        notes=runner.notes,
        step_s=step,
        over_reference=spread(ratios(runner.whole, base)),
        images_per_s=images / step.median,
        shares={part: median / whole for part, median in medians.items()},
    )


def _clock(device: torch.device) -> tuple[str, Read]:
    """CPU time of the process where one thread computes, with what a thread that prepares batches takes."""
    if device.type == "cpu" and torch.get_num_threads() == 1:
        return "CPU time of the process", time.process_time
    return "wall time", time.perf_counter


def _seconds(call: Callable[[], T], read: Read, device: torch.device) -> tuple[float, T]:
    wait_for(device)
    begun = read()
    value = call()
    wait_for(device)
    return read() - begun, value
