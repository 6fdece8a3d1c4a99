"""Record files named by themselves, without the recipe that they are of. Imports no torch."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from actbench.compare import Selection
from actbench.errors import ActbenchError, NotComparableError, RecordError
from actbench.footing import Origin
from actbench.imported.places import is_place_of_set
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Profile, Recipe
from actbench.store import IMPORTED, Store, StoredRun, remembered_plugins


def read_records(path: Path, store: Store, seen: set[Path]) -> tuple[list[StoredRun], list[RecordError]]:
    """The records of a file, or of a folder and what lies below it, and what could not be read; each file once.

    Imported sets below it are none of them.
    Raises NotComparableError where there is neither, RecordError where the only one cannot be read.
    """
    if path.is_dir():
        folders = _folders_of_records(path)
        if not folders:
            raise NotComparableError("no records here", where=str(path))
        own = [folder for folder in folders if folder.name != IMPORTED]
        files = [item for folder in own for item in store.summaries(folder)]
        if len(files) == len(folders) == 1 and isinstance(files[0][1], RecordError):
            raise files[0][1]
    else:
        files = [] if is_place_of_set(path) else [(path, store.summary(path))]
    runs: list[StoredRun] = []
    damaged: list[RecordError] = []
    real: dict[Path, Path] = {}
    for file, found in sorted(files, key=lambda item: item[0].parts):
        if file.parent not in real:
            real[file.parent] = file.parent.resolve()
        place = file.resolve() if file.is_symlink() else real[file.parent] / file.name
        if place in seen:
            continue
        seen.add(place)
        if isinstance(found, RecordError):
            damaged.append(found)
        else:
            runs.append(StoredRun(file, found))
    return runs, damaged


def _folders_of_records(path: Path) -> list[Path]:
    """The folder itself and all below it, as far as they hold records or imported sets."""
    return [
        Path(folder) for folder, _, names in os.walk(path) if any(name.endswith(".json") for name in names)
    ]


def select_loose(runs: Sequence[StoredRun], results_dir: Path) -> list[Selection]:
    """Sorts runs into selections by recipe, profile and variant; the plan is what their recipes asked for."""
    sets: dict[tuple[str, Profile, str], list[StoredRun]] = {}
    for run in runs:
        recipe = run.record.recipe
        sets.setdefault((recipe.name, recipe.profile, recipe.variant or ""), []).append(run)
    return [
        Selection(
            plan=joint_plan(members),
            stored=tuple(members),
            origin=Origin(
                reference=name,
                profile=profile,
                results_dir=results_dir,
                current=_as_it_stands(name, profile, variant or None, members),
            ),
        )
        for (name, profile, variant), members in sorted(sets.items())
    ]


def _as_it_stands(
    name: str, profile: Profile, variant: str | None, runs: Sequence[StoredRun]
) -> Recipe | None:
    """The recipe of records as its file reads now; None where there is none."""
    try:
        recipes = load_recipe(name, profile=profile, remembered=partial(remembered_plugins, runs)).recipes
    except ActbenchError:
        return None
    return next((recipe for recipe in recipes if recipe.variant == variant), None)


def joint_plan(runs: Sequence[StoredRun]) -> Recipe:
    """The plan of the run that asked for most, with the arms that only others have behind."""
    records = sorted((run.record for run in runs), key=lambda record: record.run)
    fullest = max(records, key=lambda r: (len(r.recipe.arms) * len(r.recipe.seeds), r.started, r.run)).recipe
    known = {arm.name for arm in fullest.arms}
    others = {record.arm.name: record.arm for record in records if record.arm.name not in known}
    return fullest.model_copy(update={"arms": (*fullest.arms, *(others[name] for name in sorted(others)))})
