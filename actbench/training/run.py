"""One run from start (or from its last checkpoint) to its record."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from actbench.data.source import DataSource, Source
from actbench.errors import ActbenchError, DivergedError
from actbench.metrics import selection_score
from actbench.models.network import Network
from actbench.provenance import provenance, this_take
from actbench.recipe.plan import PlannedRun
from actbench.recipe.schema import Recipe
from actbench.record import (
    Cost,
    DataFacts,
    EpochRecord,
    RunRecord,
    Status,
    Take,
    TestResult,
    Weights,
    Which,
    pack_bits,
)
from actbench.store import Store, set_aside
from actbench.streams import stream_seed
from actbench.training.attack import accuracy_under_attack
from actbench.training.build import set_deep_lambda
from actbench.training.checkpoint import Progress, best_path, load_best, restore_last, save_best, save_last
from actbench.training.cost import measure_cost
from actbench.training.donor import donor_weights
from actbench.training.evaluate import Evaluation, evaluate_split
from actbench.training.loop import train_epochs
from actbench.training.state import State, backends, start_state


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One process's work on one run."""

    planned: PlannedRun
    source: Source
    store: Store
    device: torch.device
    takes: list[Take] = field(default_factory=list)
    """The processes that worked on the run, this one last."""
    spent_before: float = 0.0
    begun: float = field(default_factory=time.perf_counter)
    state: State | None = None

    @property
    def recipe(self) -> Recipe:
        """As the run's arm trains it."""
        return self.planned.recipe.trained_as(self.planned.arm)

    @property
    def stream(self) -> int:
        """What all random streams of the run start from: its seed, unless its arm is to have other luck."""
        seed, salt = self.planned.seed, self.planned.arm.salt
        return stream_seed(seed, "salt", salt) if salt else seed

    @property
    def folder(self) -> Path:
        return self.store.checkpoint_dir(self.planned.path)

    @property
    def progress(self) -> Progress:
        wall_time = self.spent_before + time.perf_counter() - self.begun
        return Progress(run=self.planned.run, wall_time_s=wall_time, takes=self.takes)


def execute(
    planned: PlannedRun,
    *,
    source: Source,
    store: Store,
    device: torch.device,
    on_epoch: Callable[[EpochRecord], None] = lambda _epoch: None,
    shared_by: int = 1,
) -> RunRecord:
    """Trains, evaluates and stores one run; a diverged, failed or interrupted one is stored as such.

    Raises KeyboardInterrupt again once the record stands, and ActbenchError where nothing can be written.
    """
    attempt = _Attempt(planned=planned, source=source, store=store, device=device)
    # Asked before training: by its end the source tree may have moved on.
    attempt.takes.append(this_take(device, shared_by=shared_by))
    try:
        results = _train(attempt, on_epoch)
        record = _record(attempt, "completed", None, results)
    except DivergedError as error:
        record = _record(attempt, "diverged", str(error))
    except KeyboardInterrupt:
        epochs = attempt.state.epoch if attempt.state else 0
        reason = f"interrupted after epoch {epochs} of {attempt.recipe.train.epochs}"
        store.write(planned.path, _record(attempt, "interrupted", reason))
        raise
    except (RuntimeError, ValueError, MemoryError, ActbenchError) as error:
        # Out of memory, an operator that the device lacks, a picture that cannot be read: the other runs go on.
        record = _record(attempt, "failed", f"{type(error).__name__}: {error}")
    except Exception as error:
        if not planned.arm.plugins:
            raise
        # A user's own code may raise anything; the other arms go on.
        record = _record(attempt, "failed", f"{type(error).__name__}: {error}")
    store.write(planned.path, record)
    return record


def record_failure(
    planned: PlannedRun, reason: str, *, source: Source, store: Store, device: torch.device, shared_by: int
) -> None:
    """Stores that another process could not end the run; its checkpoints stay, and the run can go on from them."""
    take = this_take(device, shared_by=shared_by)
    attempt = _Attempt(planned=planned, source=source, store=store, device=device, takes=[take])
    store.write(planned.path, _record(attempt, "failed", reason))


def data_facts(source: Source) -> DataFacts:
    return DataFacts(
        fingerprint=source.fingerprint,
        train=source.num_train,
        val=source.num_val,
        test=source.num_test,
        num_classes=source.num_classes,
        synthetic=source.synthetic,
    )


def best_epoch(history: Sequence[EpochRecord], weights: Weights) -> int | None:
    """The first epoch with the best score on the split that selects; None if none was evaluated."""
    scores = [(score, -entry.epoch) for entry in history if (score := _score(entry, weights)) is not None]
    return -max(scores)[1] if scores else None


def _train(attempt: _Attempt, on_epoch: Callable[[EpochRecord], None]) -> list[TestResult]:
    planned, device = attempt.planned, attempt.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    state = _state(attempt)
    for epoch in train_epochs(
        state, attempt.recipe, planned.arm, seed=attempt.stream, source=attempt.source, device=device
    ):
        _keep_best(attempt, state)
        save_last(attempt.folder, state, attempt.progress, finished=False)
        on_epoch(epoch)
    _require_finite(state)
    results = _final_results(attempt, state)
    save_last(attempt.folder, state, attempt.progress, finished=True)
    return results


def _state(attempt: _Attempt) -> State:
    """The state to go on from; checkpoints that are no use are set aside, and the run starts anew."""
    planned = attempt.planned

    def fresh() -> State:
        return start_state(
            attempt.recipe,
            planned.arm,
            seed=attempt.stream,
            source=attempt.source,
            device=attempt.device,
            donor=donor_weights(planned, attempt.store),
        )

    attempt.state = state = fresh()
    try:
        saved = restore_last(attempt.folder, state, run=planned.run)
        if saved:
            for weights in _kinds(state):
                _load_best(attempt, state, weights)
    except ActbenchError:
        for file in sorted(attempt.folder.glob("*.pt")):
            set_aside(file, "unusable")
        attempt.state = fresh()
        return attempt.state
    if saved:
        attempt.spent_before = saved.wall_time_s
        attempt.takes[:0] = saved.takes
    return state


def _record(
    attempt: _Attempt, status: Status, reason: str | None, results: Sequence[TestResult] = ()
) -> RunRecord:
    planned, state = attempt.planned, attempt.state
    return RunRecord(
        status=status,
        reason=reason,
        recipe=planned.recipe,
        arm=planned.arm,
        seed=planned.seed,
        footing=planned.footing,
        run=planned.run,
        data=data_facts(attempt.source),
        history=tuple(state.history) if state else (),
        results=tuple(results),
        backends=backends(state) if state else {},
        parameter_groups=tuple(state.groups) if state else (),
        cost=_cost(attempt, state) if state and status == "completed" else None,
        provenance=provenance(attempt.takes, wall_time_s=attempt.progress.wall_time_s),
    )


def _cost(attempt: _Attempt, state: State) -> Cost:
    recipe, source = attempt.recipe, attempt.source
    # The final evaluations may have left the lambda of an earlier epoch, and what is kept depends on it.
    set_deep_lambda(state.model, attempt.planned.arm, epoch=state.epoch - 1)
    return measure_cost(
        state,
        recipe,
        channels=source.channels,
        num_classes=source.num_classes,
        batch_images=min(recipe.train.batch_size, source.num_train),
        device=attempt.device,
    )


def _kinds(state: State) -> tuple[Weights, ...]:
    return ("raw", "ema") if state.ema else ("raw",)


def _weights(state: State, kind: Weights) -> Network:
    return state.ema.model if kind == "ema" and state.ema else state.model


def _selected(attempt: _Attempt) -> Which:
    return "best_test" if attempt.planned.recipe.evaluation.protocol == "best-test" else "best_val"


def _score(entry: EpochRecord, weights: Weights) -> float | None:
    tally = (entry.val or entry.test) if weights == "raw" else (entry.val_ema or entry.test_ema)
    return selection_score(tally) if tally else None


def _keep_best(attempt: _Attempt, state: State) -> None:
    """Stores the weights if this epoch is the best so far; before `last.pt`, which is what a run goes on from."""
    epoch = state.history[-1].epoch
    for kind in _kinds(state):
        if best_epoch(state.history, kind) == epoch:
            path = best_path(attempt.folder, _selected(attempt), kind)
            save_best(path, _weights(state, kind), run=attempt.planned.run, epoch=epoch)


def _load_best(attempt: _Attempt, state: State, kind: Weights) -> dict[str, torch.Tensor] | None:
    """The best weights so far. Raises ActbenchError unless the file holds those of the very epoch.

    A process killed between the two files leaves best weights one epoch ahead of `last.pt`; the epoch is then
    trained again, and writes them again, before they are looked at.
    """
    best = best_epoch(state.history, kind)
    if best is None:
        return None
    path = best_path(attempt.folder, _selected(attempt), kind)
    return load_best(path, run=attempt.planned.run, epochs=(best, state.epoch))


def _require_finite(state: State) -> None:
    """The last update has no loss after it that could show what it broke."""
    broken = next(
        (name for name, value in state.model.state_dict().items() if not bool(value.isfinite().all())), None
    )
    last = state.history[-1]
    if broken or not math.isfinite(last.train_loss):
        raise DivergedError(epoch=last.epoch, step=None, layer=broken)


def _final_results(attempt: _Attempt, state: State) -> list[TestResult]:
    """The test set at the last and at the selected weights, raw and averaged: the only time it is looked at.

    Under protocol validation not even then.
    """
    if attempt.planned.recipe.evaluation.protocol == "validation":
        return []
    which, last = _selected(attempt), state.history[-1].epoch
    results = []
    for kind in _kinds(state):
        model = _weights(state, kind)
        results.append(_with_attacks(attempt, model, _test(attempt, model, "last", kind, last)))
        best = best_epoch(state.history, kind)
        if best == last:
            results.append(results[-1].model_copy(update={"which": which}))
        elif best is not None:
            kept = {name: value.clone() for name, value in model.state_dict().items()}
            path = best_path(attempt.folder, which, kind)
            model.load_state_dict(load_best(path, run=attempt.planned.run, epochs=(best,)))
            results.append(_test(attempt, model, which, kind, best))
            model.load_state_dict(kept)
    return results


def _with_attacks(attempt: _Attempt, model: Network, result: TestResult) -> TestResult:
    """The result with what attacks leave of it, where the recipe asks for them."""
    planned, source = attempt.planned, attempt.source
    if not isinstance(source, DataSource) or planned.recipe.evaluation.robustness is None:
        return result
    attacks = accuracy_under_attack(
        model, source, "test", planned.recipe, seed=attempt.stream, device=attempt.device
    )
    return result.model_copy(update={"attacks": attacks})


def _test(attempt: _Attempt, model: Network, which: Which, weights: Weights, epoch: int) -> TestResult:
    recipe = attempt.recipe
    set_deep_lambda(model, attempt.planned.arm, epoch=epoch)
    found = evaluate_split(model, attempt.source, "test", recipe, device=attempt.device)
    if isinstance(found, Evaluation):
        detail: dict[str, Any] = {"correct_bits": pack_bits(found.correct)}
    else:
        detail = {"class_box_ap": found.class_box_ap}
    return TestResult(which=which, weights=weights, epoch=epoch, tally=found.tally, **detail)
