"""`actbench lock`: a comparison fixed before its runs are looked at. Imports no torch."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import actbench
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.fair.lock import Lock, lock_path, read_lock
from actbench.metrics import metric_of
from actbench.provenance import source_commit
from actbench.recipe.differences import differing_arm_settings, differing_settings
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Profile, Recipe
from actbench.record import FINISHED, RunFacts
from actbench.store import Store, write_atomically


def lock(
    reference: str,
    *,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
    limit: int | None = None,
    metric: str | None = None,
    results_dir: Path = Path("results"),
) -> Outcome:
    """Writes a lock for each variant of the recipe. Raises ActbenchError where one stands already."""
    loaded = load_recipe(reference, profile=profile, overrides=overrides, seeds=seeds, limit=limit)
    standing = [found for recipe in loaded.recipes if (found := read_lock(results_dir, recipe))]
    if standing:
        path = lock_path(results_dir, standing[0].recipe)
        raise ActbenchError(
            f"locked since {standing[0].locked[:10]}; what is locked stays",
            where=str(path),
            hints=["compare tells whatever is otherwise by now", f"to give the lock up: rm {path}"],
        )
    store = Store(results_dir)
    lines, document = [], []
    for recipe in loaded.recipes:
        runs, _ = store.scan(recipe.name, recipe.profile)
        seen = tuple(sorted(run.record.run for run in runs if _is_of(run.record, recipe)))
        made = Lock(
            locked=datetime.now(UTC).isoformat(timespec="seconds"),
            actbench=actbench.__version__,
            commit=source_commit()[0],
            metric=metric_of(recipe, metric).name,
            recipe=recipe,
            runs=seen,
        )
        path = lock_path(results_dir, recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (made.model_dump_json(indent=1) + "\n").encode())
        known = f"; {len(seen)} of its runs are stored already, and the lock says so" if seen else ""
        lines.append(
            f"locked {recipe.name}{f' ({recipe.variant})' if recipe.variant else ''}: {len(recipe.arms)} arms, seeds "
            f"{', '.join(map(str, recipe.seeds))}, {made.metric}, margin {recipe.analysis.margin:g}, analysis "
            f"{recipe.analysis.method}{known}\n  {path}: commit it, so that others can see when"
        )
        document.append({"path": str(path), "recipe": recipe.name, "locked": made.locked, "runs": list(seen)})
    return Outcome(text="\n".join(lines), document={"locks": document})


def _is_of(run: RunFacts, recipe: Recipe) -> bool:
    """Whether it is a finished run of the recipe as it is locked."""
    arms = {arm.name: arm for arm in recipe.arms}
    return (
        run.status in FINISHED
        and run.recipe.variant == recipe.variant
        and not differing_settings(recipe, run.recipe)
        and run.arm.name in arms
        and not differing_arm_settings(arms[run.arm.name], run.arm)
    )
