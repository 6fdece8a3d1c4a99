"""Pre-registration: what was fixed before runs were looked at, and how a comparison departs from it. Imports no torch.

`results/<recipe>/<profile>.lock.json` holds the recipe as it was, and which runs were there already. Nobody is held to
it by force; whatever departs from it is told below every table.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from actbench.errors import RecordError
from actbench.frozen import Frozen
from actbench.metrics import Metric
from actbench.recipe.differences import differing_arm_settings, differing_settings, shown_difference
from actbench.recipe.schema import Recipe
from actbench.record import FINISHED, RunFacts


class Lock(Frozen):
    schema_version: Literal[1] = 1
    locked: str
    """UTC, ISO 8601."""
    actbench: str
    commit: str | None
    metric: str
    recipe: Recipe
    """Resolved: arms, seeds, analysis and margin among the rest."""
    runs: tuple[str, ...] = ()
    """Hashes of the finished runs of it that were stored by then."""


def lock_path(results_dir: Path, recipe: Recipe) -> Path:
    variant = f"-{recipe.variant}" if recipe.variant else ""
    return results_dir / recipe.name / f"{recipe.profile}{variant}.lock.json"


def read_lock(results_dir: Path, recipe: Recipe) -> Lock | None:
    """None where the recipe is not locked. Raises RecordError for a lock that cannot be read."""
    path = lock_path(results_dir, recipe)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    try:
        return Lock.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or None
        hint = "take it back from version control, or remove it: the comparison then counts as not locked"
        raise RecordError(first["msg"], where=str(path), key=key, hints=[hint]) from None


def lock_notes(lock: Lock, plan: Recipe, metric: Metric, runs: Sequence[RunFacts]) -> Iterator[str]:
    """When it was locked, and each thing that is otherwise in this comparison."""
    locked = lock.recipe
    before = "before any run" if not lock.runs else f"with {len(lock.runs)} of its runs stored already"
    seeds = ", ".join(map(str, locked.seeds))
    yield (
        f"Locked on {lock.locked[:10]} {before}: arms, seeds {seeds}, {lock.metric}, margin "
        f"{locked.analysis.margin:g} and analysis."
    )
    changes = list(_changes(lock, plan, metric))
    if changes:
        yield f"Other than locked: {'; '.join(changes)}."
    later = sorted({run.seed for run in runs if run.status in FINISHED} - set(locked.seeds))
    if later:
        noun = "seed" if len(later) == 1 else "seeds"
        yield (
            f"Optional stopping: {noun} {', '.join(map(str, later))} came after the lock; p and intervals hold for a "
            "number of seeds that was fixed before any was looked at."
        )


def _changes(lock: Lock, plan: Recipe, metric: Metric) -> Iterator[str]:
    """`locked / now`, setting by setting."""
    locked = lock.recipe
    if keys := differing_settings(locked, plan):
        yield shown_difference(keys, locked, plan)
    before, now = ({arm.name: arm for arm in recipe.arms} for recipe in (locked, plan))
    for word, names in (("added", now.keys() - before.keys()), ("left out", before.keys() - now.keys())):
        if names:
            yield f"{word} {', '.join(sorted(names))}"
    for name in sorted(before.keys() & now.keys()):
        if keys := differing_arm_settings(before[name], now[name]):
            yield f"arm {name}: {shown_difference(keys, before[name], now[name])}"
    if metric.name != lock.metric:
        yield f"metric {lock.metric} / {metric.name}"
    if locked.analysis.margin != plan.analysis.margin:
        yield f"margin {locked.analysis.margin:g} / {plan.analysis.margin:g}"
    if locked.analysis.method != plan.analysis.method:
        yield f"method {locked.analysis.method} / {plan.analysis.method}"
    if locked.baselines != plan.baselines:
        yield f"baselines {', '.join(locked.baselines)} / {', '.join(plan.baselines)}"
