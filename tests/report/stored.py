"""Records on the disk, as `train` leaves them, for tests of the whole report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store

COUNTS: Mapping[str, tuple[int, ...]] = {
    "relu": (5000, 5100, 5050),
    "swish": (5100, 5150, 5200),
    "lslu": (5600, 5590, 5530),
}


def store_runs(
    folder: Path,
    recipe: Recipe,
    make_run: Callable[..., RunRecord],
    *,
    only: str | None = None,
    **options: Any,
) -> list[Path]:
    """Writes a run for each arm (or `only` that one) and seed of COUNTS below `folder`."""
    store, paths = Store(folder / "results"), []
    for arm, counts in COUNTS.items() if only is None else [(only, COUNTS[only])]:
        for seed, correct in enumerate(counts):
            record = make_run(recipe, arm, seed, correct, **options)
            path = store.path(recipe=recipe.name, profile=recipe.profile, arm=arm, seed=seed, run=record.run)
            store.write(path, record)
            paths.append(path)
    return paths
