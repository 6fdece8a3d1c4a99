"""The training loop: one record per epoch, yielded to a caller that shows or stores it.

For each epoch: move activations and deep training to their phase; for each batch: seed the step, set the learning
rate, take one update; then evaluate on the split that the protocol allows. On a GPU nothing is read back before the
epoch's end (see `unwatched.py`), and the update may be compiled or captured (see `graphs.py`).
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from actbench.data.source import Batch, DetectionBatch, EvalSplit, Source
from actbench.errors import DivergedError
from actbench.recipe.schema import Arm, EarlyStoppingSettings, Recipe, TrainSettings
from actbench.record import EpochRecord, SiteLog, Tally
from actbench.training.build import set_deep_lambda
from actbench.training.evaluate import evaluate_split
from actbench.training.graphs import Graphs
from actbench.training.losses import batch_loss
from actbench.training.moments import Look, look_at_sites, read_moments
from actbench.training.phases import begin_epoch
from actbench.training.precision import wait_for
from actbench.training.shapes import measure_shapes
from actbench.training.state import State
from actbench.training.unwatched import goes_unwatched, train_unwatched
from actbench.training.updates import Updates, apply_gradients, begin_update, part_loss

LOGGED_WHOLE = 16
"""Learnt values of at most this many entries are logged one by one, larger ones by their mean, least and greatest."""


def train_epochs(
    state: State, recipe: Recipe, arm: Arm, *, seed: int, source: Source, device: torch.device
) -> Iterator[EpochRecord]:
    """Trains from `state.epoch` on, in place. Raises DivergedError when the loss is no longer finite."""
    settings = recipe.train
    graphs = Graphs(state, settings, device)
    while state.epoch < settings.epochs and not stopped_early(state.history, settings.early_stopping):
        epoch = state.epoch
        deep_lambda = set_deep_lambda(state.model, arm, epoch=epoch)
        if state.ema:
            set_deep_lambda(state.ema.model, arm, epoch=epoch)
        changes = begin_epoch(state.model, epoch, state.optimizer, state.ema.model if state.ema else None)
        graphs.begin_epoch(deep_lambda, changes)
        updates = _train_one_epoch(
            state, recipe, graphs, seed=seed, epoch=epoch, source=source, device=device
        )
        record = EpochRecord(
            epoch=epoch,
            lr=updates.lr,
            deep_lambda=deep_lambda,
            train_loss=statistics.fmean(updates.losses),
            time_s=sum(updates.step_times) + updates.data_time,
            step_time_s=statistics.median(updates.step_times),
            step_cpu_s=statistics.median(updates.cpu_times),
            data_time_s=updates.data_time,
            activations=_log_activations(state.sites),
            shapes=measure_shapes(state, recipe, source, device),
            notes=tuple(f"{name}: {change.note}" for name, change in changes.items()),
            moments=updates.moments,
            **_evaluations(state, recipe, source, device),
        )
        state.history.append(record)
        yield record


def stopped_early(history: list[EpochRecord], settings: EarlyStoppingSettings | None) -> bool:
    """Whether the validation loss has not improved by min_delta (nats) in the last `patience` evaluations."""
    losses = [
        math.inf if entry.val.loss_sum is None else entry.val.loss_sum / entry.val.total
        for entry in history
        if isinstance(entry.val, Tally)
    ]
    if settings is None or not losses:
        return False
    best, since = math.inf, 0
    for loss in losses:
        best, since = (loss, 0) if loss < best - settings.min_delta else (best, since + 1)
    return since >= settings.patience


def _train_one_epoch(
    state: State,
    recipe: Recipe,
    graphs: Graphs,
    *,
    seed: int,
    epoch: int,
    source: Source,
    device: torch.device,
) -> Updates:
    settings = recipe.train
    steps = source.steps_per_epoch(settings.batch_size)

    def batches() -> Iterator[Batch | DetectionBatch]:
        return source.train_batches(
            seed=seed,
            epoch=epoch,
            batch_size=settings.batch_size,
            device=device,
            channels_last=settings.channels_last,
        )

    if goes_unwatched(recipe, device):
        updates = train_unwatched(
            state, recipe, graphs.step, batches(), seed=seed, epoch=epoch, steps=steps, device=device
        )
        if updates is not None:
            return updates
        graphs.rebuild()  # the optimiser's state lies elsewhere now
    return _train_watched(state, settings, batches(), seed=seed, epoch=epoch, steps=steps, device=device)


def _train_watched(
    state: State,
    settings: TrainSettings,
    batches: Iterator[Batch | DetectionBatch],
    *,
    seed: int,
    epoch: int,
    steps: int,
    device: torch.device,
) -> Updates:
    """Looks at each loss: raises DivergedError at the first that is not finite, the weights as they were before it."""
    losses: list[float] = []
    step_times: list[float] = []
    cpu_times: list[float] = []
    looks: list[Look] = []
    data_time = 0.0
    lr = settings.lr
    state.model.train()
    for step in range(epoch * steps, (epoch + 1) * steps):
        begun = time.perf_counter()
        batch = next(batches)
        wait_for(device)
        data_time += time.perf_counter() - begun
        looks += look_at_sites(state, batch, settings, device, step=step)
        ready, ready_cpu = time.perf_counter(), time.process_time()
        lr = begin_update(state, settings, seed=seed, step=step, steps=steps)
        loss = update(state, batch, settings, device)
        if not math.isfinite(loss):
            layer = _first_broken_layer(state.model, batch, settings, device)
            raise DivergedError(epoch=epoch, step=step, layer=layer)
        losses.append(loss)
        wait_for(device)
        step_times.append(time.perf_counter() - ready)
        cpu_times.append(time.process_time() - ready_cpu)
    return Updates(losses, step_times, cpu_times, data_time, lr, read_moments(looks))


def update(
    state: State, batch: Batch | DetectionBatch, settings: TrainSettings, device: torch.device
) -> float:
    """One optimiser step on one batch, cut into `accumulation` parts; returns the loss.

    Where the loss is not finite the weights are left as they were, so that the broken layer can be found.
    """
    state.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for part in batch.parts(settings.accumulation):
        loss = part_loss(state, part, batch, settings, device)
        total += loss.item()
        if not math.isfinite(total):
            return total
        loss.backward()  # type: ignore[no-untyped-call]
    apply_gradients(state, settings)
    return total


def _evaluations(state: State, recipe: Recipe, source: Source, device: torch.device) -> dict[str, object]:
    """val and val_ema, or test and test_ema under protocol best-test, if this epoch is evaluated at all."""
    evaluation = recipe.evaluation
    is_last = state.epoch + 1 == recipe.train.epochs
    if (state.epoch + 1) % evaluation.every and not is_last:
        return {}
    split: EvalSplit = "test" if evaluation.protocol == "best-test" else "val"
    models = {split: state.model, **({f"{split}_ema": state.ema.model} if state.ema else {})}
    return {
        field: evaluate_split(model, source, split, recipe, device=device).tally
        for field, model in models.items()
    }


def _log_activations(sites: dict[str, nn.Module]) -> tuple[SiteLog, ...]:
    logs: list[SiteLog] = []
    for name, site in sites.items():
        declare: Callable[[], dict[str, Tensor]] = getattr(site, "log_values", dict)
        if values := declare():
            logs.append(SiteLog(site=name, values=_loggable(values)))
    return tuple(logs)


def _loggable(values: dict[str, Tensor]) -> dict[str, list[float | None]]:
    logged: dict[str, list[float | None]] = {}
    for key, value in values.items():
        flat = value.detach().float().flatten()
        if flat.numel() <= LOGGED_WHOLE:
            logged[key] = [_logged(number) for number in flat.tolist()]
        else:
            for summary, number in (("mean", flat.mean()), ("min", flat.min()), ("max", flat.max())):
                logged[f"{key}.{summary}"] = [_logged(number.item())]
    return logged


def _logged(number: float) -> float | None:
    """To the seven digits that float32 has; None where it is not finite."""
    return float(f"{number:.7g}") if math.isfinite(number) else None


@torch.no_grad()
def _first_broken_layer(
    model: nn.Module, batch: Batch | DetectionBatch, settings: TrainSettings, device: torch.device
) -> str | None:
    """Name of the first leaf module whose output is not finite on these images."""
    broken: list[str] = []

    def look(name: str, output: object) -> None:
        if isinstance(output, Tensor) and not bool(output.isfinite().all()):
            broken.append(name)

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: look(name, output))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        batch_loss(model, batch, settings, device)
    finally:
        for hook in hooks:
            hook.remove()
    return broken[0] if broken else None
