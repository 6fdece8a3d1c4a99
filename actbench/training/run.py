"""One run from start (or from its last checkpoint) to its record."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from actbench.data.source import DataSource
from actbench.errors import DivergedError
from actbench.models.network import Network
from actbench.provenance import provenance, source_commit, utc_now
from actbench.recipe.plan import PlannedRun
from actbench.record import DataFacts, EpochRecord, RunRecord, Status, TestResult, Weights, Which, pack_bits
from actbench.store import Store
from actbench.training.build import set_deep_lambda
from actbench.training.checkpoint import best_path, load_weights, restore_last, save_best, save_last
from actbench.training.cost import measure_cost
from actbench.training.evaluate import evaluate
from actbench.training.loop import train_epochs
from actbench.training.state import State, start_state


class _Clock(NamedTuple):
    """When this process took the run up, and what earlier processes had spent on it."""

    started: float
    spent_before: float
    resumed: int

    def wall_time(self) -> float:
        return self.spent_before + time.perf_counter() - self.started


def execute(
    planned: PlannedRun,
    *,
    source: DataSource,
    store: Store,
    device: torch.device,
    on_epoch: Callable[[EpochRecord], None] = lambda _epoch: None,
) -> RunRecord:
    """Trains, evaluates and stores one run; a diverged, failed or interrupted one is stored as such.

    KeyboardInterrupt is raised again once the record stands.
    """
    began = utc_now()
    source_commit()  # asked before training: by its end the source tree may have moved on
    recipe, arm = planned.recipe, planned.arm
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    folder = store.checkpoint_dir(planned.path)
    state = start_state(recipe, arm, seed=planned.seed, source=source, device=device)
    saved = restore_last(folder, state, run=planned.run)
    clock = (
        _Clock(time.perf_counter(), saved["wall_time_s"], saved["resumed"] + 1)
        if saved
        else _Clock(time.perf_counter(), 0.0, 0)
    )

    def store_as(status: Status, reason: str | None, results: list[TestResult]) -> RunRecord:
        record = RunRecord(
            status=status,
            reason=reason,
            recipe=recipe,
            arm=arm,
            seed=planned.seed,
            footing=planned.footing,
            run=planned.run,
            data=data_facts(source),
            history=tuple(state.history),
            results=tuple(results),
            backends={name: getattr(site, "backend", "reference") for name, site in state.sites.items()},
            parameter_groups=tuple(state.groups),
            cost=measure_cost(
                state,
                recipe,
                channels=source.channels,
                num_classes=source.num_classes,
                batch_images=min(recipe.train.batch_size, source.num_train),
                device=device,
            ),
            provenance=provenance(
                device, started=began, wall_time_s=clock.wall_time(), resumed=clock.resumed
            ),
        )
        store.write(planned.path, record)
        return record

    try:
        for epoch in train_epochs(state, recipe, arm, seed=planned.seed, source=source, device=device):
            _keep_best(folder, state, planned)
            save_last(
                folder,
                state,
                run=planned.run,
                wall_time_s=clock.wall_time(),
                resumed=clock.resumed,
                finished=False,
            )
            on_epoch(epoch)
        results = _final_results(folder, state, planned, source, device)
        save_last(
            folder,
            state,
            run=planned.run,
            wall_time_s=clock.wall_time(),
            resumed=clock.resumed,
            finished=True,
        )
        return store_as("completed", None, results)
    except DivergedError as error:
        return store_as("diverged", str(error), [])
    except KeyboardInterrupt:
        store_as("interrupted", f"interrupted after epoch {state.epoch} of {recipe.train.epochs}", [])
        raise
    except (
        RuntimeError,
        MemoryError,
    ) as error:  # out of memory, an operator a device lacks: the other runs go on
        return store_as("failed", f"{type(error).__name__}: {error}", [])


def data_facts(source: DataSource) -> DataFacts:
    return DataFacts(
        fingerprint=source.fingerprint,
        train=source.num_train,
        val=source.num_val,
        test=source.num_test,
        num_classes=source.num_classes,
        synthetic=source.synthetic,
    )


def _selected(recipe_protocol: str) -> Which:
    return "best_test" if recipe_protocol == "best-test" else "best_val"


def _correct(entry: EpochRecord, weights: Weights) -> int | None:
    tally = (entry.val or entry.test) if weights == "raw" else (entry.val_ema or entry.test_ema)
    return tally.correct if tally else None


def best_epoch(history: Sequence[EpochRecord], weights: Weights) -> int | None:
    """The first epoch with the most correct answers on the split that selects; None if none was evaluated."""
    counts = [(count, -entry.epoch) for entry in history if (count := _correct(entry, weights)) is not None]
    return -max(counts)[1] if counts else None


def _keep_best(folder: Path, state: State, planned: PlannedRun) -> None:
    """Stores the weights if this epoch is the best so far; done before `last.pt`, so that the two never disagree."""
    which = _selected(planned.recipe.evaluation.protocol)
    models = {"raw": state.model, **({"ema": state.ema.model} if state.ema else {})}
    for weights, model in models.items():
        kind: Weights = "ema" if weights == "ema" else "raw"
        if best_epoch(state.history, kind) == state.history[-1].epoch:
            save_best(best_path(folder, which, kind), model, run=planned.run, epoch=state.history[-1].epoch)


def _final_results(
    folder: Path, state: State, planned: PlannedRun, source: DataSource, device: torch.device
) -> list[TestResult]:
    """The test set at the last and at the selected weights, raw and averaged: the only time it is looked at."""
    recipe = planned.recipe
    which = _selected(recipe.evaluation.protocol)
    last = state.history[-1].epoch
    kinds: list[Weights] = ["raw", "ema"] if state.ema else ["raw"]
    results = []
    for kind in kinds:
        model = state.ema.model if kind == "ema" and state.ema else state.model
        results.append(_test(model, "last", kind, last, planned, source, device))
        best = best_epoch(state.history, kind)
        if best == last:
            results.append(results[-1].model_copy(update={"which": which}))
        elif best is not None:
            kept = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(load_weights(best_path(folder, which, kind))["model"])
            results.append(_test(model, which, kind, best, planned, source, device))
            model.load_state_dict(kept)
    return results


def _test(
    model: Network,
    which: Which,
    weights: Weights,
    epoch: int,
    planned: PlannedRun,
    source: DataSource,
    device: torch.device,
) -> TestResult:
    recipe = planned.recipe
    set_deep_lambda(model, planned.arm, epoch=epoch)
    batches = source.eval_batches(
        "test",
        batch_size=recipe.evaluation.batch_size,
        device=device,
        channels_last=recipe.train.channels_last,
    )
    found = evaluate(model, batches, device=device, amp=recipe.train.amp)
    return TestResult(
        which=which, weights=weights, epoch=epoch, tally=found.tally, correct_bits=pack_bits(found.correct)
    )
