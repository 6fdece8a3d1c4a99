"""`actbench calibrate`: trains what shows whether the bench sees a planted loss, and nothing where there is nothing."""

from actbench.commands.outcome import Outcome
from actbench.commands.request import Progress, TrainRequest, load_recipes
from actbench.commands.train import tell_plan
from actbench.commands.training import prepare, train_prepared
from actbench.errors import NotComparableError
from actbench.fair.calibration import Calibration, calibration_recipes, stored_calibration
from actbench.fair.runs import calibration_runs
from actbench.metrics import metric_of
from actbench.recipe.hashing import footing_hash
from actbench.record import FINISHED
from actbench.sides import Reading
from actbench.tables import json, terminal
from actbench.tables.calibration import calibration_table


def calibrate(request: TrainRequest, progress: Progress, *, check: bool = False) -> Outcome:
    """Trains each recipe's baseline and the arms of its calibration over the seeds, and tables what they show.

    Raises ActbenchError before anything is spent. Exit code as that of `train`; under `check` 4 where a gap is seen
    that is none, or the planted activation's loss is not found.
    """
    recipes = load_recipes(request)
    wanted = [made for recipe in recipes for made in calibration_recipes(recipe)]
    prepared = prepare(wanted, request, progress)
    if request.plan_only:
        return tell_plan(prepared)
    trained = train_prepared(prepared, progress)
    records = [(run, trained.record(run)) for run in trained.plan.runs]
    lacking = [
        f"{run.label}: {record.status if record else 'missing'}"
        + (f": {record.reason}" if record and record.reason else "")
        for run, record in records
        if record is None or record.status != "completed"
    ]
    tables, without, failed = [], [], []
    for recipe in recipes:
        metric = metric_of(recipe)
        found = stored_calibration(
            recipe,
            calibration_runs(prepared.store, recipe),
            reading=Reading(metric, "last", "raw"),
            footing=footing_hash(recipe, prepared.sources.of(recipe).fingerprint),
        )
        if found:
            tables.append(calibration_table(found, recipe, metric))
            failed += [f"{recipe.name}: {why}" for why in _blind_spots(found)]
        else:
            without.append(f"{recipe.name}: not calibrated, for want of completed runs")
    if check and (failed or without):
        raise NotComparableError("the bench is not to be trusted yet", hints=[*failed, *without])
    finished = sum(record is not None and record.status in FINISHED for _, record in records)
    return Outcome(
        text=terminal.render(tables),
        document=json.document(tables),
        warnings=(*lacking, *without),
        exit_code=0 if finished == len(records) else 3 if finished else 1,
    )


def _blind_spots(found: Calibration) -> list[str]:
    """What a bench must not do: see what is not there, or miss the planted activation."""
    seen = [] if found.is_silent else [f"{found.again.arm.name}, the baseline itself, is told apart from it"]
    planted = found.planted[0]
    return [*seen, *([] if planted.is_found else [f"the planted loss of {planted.arm.name} is not found"])]
