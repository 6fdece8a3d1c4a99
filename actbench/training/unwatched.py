"""An epoch of which nothing is read back until its end, so that a GPU never waits for the program.

To look at a loss is to wait for the device, and for small networks that is most of the time. Here losses and times
stay on the device: the first in one tensor, the others as events of its stream, read when the last update is queued.

A loss that is not finite shows only then, when later updates have spoilt the weights. So the state is copied before
the epoch (on the device: one more copy of weights, buffers, averages and the optimiser's state), and put back; the
caller then trains the epoch again with a look at each loss, which stops before the broken update and finds its layer.
Seeds and batches are functions of the step, so the second pass is the first one to the rounding of the device; if it
does not break there, the run goes on with it. Guarding each update by a flag on the device instead (`found_inf`, or a
`where` over all weights) needs a kernel for each tensor or an optimiser that takes the flag, leaves batch norm's
statistics unguarded, and could not tell the layer either.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from actbench.data.source import Batch, DetectionBatch
from actbench.recipe.schema import Recipe
from actbench.training.moments import Look, look_at_sites, read_moments
from actbench.training.optim import load_optimizer_state
from actbench.training.state import State
from actbench.training.updates import Updates, begin_update

Step = Callable[[Batch | DetectionBatch], Tensor]
"""Takes an update and returns its loss, () float64, left on the device."""
Mark = torch.cuda.Event | float
"""A moment: of the device's stream, or, where there is none, of the clock."""


def goes_unwatched(recipe: Recipe, device: torch.device) -> bool:
    """Whether the device works behind the program, and the network lets it: a detector counts its boxes."""
    return device.type == "cuda" and recipe.task != "detect"


def train_unwatched(
    state: State,
    recipe: Recipe,
    step: Step,
    batches: Iterator[Batch | DetectionBatch],
    *,
    seed: int,
    epoch: int,
    steps: int,
    device: torch.device,
) -> Updates | None:
    """The epoch's updates; None where a loss was not finite, with the state put back to before the epoch."""
    kept = _Kept(state)
    losses = torch.zeros(steps, dtype=torch.float64, device=device)
    marks: list[tuple[Mark, Mark, Mark, Mark]] = []
    looks: list[Look] = []
    cpu_times: list[float] = []
    lr = recipe.train.lr
    state.model.train()
    for place in range(steps):
        begun = _mark(device)
        batch = next(batches)
        fetched = _mark(device)
        looks += look_at_sites(state, batch, recipe.train, device, step=epoch * steps + place)
        ready, ready_cpu = _mark(device), time.process_time()
        lr = begin_update(state, recipe.train, seed=seed, step=epoch * steps + place, steps=steps)
        losses[place].copy_(step(batch))
        marks.append((begun, fetched, ready, _mark(device)))
        cpu_times.append(time.process_time() - ready_cpu)
    found = losses.tolist()  # the one moment at which the program waits
    if not all(map(math.isfinite, found)):
        kept.restore(state)
        return None
    return Updates(
        losses=found,
        step_times=[_seconds(ready, done) for _, _, ready, done in marks],
        cpu_times=cpu_times,
        data_time=sum(_seconds(begun, fetched) for begun, fetched, _, _ in marks),
        lr=lr,
        moments=read_moments(looks),
    )


def _mark(device: torch.device) -> Mark:
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def _seconds(one: Mark, other: Mark) -> float:
    if isinstance(one, torch.cuda.Event) and isinstance(other, torch.cuda.Event):
        milliseconds: float = one.elapsed_time(other)
        return milliseconds / 1e3
    assert isinstance(one, float)
    assert isinstance(other, float)
    return other - one


class _Kept:
    """A copy of all that an epoch changes; what a checkpoint holds."""

    def __init__(self, state: State) -> None:
        self._model = _copied(state.model.state_dict())
        self._ema = _copied(state.ema.model.state_dict()) if state.ema else None
        self._optimizer = copy.deepcopy(state.optimizer.state_dict())

    def restore(self, state: State) -> None:
        state.model.load_state_dict(self._model)
        if state.ema and self._ema is not None:
            state.ema.model.load_state_dict(self._ema)
        load_optimizer_state(state.optimizer, self._optimizer)


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.clone() for name, value in values.items()}
