"""What one update of the weights consists of, and how an epoch's updates are told."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from actbench.data.source import Batch, DetectionBatch
from actbench.recipe.schema import TrainSettings
from actbench.record import SiteMoments
from actbench.streams import stream_seed
from actbench.training.losses import batch_loss
from actbench.training.optim import learning_rate, set_learning_rate
from actbench.training.state import State


class Updates(NamedTuple):
    """Of one epoch, an entry for each update; times in seconds."""

    losses: list[float]
    step_times: list[float]
    cpu_times: list[float]
    data_time: float
    """Of all batches together."""
    lr: float
    """Of the last update."""
    moments: tuple[SiteMoments, ...] = ()


def begin_update(state: State, settings: TrainSettings, *, seed: int, step: int, steps: int) -> float:
    """Seeds update `step` of the run and sets its learning rate, which is returned; an epoch has `steps`.

    Dropout and the like draw from here: the same for every arm, and after a resumption too. On a GPU this sets
    numbers of the host alone, and waits for nothing.
    """
    torch.manual_seed(stream_seed(seed, "step", step))
    lr = learning_rate(settings, step, steps)
    set_learning_rate(state.optimizer, lr)
    return lr


def part_loss(
    state: State,
    part: Batch | DetectionBatch,
    batch: Batch | DetectionBatch,
    settings: TrainSettings,
    device: torch.device,
) -> Tensor:
    """A part's share of the batch's mean loss."""
    return batch_loss(state.trained, part, settings, device) * (part.num_images / batch.num_images)


def apply_gradients(state: State, settings: TrainSettings) -> None:
    """Clipping, the optimiser's step, the moving average."""
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip_norm)
    state.optimizer.step()
    if state.ema:
        state.ema.update(state.model)


def update_unseen(
    state: State, batch: Batch | DetectionBatch, settings: TrainSettings, device: torch.device
) -> Tensor:
    """One update, whatever its loss; returns the loss, () float64, on the device, and never waits for it.

    The same arithmetic as `loop.update`, which looks at each loss before it goes on.
    """
    state.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), dtype=torch.float64, device=device)
    for part in batch.parts(settings.accumulation):
        loss = part_loss(state, part, batch, settings, device)
        total += loss.detach()
        loss.backward()  # type: ignore[no-untyped-call]
    apply_gradients(state, settings)
    return total
