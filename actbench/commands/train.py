"""`actbench train`: check everything, then train what is missing, seed by seed, storing as it goes."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from actbench.commands.outcome import Outcome
from actbench.commands.request import Progress, TrainRequest, load_recipes
from actbench.commands.taking import take_run
from actbench.errors import DataError
from actbench.metrics import headline, metric_of
from actbench.recipe.plan import FINISHED, Plan, PlannedRun, make_plan
from actbench.recipe.schema import Arm, Recipe
from actbench.record import RunRecord
from actbench.store import Store, set_aside

if TYPE_CHECKING:
    import torch

    from actbench.training.sources import DataSources


def train(request: TrainRequest, progress: Progress) -> Outcome:
    """Trains every run of the recipes that is not stored yet. Raises ActbenchError before anything is spent."""
    recipes = load_recipes(request)
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
        for arm in _wanted_arms(recipe, request):
            if arm.plugins:
                try_plugins(arm, channel_dims(recipe, arm))
        _warn_of_short_runs(recipe, request, progress)
        if recipe.train.capture and device.type != "cuda":
            progress.note(
                f"{recipe.name}: train.capture is for GPUs; on {device} updates are taken one by one"
            )
        _require_data(recipe, request, progress)
    for name in dict.fromkeys(recipe.data.name for recipe in recipes):
        progress.note(f"reading {name}")
    sources = DataSources(request.data_dir)
    for recipe in recipes:
        check_batches(recipe, sources.of(recipe))
    fingerprints = {index: sources.of(recipe).fingerprint for index, recipe in enumerate(recipes)}
    plan = make_plan(recipes, fingerprints, store, arms=request.arms)
    if request.plan_only:
        return _tell_plan(plan, sources, device, request)
    plan = _clear_the_way(plan, recipes, fingerprints, store, request, progress)
    return _train_all(plan, fingerprints, sources, store, device, progress, request)


def _wanted_arms(recipe: Recipe, request: TrainRequest) -> list[Arm]:
    return [arm for arm in recipe.arms if not request.arms or arm.name in request.arms]


def _warn_of_short_runs(recipe: Recipe, request: TrainRequest, progress: Progress) -> None:
    for arm in _wanted_arms(recipe, request):
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


def _clear_the_way(
    plan: Plan,
    recipes: Sequence[Recipe],
    fingerprints: dict[int, str],
    store: Store,
    request: TrainRequest,
    progress: Progress,
) -> Plan:
    """Renames damaged records, and with --force finished ones, so that their runs are trained again."""
    for problem in plan.damaged:
        kept = set_aside(Path(str(problem.where)), "damaged")
        progress.warn(f"{problem}\n  set aside as {kept}; the run is trained again")
    if request.force:
        for run in plan.runs:
            _set_run_aside(run, store, progress)
    return make_plan(recipes, fingerprints, store, arms=request.arms)


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


def _tell_plan(plan: Plan, sources: "DataSources", device: "torch.device", request: TrainRequest) -> Outcome:
    from actbench.training.estimate import estimate_run

    estimates: dict[tuple[str, str], float] = {}
    rows = []
    for run in plan.runs:
        key = (run.footing, run.arm.name)
        if run.state != "done" and key not in estimates:
            estimates[key] = estimate_run(run.recipe, run.arm, source=sources.of(run.recipe), device=device)
        rows.append((run, 0.0 if run.state == "done" else estimates[key]))
    total = sum(seconds for _, seconds in rows)
    lines = [
        f"{run.label:<48} {run.state:<10} {_duration(seconds) if seconds else ''}".rstrip()
        for run, seconds in rows
    ]
    done = sum(run.state == "done" for run, _ in rows)
    together = ", one after another" if request.jobs > 1 else ""
    lines.append(f"{done} of {len(rows)} runs done; about {_duration(total)} to go on {device}{together}")
    document = {
        "runs": [
            {
                "recipe": r.recipe.name,
                "variant": r.recipe.variant,
                "arm": r.arm.name,
                "seed": r.seed,
                "state": r.state,
                "path": str(r.path),
                "estimate_s": seconds,
            }
            for r, seconds in rows
        ],
        "estimate_s": total,
    }
    return Outcome(text="\n".join(lines), document=document, warnings=tuple(map(str, plan.damaged)))


def _train_all(
    plan: Plan,
    fingerprints: dict[int, str],
    sources: "DataSources",
    store: Store,
    device: "torch.device",
    progress: Progress,
    request: TrainRequest,
) -> Outcome:
    workers = min(request.jobs, len(plan.todo))
    if workers > 1:
        from actbench.commands.workers import Workers

        records = Workers(
            request=request,
            plan=plan,
            fingerprints=fingerprints,
            sources=sources,
            store=store,
            device=device,
            progress=progress,
        ).train(workers)
    else:
        records = _train_here(plan, sources, store, device, progress)
    return _summary(plan, records, store, request)


def _train_here(
    plan: Plan, sources: "DataSources", store: Store, device: "torch.device", progress: Progress
) -> dict[Path, RunRecord]:
    """In this process, one run after the other."""
    records: dict[Path, RunRecord] = {}

    def take(run: PlannedRun, number: int, *, patience_s: float) -> None:
        record = take_run(
            run,
            sources=sources,
            store=store,
            device=device,
            patience_s=patience_s,
            on_start=lambda: progress.run_started(run, number, len(plan.todo)),
            on_epoch=lambda epoch: progress.epoch_done(run, epoch),
        )
        if record:
            records[run.path] = record
            progress.run_finished(run, record)

    elsewhere: list[tuple[PlannedRun, int]] = []
    for number, run in enumerate(plan.todo, start=1):
        try:
            take(run, number, patience_s=0)
        except Timeout:
            elsewhere.append((run, number))
    for run, number in elsewhere:
        progress.note(f"waiting for the process that trains {run.label}")
        take(run, number, patience_s=-1)  # its owner finishes it, or leaves it to us
    return records


def _summary(plan: Plan, records: dict[Path, RunRecord], store: Store, request: TrainRequest) -> Outcome:
    lines, document, finished, warnings = [], [], 0, []
    for run in plan.runs:
        record = records.get(run.path) or (store.read(run.path) if run.path.exists() else None)
        status = record.status if record else "missing"
        finished += status in FINISHED
        if record and run.path in records and status != "completed":
            warnings.append(f"{run.label}: {status}: {record.reason}")
        result = record.result() if record else None
        metric = metric_of(run.recipe)
        found = headline(result.tally) if result else "-"
        lines.append(f"{run.label:<48} {status:<12} {found:>8}  {run.path}")
        document.append(
            {
                "recipe": run.recipe.name,
                "variant": run.recipe.variant,
                "arm": run.arm.name,
                "seed": run.seed,
                "status": status,
                "metric": metric.name,
                "test": metric.read(result.tally) if result else None,
                "path": str(run.path),
            }
        )
    lines.append(f"{finished} of {len(plan.runs)} runs finished; next: {_compare_command(request)}")
    exit_code = 0 if finished == len(plan.runs) else 3 if finished else 1
    return Outcome(
        text="\n".join(lines), document={"runs": document}, warnings=tuple(warnings), exit_code=exit_code
    )


def _compare_command(request: TrainRequest) -> str:
    """The command that compares what this one trained."""
    words = ["actbench", "compare", *request.references, *request.overrides]
    if request.profile and request.profile != "lite":
        words += ["--profile", request.profile]
    for arm in request.arms:
        words += ["--arm", arm]
    if request.seeds:
        words += ["--seeds", request.seeds]
    if request.limit is not None:
        words += ["--limit", str(request.limit)]
    if request.results_dir != Path("results"):
        words += ["--results-dir", str(request.results_dir)]
    return shlex.join(words)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
