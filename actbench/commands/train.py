"""`actbench train`: check everything, then train what is missing, seed by seed, storing as it goes.

A recipe that asks for tuning, controls or ablations is trained in stages (see `stages.py`), its waterfall in the end.
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actbench.commands.outcome import Outcome
from actbench.commands.request import Progress, TrainRequest, load_recipes
from actbench.commands.stages import asks_for_stages, further_runs, train_stages, tuning_lines
from actbench.commands.training import Prepared, Trained, prepare, train_prepared
from actbench.commands.waterfall import trained_waterfalls
from actbench.errors import ActbenchError
from actbench.metrics import headline, metric_of
from actbench.recipe.schema import Recipe
from actbench.record import FINISHED
from actbench.tables import terminal
from actbench.tables.waterfall import waterfall_table


def train(request: TrainRequest, progress: Progress) -> Outcome:
    """Trains every run of the recipes that is not stored yet. Raises ActbenchError before anything is spent."""
    recipes = load_recipes(request)
    in_stages = [] if request.arms else [r for r in recipes if request.calibrate or asks_for_stages(r)]
    if request.plan_only:
        return tell_plan(prepare(recipes, request, progress, arms=request.arms), in_stages)
    trained: list[Trained] = []
    if plain := [recipe for recipe in recipes if recipe not in in_stages]:
        trained.append(train_prepared(prepare(plain, request, progress, arms=request.arms), progress))
    lines: list[str] = []
    for recipe in in_stages:
        staged = train_stages(recipe, request, progress, calibrate=request.calibrate)
        trained += staged.trained
        lines += tuning_lines(staged)
    outcome = _summary(trained, request, lines)
    return _with_waterfalls(outcome, request) if in_stages else outcome


def _with_waterfalls(outcome: Outcome, request: TrainRequest) -> Outcome:
    """Of recipes with an arm beside their baselines."""
    tables, warnings = [], list(outcome.warnings)
    for reference in request.references:
        try:
            made = trained_waterfalls(request, reference)
        except ActbenchError as error:
            warnings.append(str(error))
            continue
        tables += [waterfall_table(fall) for fall in made.falls]
    text = "\n".join([outcome.text, "", terminal.render(tables)]) if tables else outcome.text
    return replace(outcome, text=text, warnings=tuple(warnings))


def tell_plan(prepared: Prepared, in_stages: Sequence[Recipe] = ()) -> Outcome:
    """What there is to train, and about how long it takes; of recipes in stages also what follows their own runs."""
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
    lines += [f"{recipe.name}: {text}" for recipe in in_stages if (text := further_runs(recipe))]
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


def _summary(trained: Sequence[Trained], request: TrainRequest, more: Sequence[str] = ()) -> Outcome:
    lines, document, finished, warnings = [], [], 0, []
    made = {
        run.path: (run, record) for each in trained for run in each.plan.runs for record in [each.record(run)]
    }
    new = {path for each in trained for path in each.records}
    for run, record in made.values():
        status = record.status if record else "missing"
        finished += status in FINISHED
        if record and run.path in new and status != "completed":
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
    lines += [*more, f"{finished} of {len(made)} runs finished; next: {_compare_command(request)}"]
    exit_code = 0 if finished == len(made) else 3 if finished else 1
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
