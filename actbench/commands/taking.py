"""Taking up one planned run, as the only process that does. Imports torch inside the function that needs it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from filelock import FileLock

from actbench.recipe.plan import PlannedRun, is_finished
from actbench.record import EpochRecord, RunRecord
from actbench.store import Store

if TYPE_CHECKING:
    import torch

    from actbench.training.sources import DataSources


def take_run(
    run: PlannedRun,
    *,
    sources: "DataSources",
    store: Store,
    device: "torch.device",
    patience_s: float,
    on_start: Callable[[], None],
    on_epoch: Callable[[EpochRecord], None],
    shared_by: int = 1,
) -> RunRecord | None:
    """Trains the run under its lock; None where another process has finished it since the plan was made.

    Waits for the lock as long as `patience_s`, for ever if negative; then raises filelock.Timeout.
    """
    from actbench.training.run import execute

    folder = store.checkpoint_dir(run.path)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock", timeout=patience_s):
        if is_finished(store, run):
            return None
        on_start()
        return execute(
            run,
            source=sources.of(run.recipe),
            store=store,
            device=device,
            on_epoch=on_epoch,
            shared_by=shared_by,
        )
