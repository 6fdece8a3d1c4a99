"""`actbench train`: check everything, then train what is missing, seed by seed, storing as it goes."""

import shlex
from pathlib import Path

from actbench.commands.outcome import Outcome
from actbench.commands.request import Progress, TrainRequest, load_recipes
from actbench.commands.training import Prepared, Trained, prepare, train_prepared
from actbench.metrics import headline, metric_of
from actbench.recipe.plan import FINISHED


def train(request: TrainRequest, progress: Progress) -> Outcome:
    """Trains every run of the recipes that is not stored yet. Raises ActbenchError before anything is spent."""
    prepared = prepare(load_recipes(request), request, progress, arms=request.arms)
    if request.plan_only:
        return _tell_plan(prepared)
    return _summary(train_prepared(prepared, progress), request)


def _tell_plan(prepared: Prepared) -> Outcome:
    from actbench.training.estimate import estimate_run

    plan, device, sources = prepared.plan(), prepared.device, prepared.sources
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
    together = ", one after another" if prepared.request.jobs > 1 else ""
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


def _summary(trained: Trained, request: TrainRequest) -> Outcome:
    lines, document, finished, warnings = [], [], 0, []
    for run in trained.plan.runs:
        record = trained.record(run)
        status = record.status if record else "missing"
        finished += status in FINISHED
        if record and run.path in trained.records and status != "completed":
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
    lines.append(f"{finished} of {len(trained.plan.runs)} runs finished; next: {_compare_command(request)}")
    exit_code = 0 if finished == len(trained.plan.runs) else 3 if finished else 1
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
