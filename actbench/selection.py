"""From what a person names (recipes, records, folders) to the runs that go into tables. Imports no torch.

Of a recipe's records those are taken that match it as it stands now. Where none does, but all were trained
under one other state of it, they are taken with a warning; where they were trained under several, `compare`
refuses them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from actbench.compare import Selection
from actbench.errors import ActbenchError, NotComparableError, RecordError
from actbench.footing import (
    Origin,
    commands,
    differing_arm_settings,
    differing_settings,
    settings_to_type,
    shown_difference,
)
from actbench.recipe.load import load_recipe
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Profile, Recipe
from actbench.record import RunRecord
from actbench.store import Store


class Sources(NamedTuple):
    """What a person named, and where records lie."""

    references: Sequence[str]
    profile: Profile | None
    overrides: Sequence[str]
    results_dir: Path
    arms: Sequence[str] = ()
    """The arms wanted; all if empty."""


@dataclass(slots=True)
class Selected:
    """The selections in the order of the references, and what must be said about them."""

    selections: list[Selection] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    incomplete: bool = False
    damaged: bool = False


def select(sources: Sources) -> Selected:
    """Finds the runs. Raises NotComparableError where a reference has no record at all."""
    selected = Selected()
    loose: list[RunRecord] = []
    seen: set[Path] = set()
    for reference in sources.references:
        path = Path(reference)
        if path.is_dir() or path.suffix == ".json":
            loose += _read_records(path, sources.results_dir, seen, selected)
        else:
            _select_recipe(reference, sources, selected)
    selected.selections += select_by_recipe(loose, sources.results_dir)
    if sources.arms:
        selected.selections = [_of_arms(selection, sources.arms) for selection in selected.selections]
    for selection in selected.selections:
        _note_missing(selection, selected)
    return selected


def _of_arms(selection: Selection, wanted: Sequence[str]) -> Selection:
    known = [arm.name for arm in selection.plan.arms]
    for name in wanted:
        if name not in known:
            raise ActbenchError(
                f"{_title(selection.plan)} has no arm {name!r}",
                where="command line",
                key="--arm",
                hints=name_hints(name, known),
            )
    arms = tuple(arm for arm in selection.plan.arms if arm.name in wanted)
    return Selection(
        plan=selection.plan.model_copy(update={"arms": arms}),
        runs=tuple(run for run in selection.runs if run.arm.name in wanted),
        origin=selection.origin,
    )


def _read_records(path: Path, results_dir: Path, seen: set[Path], selected: Selected) -> list[RunRecord]:
    """The records of a file, or of a folder and what lies below it; each file once."""
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise NotComparableError("no records here", where=str(path))
    store, records = Store(results_dir), []
    for file in files:
        if file.resolve() in seen:
            continue
        seen.add(file.resolve())
        try:
            records.append(store.read(file))
        except RecordError as error:
            if len(files) == 1:
                raise
            selected.damaged = True
            selected.warnings.append(f"left out: {error}")
    return records


def _select_recipe(reference: str, sources: Sources, selected: Selected) -> None:
    store = Store(sources.results_dir)
    loaded = load_recipe(reference, profile=sources.profile or "lite", overrides=sources.overrides)
    name = loaded.recipes[0].name
    runs, problems = store.scan(name, loaded.profile)
    if not runs and sources.profile is None:
        profile = _only_profile(store, name, reference)
        if profile:
            selected.warnings.append(
                f"{name}: no records under profile lite, those of profile {profile} are shown"
            )
            loaded = load_recipe(reference, profile=profile, overrides=sources.overrides)
            runs, problems = store.scan(name, profile)
    selected.damaged |= bool(problems)
    selected.warnings += [f"left out: {problem}" for problem in problems]
    records = [run.record for run in runs]
    origin = Origin(
        reference=reference,
        profile=loaded.profile,
        overrides=tuple(sources.overrides),
        results_dir=sources.results_dir,
    )
    if not records:
        raise NotComparableError(
            f"no records of {name} (profile {loaded.profile}) in {sources.results_dir}",
            hints=[*(f"left out: {problem}" for problem in problems), origin.command()],
        )
    for recipe in loaded.recipes:
        candidates = [record for record in records if record.recipe.variant == recipe.variant]
        if candidates:
            selected.selections.append(_matching(recipe, candidates, origin, selected))
        else:
            selected.incomplete = True
            selected.warnings.append(f"incomplete: {_title(recipe)} has no records; {origin.command()}")


def _only_profile(store: Store, name: str, reference: str) -> Profile | None:
    """The one profile that has records; None if there are none. Raises NotComparableError for several."""
    profiles = sorted({run.record.recipe.profile for run in store.scan(name)[0]})
    if len(profiles) > 1:
        raise NotComparableError(
            f"{name} has no records under profile lite, but under {' and '.join(profiles)}",
            hints=[f"actbench compare {reference} --profile {profile}" for profile in profiles],
        )
    return profiles[0] if profiles else None


def _matching(recipe: Recipe, candidates: list[RunRecord], origin: Origin, selected: Selected) -> Selection:
    """The candidates that the recipe as it stands would make; else all of them under their own plan."""
    origin = Origin(
        reference=origin.reference,
        profile=origin.profile,
        overrides=origin.overrides,
        results_dir=origin.results_dir,
        current=recipe,
    )
    fitting = [run for run in candidates if _difference(recipe, run) is None]
    left_out = [run for run in candidates if _difference(recipe, run) is not None]
    title = _title(recipe)
    if fitting:
        if left_out:
            why = "; ".join(sorted({_difference(recipe, run) or "" for run in left_out}))
            selected.warnings.append(
                f"{title}: {len(left_out)} records of other settings left out (recipe now / record): {why}"
            )
        return Selection(plan=recipe, runs=tuple(fitting), origin=origin)
    (found,) = select_by_recipe(candidates, origin.results_dir)
    why = "; ".join(sorted({_difference(recipe, run) or "" for run in candidates}))
    selected.warnings.append(
        f"{title}: no record matches the recipe as it stands (recipe now / record): {why}"
    )
    return Selection(plan=found.plan, runs=found.runs, origin=origin)


def _difference(recipe: Recipe, run: RunRecord) -> str | None:
    """How the run differs from what the recipe would make; None if it does not."""
    keys = differing_settings(recipe, run.recipe)
    if keys:
        return shown_difference(keys, recipe, run.recipe)
    if run.arm.name not in {arm.name for arm in recipe.arms}:
        return f"no arm {run.arm.name}"
    arm = recipe.arm(run.arm.name)
    keys = differing_arm_settings(arm, run.arm)
    return f"arm {arm.name}: {shown_difference(keys, arm, run.arm)}" if keys else None


def select_by_recipe(runs: Sequence[RunRecord], results_dir: Path) -> list[Selection]:
    """Sorts runs into selections by recipe, profile and variant; the plan is what their recipes asked for."""
    sets: dict[tuple[str, str, str], list[RunRecord]] = {}
    for run in runs:
        key = (run.recipe.name, run.recipe.profile, run.recipe.variant or "")
        sets.setdefault(key, []).append(run)
    return [
        Selection(
            plan=(plan := _joint_plan(members)),
            runs=tuple(members),
            origin=Origin(reference=plan.name, profile=plan.profile, results_dir=results_dir),
        )
        for _, members in sorted(sets.items())
    ]


def _joint_plan(runs: Sequence[RunRecord]) -> Recipe:
    """The plan of the run that asked for most, with the arms that only others have behind."""
    fullest = max(
        runs, key=lambda r: (len(r.recipe.arms) * len(r.recipe.seeds), r.provenance.started, r.run)
    ).recipe
    known = {arm.name for arm in fullest.arms}
    others = {run.arm.name: run.arm for run in sorted(runs, key=lambda r: r.run) if run.arm.name not in known}
    return fullest.model_copy(update={"arms": (*fullest.arms, *(others[name] for name in sorted(others)))})


def _note_missing(selection: Selection, selected: Selected) -> None:
    plan = selection.plan
    finished = {(r.arm.name, r.seed) for r in selection.runs if r.status in ("completed", "diverged")}
    missing = [
        (arm.name, seed) for arm in plan.arms for seed in plan.seeds if (arm.name, seed) not in finished
    ]
    for run in sorted(selection.runs, key=lambda run: (run.arm.name, run.seed)):
        if run.status in ("failed", "interrupted"):
            why = f": {run.reason}" if run.reason else ""
            selected.warnings.append(f"{_title(plan)} {run.arm.name} seed {run.seed} {run.status}{why}")
    if missing:
        selected.incomplete = True
        total = len(plan.arms) * len(plan.seeds)
        selected.warnings.append(
            f"incomplete: {_title(plan)} lacks {len(missing)} of {total} runs; finish with: "
            + " && ".join(_finishing(selection, missing))
        )


def _finishing(selection: Selection, missing: list[tuple[str, int]]) -> list[str]:
    origin, plan = selection.origin, selection.plan
    if plan == origin.current:
        return [origin.command()]  # typed again, it trains only what is missing
    words = settings_to_type(plan, origin.current) if origin.current else []
    return commands(origin, missing, words)


def _title(recipe: Recipe) -> str:
    return f"{recipe.name} ({recipe.variant})" if recipe.variant else recipe.name
