"""Training what is missing of given recipes, whichever command made them: checked first, then seed by seed, storing.

`train` does so with the recipes of files, `calibrate` with arms made from one; each run goes through the same checks,
the same plan and the same code. Imports torch inside the functions that need it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from actbench.commands.request import Progress, TrainRequest
from actbench.commands.taking import take_run
from actbench.errors import DataError
from actbench.recipe.plan import Plan, PlannedRun, make_plan
from actbench.recipe.schema import Arm, Recipe
from actbench.record import RunRecord
from actbench.store import Store, set_aside

if TYPE_CHECKING:
    import torch

    from actbench.training.sources import DataSources


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Recipes found fit to be trained, with all that it takes."""

    recipes: tuple[Recipe, ...]
    arms: tuple[str, ...]
    """The arms wanted of them; all if empty."""
    request: TrainRequest
    """For device, folders, plug-ins, `jobs` and `force`."""
    store: Store
    sources: "DataSources"
    device: "torch.device"
    fingerprints: Mapping[int, str]
    """Of each recipe's data, by the recipe's index."""

    def plan(self) -> Plan:
        """Every run wanted, as the store has them now."""
        return make_plan(self.recipes, self.fingerprints, self.store, arms=self.arms)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of it."""

    plan: Plan
    """As it was before the first run."""
    records: Mapping[Path, RunRecord]
    """Of the runs that were trained now, by the place of the record."""
    store: Store

    def record(self, run: PlannedRun) -> RunRecord | None:
        """The run's record, trained now or before; None where there is none."""
        found = self.records.get(run.path)
        return found or (self.store.read(run.path) if run.path.exists() else None)


def train_recipes(
    recipes: Sequence[Recipe],
    request: TrainRequest,
    progress: Progress,
    *,
    arms: Sequence[str] = (),
    sources: "DataSources | None" = None,
    until: Callable[[], bool] | None = None,
) -> Trained:
    """Trains what is missing of the recipes, whatever the request refers to: the first seed of every arm first.

    `sources` are those of an earlier call, so that no data is read twice; `until` is asked before each run, and no
    more are begun once it says True. Raises ActbenchError before anything is spent.
    """
    prepared = prepare(recipes, request, progress, arms=arms, sources=sources)
    return train_prepared(prepared, progress, until=until)


def prepare(
    recipes: Sequence[Recipe],
    request: TrainRequest,
    progress: Progress,
    *,
    arms: Sequence[str] = (),
    sources: "DataSources | None" = None,
) -> Prepared:
    """Checks the results folder, device, sites, plug-ins and data of the recipes. Raises ActbenchError."""
    store = Store(request.results_dir)
    for recipe in recipes:
        store.check_writable(recipe=recipe.name, profile=recipe.profile)
    # Loaded only now that the recipes are known to be good: torch takes seconds.
    from actbench.training.build import channel_dims, check_sites
    from actbench.training.plugged import try_plugins
    from actbench.training.precision import resolve_device
    from actbench.training.sources import DataSources, check_batches

    device = resolve_device(request.device)
    for recipe in recipes:
        check_sites(recipe)
        for arm in _wanted(recipe, arms):
            if arm.plugins:
                try_plugins(arm, channel_dims(recipe, arm))
        _warn_of_short_runs(recipe, arms, progress)
        if recipe.train.capture and device.type != "cuda":
            progress.note(
                f"{recipe.name}: train.capture is for GPUs; on {device} updates are taken one by one"
            )
        if sources is None:
            _require_data(recipe, request, progress)
    if sources is None:
        for name in dict.fromkeys(recipe.data.name for recipe in recipes):
            progress.note(f"reading {name}")
        sources = DataSources(request.data_dir)
    for recipe in recipes:
        check_batches(recipe, sources.of(recipe))
    return Prepared(
        recipes=tuple(recipes),
        arms=tuple(arms),
        request=request,
        store=store,
        sources=sources,
        device=device,
        fingerprints={index: sources.of(recipe).fingerprint for index, recipe in enumerate(recipes)},
    )


def train_prepared(
    prepared: Prepared, progress: Progress, *, until: Callable[[], bool] | None = None
) -> Trained:
    """Trains what is missing, in this process or in several (see `train_recipes`)."""
    plan = _clear_the_way(prepared, progress)
    workers = min(prepared.request.jobs, len(plan.todo))
    if workers > 1:
        from actbench.commands.workers import Workers

        records = Workers(prepared=prepared, plan=plan, progress=progress, until=until or _never).train(
            workers
        )
    else:
        records = _train_here(prepared, plan, progress, until or _never)
    return Trained(plan=plan, records=records, store=prepared.store)


def _never() -> bool:
    return False


def _wanted(recipe: Recipe, arms: Sequence[str]) -> list[Arm]:
    return [arm for arm in recipe.arms if not arms or arm.name in arms]


def _warn_of_short_runs(recipe: Recipe, arms: Sequence[str], progress: Progress) -> None:
    for arm in _wanted(recipe, arms):
        if recipe.stays_in_phase_one(arm):
            progress.warn(
                f"{recipe.name}: arm {arm.name} is in phase one for all of its {recipe.train.epochs} epochs and never "
                f"leaves its start\n  give it less: arms.{arm.name}.options.phase_epochs=..."
            )


def _require_data(recipe: Recipe, request: TrainRequest, progress: Progress) -> None:
    from actbench.data.source import check_data

    try:
        check_data(recipe.data, data_dir=request.data_dir)
    except DataError:
        name = recipe.data.name
        if name not in ("cifar10", "cifar100") or os.environ.get("ACTBENCH_OFFLINE") == "1":
            raise
        if not (
            request.download
            or progress.agrees(f"{name} is not in {request.data_dir}. Download it there now (170 MB)?")
        ):
            raise
        from actbench.data.cifar import download_cifar

        progress.note(f"downloading {name} to {request.data_dir}")
        download_cifar(name, request.data_dir)


def _clear_the_way(prepared: Prepared, progress: Progress) -> Plan:
    """Renames damaged records, and with --force finished ones, so that their runs are trained again."""
    plan = prepared.plan()
    for problem in plan.damaged:
        kept = set_aside(Path(str(problem.where)), "damaged")
        progress.warn(f"{problem}\n  set aside as {kept}; the run is trained again")
    if prepared.request.force:
        for run in plan.runs:
            _set_run_aside(run, prepared.store, progress)
    elif not plan.damaged:
        return plan
    return prepared.plan()


def _set_run_aside(run: PlannedRun, store: Store, progress: Progress) -> None:
    folder = store.checkpoint_dir(run.path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            for file in (run.path, *sorted(folder.glob("*.pt"))):
                if file.exists():
                    set_aside(file, "superseded")
    except Timeout:
        progress.warn(f"{run.label}: another process is training it; left as it is")


def _train_here(
    prepared: Prepared, plan: Plan, progress: Progress, until: Callable[[], bool]
) -> dict[Path, RunRecord]:
    """In this process, one run after the other."""
    records: dict[Path, RunRecord] = {}

    def take(run: PlannedRun, number: int, *, patience_s: float) -> None:
        record = take_run(
            run,
            sources=prepared.sources,
            store=prepared.store,
            device=prepared.device,
            patience_s=patience_s,
            on_start=lambda: progress.run_started(run, number, len(plan.todo)),
            on_epoch=lambda epoch: progress.epoch_done(run, epoch),
        )
        if record:
            records[run.path] = record
            progress.run_finished(run, record)

    elsewhere: list[tuple[PlannedRun, int]] = []
    for number, run in enumerate(plan.todo, start=1):
        if until():
            return records
        try:
            take(run, number, patience_s=0)
        except Timeout:
            elsewhere.append((run, number))
    for run, number in elsewhere:
        if until():
            break
        progress.note(f"waiting for the process that trains {run.label}")
        take(run, number, patience_s=-1)  # its owner finishes it, or leaves it to us
    return records
