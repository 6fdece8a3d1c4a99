"""From what a person names (recipes, records, folders) to the runs that go into tables. Imports no torch.

Of a recipe's records those are taken that match it as it stands now. Where none does, but all were trained
under one other state of it, they are taken with a warning, unless settings were asked for; where they were
trained under several, `compare` refuses them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from actbench.activations.plugin_source import PluginSource
from actbench.compare import Selection
from actbench.errors import ActbenchError, NotComparableError, RecordError
from actbench.fair.lock import read_lock
from actbench.fair.runs import calibration_runs, tuning_runs
from actbench.footing import Origin, largest_footing
from actbench.imported.places import files_of_sets
from actbench.imported.places import paths as set_paths
from actbench.loose_records import joint_plan, read_records, select_loose
from actbench.recipe.differences import differing_arm_settings, differing_settings, shown_difference
from actbench.recipe.find import find_recipe
from actbench.recipe.load import LoadedRecipe, arm_hints, load_profiles, load_recipe
from actbench.recipe.schema import Arm, Profile, Recipe
from actbench.record import FINISHED, RunFacts
from actbench.store import Store, StoredRun, remembered_plugins

if TYPE_CHECKING:
    from actbench.imported.group import ImportedSelection


class Sources(NamedTuple):
    """What a person named, and where records lie."""

    references: Sequence[str]
    profile: Profile | None
    overrides: Sequence[str]
    results_dir: Path
    arms: Sequence[str] = ()
    """The arms wanted; all if empty."""
    limit: int | None = None
    seeds: str | None = None
    """The seeds wanted, as on the command line; those of the recipe and of further records if None."""
    takes_imported: bool = False
    """Whether imported sets serve as well as records."""
    allow_mismatch: bool = False
    """Whether an arm without a run as the recipe stands is there with those of other settings."""

    @property
    def asked(self) -> str:
        """What else than a recipe was asked for, as it is typed."""
        limit = [f"--limit {self.limit}"] if self.limit else []
        seeds = [f"--seeds {self.seeds}"] if self.seeds else []
        return " ".join([*seeds, *limit, *self.overrides])


@dataclass(slots=True)
class Selected:
    """The selections in the order of the references, and what must be said about them."""

    selections: list[Selection] = field(default_factory=list)
    imported: "list[ImportedSelection]" = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    incomplete: bool = False
    damaged: bool = False


def select(sources: Sources) -> Selected:
    """Finds the runs. Raises NotComparableError where a reference has no record at all."""
    selected = Selected()
    loose: list[StoredRun] = []
    files: set[Path] = set()
    recipes: set[Path] = set()
    for reference in sources.references:
        path = Path(reference)
        sets = files_of_sets(reference, sources.results_dir)
        _select_imported(sets, path, sources, selected)
        if path.is_dir() or (path.suffix == ".json" and not sets):
            runs, damaged = read_records(path, Store(sources.results_dir), files)
            loose += runs
            selected.damaged |= bool(damaged)
            selected.warnings += [f"left out: {error}" for error in damaged]
        elif not sets:
            _select_recipe(reference, sources, recipes, selected)
    selected.selections += select_loose(loose, sources.results_dir)
    store = Store(sources.results_dir)
    selected.selections = [
        replace(selection, tuning=tuning_runs(store, selection.plan)) for selection in selected.selections
    ]
    if sources.arms:
        selected.selections = [_of_arms(selection, sources.arms) for selection in selected.selections]
    selected.selections = [
        replace(selection, calibration=calibration_runs(store, selection.plan))
        for selection in selected.selections
    ]
    for selection in selected.selections:
        _note_missing(selection, selected)
        _note_edited(selection, selected)
    if selected.imported and not selected.selections:
        from actbench.imported.selection import refuse_settings  # what few tables need is imported for these

        refuse_settings(sources.profile, [*sources.overrides, *(["--limit"] if sources.limit else [])])
    return selected


def _select_imported(files: Sequence[Path], reference: Path, sources: Sources, selected: Selected) -> None:
    if files and not sources.takes_imported and not reference.is_dir():
        raise ActbenchError(
            f"{reference} is an imported set: it holds results alone, not the records that this command reads"
        )
    if not files or not sources.takes_imported:
        return
    from actbench.imported.selection import select_set, unfinished_note  # likewise

    known = {selection.path.resolve() for selection in selected.imported}
    for file in files:
        if file.resolve() in known:
            continue
        try:
            selection = select_set(file, sources.arms, sources.seeds)
        except RecordError as error:
            if not reference.is_dir():
                raise
            selected.damaged = True
            selected.warnings.append(f"left out: {error}")
            continue
        selected.imported.append(selection)
        if lacks := unfinished_note(selection):
            selected.incomplete = True
            selected.warnings.append(lacks)


def _of_arms(selection: Selection, wanted: Sequence[str]) -> Selection:
    selection = replace(selection, origin=replace(selection.origin, arms=tuple(wanted)))
    plan, title = selection.plan, _title(selection.plan)
    known = [arm.name for arm in plan.arms]
    for name in wanted:
        if name not in known:
            remembered = partial(remembered_plugins, selection.stored)
            profiles = (
                load_profiles(selection.origin.reference, remembered=remembered)
                if selection.origin.current
                else {}
            )
            raise ActbenchError(
                f"{title} has no arm {name!r}",
                where="command line",
                key="--arm",
                hints=arm_hints(name, known, profiles),
            )
    stored = tuple(run for run in selection.stored if run.record.arm.name in wanted)
    if not stored:
        plural = "s" if len(wanted) > 1 else ""
        plugged = [source for arm in plan.arms if arm.name in wanted for source in arm.plugins.values()]
        edited = [
            f"runs that another state of {source.file} made are left out" for source in plugged if source.file
        ]
        raise NotComparableError(
            f"no records of arm{plural} {', '.join(wanted)} of {title} (profile {plan.profile})",
            hints=[*edited, *_finishing(selection, [(name, seed) for name in wanted for seed in plan.seeds])],
        )
    arms = tuple(arm for arm in plan.arms if arm.name in wanted)
    unshown = tuple(run for run in selection.stored if run.record.arm.name not in wanted)
    return replace(selection, plan=plan.model_copy(update={"arms": arms}), stored=stored, unshown=unshown)


def _select_recipe(reference: str, sources: Sources, seen: set[Path], selected: Selected) -> None:
    store = Store(sources.results_dir)
    loaded = _load(reference, sources, sources.profile)
    if loaded.path.resolve() in seen:
        return
    seen.add(loaded.path.resolve())
    name = loaded.recipes[0].name
    shadowed = [
        f"{name} is a recipe; the imported set of that name is compared as {file}"
        for file in set_paths(sources.results_dir, name)
    ]
    selected.warnings += shadowed
    runs, problems = store.scan(name, loaded.profile)
    if not runs and sources.profile is None:
        profile = _only_profile(store, name)
        if profile:
            selected.warnings.append(
                f"{name}: no records under profile lite, those of profile {profile} are shown"
            )
            loaded = _load(reference, sources, profile)
            runs, problems = store.scan(name, profile)
    selected.damaged |= bool(problems)
    left_out = [f"left out: {problem}" for problem in problems]
    selected.warnings += left_out
    origin = _origin(reference, loaded.profile, sources)
    found = [_matching(recipe, runs, origin, sources, selected) for recipe in loaded.recipes]
    if not any(found):
        asked = f" with {sources.asked}" if sources.asked else ""
        raise NotComparableError(
            f"no records of {name}{asked} (profile {loaded.profile}) in {sources.results_dir}",
            hints=[*left_out, *shadowed, origin.command()],
        )
    for recipe, selection in zip(loaded.recipes, found, strict=True):
        if selection:
            selected.selections.append(selection)
        else:
            selected.incomplete = True
            selected.warnings.append(f"incomplete: {_title(recipe)} has no records; {origin.command()}")


def _load(reference: str, sources: Sources, profile: Profile | None) -> LoadedRecipe:
    """The recipe; a plug-in that it names is known by its records, and not imported."""

    @cache
    def remembered() -> dict[str, PluginSource]:
        store, name = Store(sources.results_dir), find_recipe(reference).stem
        of_profile, _ = store.scan(name, profile or "lite")
        return remembered_plugins(of_profile or store.scan(name)[0])

    return load_recipe(
        reference,
        profile=profile,
        overrides=sources.overrides,
        limit=sources.limit,
        seeds=sources.seeds,
        remembered=remembered,
        whole=False,
    )


def _origin(reference: str, profile: Profile, sources: Sources) -> Origin:
    return Origin(
        reference=reference,
        profile=profile,
        overrides=tuple(sources.overrides),
        limit=sources.limit,
        seeds=sources.seeds,
        arms=tuple(sources.arms),
        results_dir=sources.results_dir,
    )


def _only_profile(store: Store, name: str) -> Profile | None:
    """The one profile that has records; None if there are none. Raises NotComparableError for several."""
    profiles = sorted({run.record.recipe.profile for run in store.scan(name)[0]})
    if len(profiles) > 1:
        raise NotComparableError(
            f"{name} has no records under profile lite, but under {' and '.join(profiles)}",
            hints=[f"choose one: {' or '.join(f'--profile {profile}' for profile in profiles)}"],
        )
    return profiles[0] if profiles else None


def _matching(
    recipe: Recipe, runs: list[StoredRun], origin: Origin, sources: Sources, selected: Selected
) -> Selection | None:
    """The runs that the recipe as it stands would make; else, unless settings were asked for, all of its variant
    under their own plan; None where there are none."""
    origin, title = replace(origin, current=recipe), _title(recipe)
    wanted = set(recipe.seeds) if sources.seeds else None
    of_variant = [
        run
        for run in runs
        if run.record.recipe.variant == recipe.variant and (wanted is None or run.record.seed in wanted)
    ]
    difference = _difference_from(recipe)
    candidates = [(run, difference(run.record)) for run in of_variant]
    fitting = tuple([run for run, differs in candidates if differs is None])
    left = [(run, differs) for run, differs in candidates if differs]
    if fitting and left and sources.allow_mismatch:
        taken = _of_other_footing(recipe, fitting, [run for run, _ in left])
        fitting += taken
        left = [(run, differs) for run, differs in left if run not in taken]
    others = [differs for _, differs in left]
    why = f"(recipe now / record): {'; '.join(sorted(set(others)))}"
    if fitting:
        if others:
            selected.warnings.append(f"{title}: {len(others)} records of other settings left out {why}")
        lock = read_lock(sources.results_dir, recipe)
        return Selection(plan=recipe, stored=fitting, origin=origin, lock=lock)
    if not candidates or sources.overrides or sources.limit:
        return None
    selected.warnings.append(f"{title}: no record matches the recipe as it stands {why}")
    stored = tuple(run for run, _ in candidates)
    plan = joint_plan(stored)
    return Selection(plan=plan, stored=stored, origin=origin, lock=read_lock(sources.results_dir, plan))


def _difference_from(recipe: Recipe) -> Callable[[RunFacts], str | None]:
    """Tells how a run differs from what the recipe would make; worked out once for runs that share recipe and arm."""
    planned = {arm.name: arm for arm in recipe.arms}
    told: dict[tuple[int, int], str | None] = {}
    of_recipes: dict[int, str | None] = {}

    def difference(run: RunFacts) -> str | None:
        other, arm = run.recipe, run.arm
        key = id(other), id(arm)
        if key not in told:
            if id(other) not in of_recipes:
                keys = differing_settings(recipe, other)
                of_recipes[id(other)] = shown_difference(keys, recipe, other) if keys else None
            told[key] = of_recipes[id(other)] or _arm_difference(planned.get(arm.name), arm)
        return told[key]

    return difference


def _arm_difference(now: Arm | None, then: Arm) -> str | None:
    if now is None:
        return f"no arm {then.name}"
    keys = differing_arm_settings(now, then)
    return f"arm {now.name}: {shown_difference(keys, now, then)}" if keys else None


def _of_other_footing(
    recipe: Recipe, fitting: Sequence[StoredRun], others: Sequence[StoredRun]
) -> tuple[StoredRun, ...]:
    """Of each arm that has no fitting run those of the footing that most of its others have."""
    present = {run.record.arm.name for run in fitting}
    found: list[StoredRun] = []
    for arm in recipe.arms:
        same = [
            run
            for run in others
            if run.record.arm.name == arm.name and not differing_arm_settings(arm, run.record.arm)
        ]
        if arm.name not in present and same:
            found += largest_footing(same)
    return tuple(found)


def _note_missing(selection: Selection, selected: Selected) -> None:
    plan, runs = selection.plan, selection.runs
    finished = {(run.arm.name, run.seed) for run in runs if run.status in FINISHED}
    missing = [
        (arm.name, seed) for arm in plan.arms for seed in plan.seeds if (arm.name, seed) not in finished
    ]
    unfinished = [run for run in runs if run.status not in FINISHED]
    for run in sorted(unfinished, key=lambda run: (run.arm.name, run.seed)):
        why = f": {run.reason}" if run.reason else ""
        selected.warnings.append(f"{_title(plan)} {run.arm.name} seed {run.seed} {run.status}{why}")
    if missing:
        selected.incomplete = True
        lacks = f"{_title(plan)} lacks {len(missing)} of {len(plan.arms) * len(plan.seeds)} runs"
        commands = " && ".join(_finishing(selection, missing))
        selected.warnings.append(f"incomplete: {lacks}{'; finish with: ' if commands else ''}{commands}")


def _note_edited(selection: Selection, selected: Selected) -> None:
    """Says where a plug-in's file is another by now than the one that made the runs."""
    arms = {id(run.record.arm): run.record.arm for run in selection.stored}
    sources = {name: source for arm in arms.values() for name, source in arm.plugins.items()}
    for name, source in sources.items():
        if source.file and Path(source.file).is_file() and not source.is_present():
            selected.warnings.append(
                f"{_title(selection.plan)}: {source.file} was edited since these runs of {name}; train it again: "
                f"{selection.origin.command()}"
            )


def _finishing(selection: Selection, missing: list[tuple[str, int]]) -> list[str]:
    origin, plan = selection.origin, selection.plan
    if plan == origin.current:
        return [origin.command()]  # typed again, it trains only what is missing
    return origin.commands(plan, {arm.name: arm for arm in plan.arms}, missing)


def _title(recipe: Recipe) -> str:
    return f"{recipe.name} ({recipe.variant})" if recipe.variant else recipe.name
