"""Runs with a history, and groups of them as `compare` makes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.footing import Origin
from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord, RunRecord, SiteLog, Tally
from actbench.store import StoredRun

Logs = Mapping[str, Mapping[str, list[float | None]]]
"""Site -> parameter -> values."""


@pytest.fixture
def with_history() -> Callable[..., RunRecord]:
    """Gives a record an epoch for each training loss, with correct validation answers of 100 and logs where given."""

    def make(
        record: RunRecord,
        losses: Sequence[float],
        val: Sequence[int] = (),
        *,
        test: Sequence[int] = (),
        logs: Sequence[Logs] = (),
    ) -> RunRecord:
        history = tuple(
            EpochRecord(
                epoch=epoch,
                lr=0.1,
                train_loss=loss,
                val=Tally(correct=val[epoch], total=100, loss_sum=1.0) if val else None,
                test=Tally(correct=test[epoch], total=100, loss_sum=1.0) if test else None,
                time_s=1.0,
                step_time_s=0.1,
                data_time_s=0.0,
                activations=tuple(
                    SiteLog(site=site, values=dict(values))
                    for site, values in (logs[epoch] if logs else {}).items()
                ),
            )
            for epoch, loss in enumerate(losses)
        )
        return record.model_copy(update={"history": history})

    return make


@pytest.fixture
def make_group() -> Callable[..., Group]:
    """What `compare` makes of runs of one recipe."""

    def make(recipe: Recipe, runs: Sequence[RunRecord]) -> Group:
        stored = tuple(StoredRun(Path(f"{run.arm.name}-seed{run.seed}.json"), run) for run in runs)
        origin = Origin(reference=recipe.name, profile=recipe.profile)
        (group,) = compare([Selection(plan=recipe, stored=stored, origin=origin)], papers={}).groups
        return group

    return make
