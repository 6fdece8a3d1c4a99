"""Training of a recipe that asks for more than its plain runs: tuning, then tuned arms, controls, calibration.

The first seed of every arm comes first, which shows what is wrong and how long updates take; then all trials of the
tuning; then the rest, seed by seed over everything, so that it can be stopped at any run and leaves a whole comparison
of fewer seeds. All of it is found again when the command is typed again. Imports torch inside functions that need it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from actbench.commands.request import Progress, TrainRequest
from actbench.commands.training import Prepared, Trained, prepare, train_prepared, train_recipes
from actbench.errors import ActbenchError
from actbench.fair.ablation import ablation_recipe
from actbench.fair.calibration import calibration_recipes
from actbench.fair.controls import Measured, Pair, control_arms, pairs, step_times, with_slots
from actbench.fair.naming import derived_recipe
from actbench.fair.tuning import Choice, choices, tuning_recipe
from actbench.models.catalog import ArmModel
from actbench.recipe.schema import Arm, Recipe
from actbench.store import Store, StoredRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What came of one recipe."""

    recipe: Recipe
    trained: tuple[Trained, ...]
    """In order; a run can be in several plans."""
    chosen: Mapping[str, Choice]
    """What tuning made of the recipe's arms; empty without tuning."""


def asks_for_stages(recipe: Recipe) -> bool:
    """Whether there is more to train than the recipe's arms."""
    return bool(recipe.tune or recipe.controls or recipe.ablate != "none")


def train_stages(
    recipe: Recipe,
    request: TrainRequest,
    progress: Progress,
    *,
    calibrate: bool = False,
    until: Callable[[], bool] = lambda: False,
    on_round: Callable[[], None] = lambda: None,
) -> Staged:
    """Trains what is missing. `until` is asked before each run, and no more are begun once it says True; `on_round` is
    called once the first seed of everything is there.

    Raises ActbenchError before anything is spent where the recipe cannot be trained, or a control cannot be made.
    """
    plain = prepare([recipe], request, progress)
    _widths(recipe, plain, {})  # whether they can be had is known before anything is spent
    trained = [train_prepared(plain, progress, until=_any(until, _first_seed_is_done(plain)))]
    later = replace(request, force=False)
    chosen: dict[str, Choice] = {}
    if recipe.tune:
        trained += _tune(recipe, plain, request, progress, until)
        chosen = choices(recipe, _stored(plain, recipe, "tune"), fingerprint=plain.fingerprints[0])
        if not all(arm.name in chosen and chosen[arm.name].complete for arm in with_slots(recipe).arms):
            return Staged(recipe=recipe, trained=tuple(trained), chosen=chosen)
    everything = _everything(recipe, plain, chosen, calibrate=calibrate)
    all_prepared = prepare(everything, later, progress, sources=plain.sources)
    trained.append(
        train_prepared(all_prepared, progress, until=_any(until, _first_seed_is_done(all_prepared)))
    )
    if not until():
        on_round()
        trained.append(train_prepared(all_prepared, progress, until=until))
        if ablated := _ablations(recipe, plain, chosen):  # now that there are runs to take shapes from
            trained.append(train_recipes([ablated], later, progress, sources=plain.sources, until=until))
    return Staged(recipe=recipe, trained=tuple(trained), chosen=chosen)


def further_runs(recipe: Recipe) -> str:
    """What follows the recipe's own runs, for a plan that cannot know yet what tuning will choose."""
    parts: list[str] = []
    if recipe.tune:
        trials = tuning_recipe(recipe, [])
        assert trials is not None
        count = len(trials.arms) * len(trials.seeds)
        parts.append(
            f"{count} trials of {trials.train.epochs} epochs, more where a best value is the last one tried"
        )
        parts.append(f"{len(recipe.arms) * len(recipe.seeds)} runs of tuned arms")
    if recipe.controls:
        parts.append(f"up to {len(pairs(recipe)) * len(recipe.seeds)} of controls")
    if recipe.ablate != "none":
        parts.append("ablations")
    return f"then {', '.join(parts)}" if parts else ""


def tuning_lines(staged: Staged) -> list[str]:
    """What tuning chose, arm by arm; while trials are missing how far it has come."""
    name = staged.recipe.name
    if any(not choice.complete for choice in staged.chosen.values()):
        return [
            f"{name}: tuning is not finished, {sum(c.trials for c in staged.chosen.values())} points tried"
        ]
    lines = []
    for arm, choice in staged.chosen.items():
        settings = ", ".join(f"{key}={value:g}" for key, value in choice.settings.items())
        edge = f"; the best {', '.join(choice.at_edge)} is the last one tried" if choice.at_edge else ""
        lines.append(f"{name} {arm} tuned: {settings} ({choice.trials} points tried{edge})")
    return lines


def _everything(
    recipe: Recipe, plain: Prepared, chosen: Mapping[str, Choice], *, calibrate: bool
) -> list[Recipe]:
    """The recipe and what is made from it, each on its footing."""
    tuned = {arm.name: chosen[arm.name].arm for arm in recipe.arms if arm.name in chosen}
    fair = [*tuned.values(), *_controls(recipe, plain, {name: choice.arm for name, choice in chosen.items()})]
    found = [recipe, *([derived_recipe(recipe, "fair", fair)] if fair else [])]
    if calibrate:
        _, calibration = calibration_recipes(recipe)
        found.append(calibration)
    if ablated := _ablations(recipe, plain, chosen):
        found.append(ablated)
    return found


def _ablations(recipe: Recipe, plain: Prepared, chosen: Mapping[str, Choice]) -> Recipe | None:
    tuned = {arm.name: chosen[arm.name].arm for arm in recipe.arms if arm.name in chosen}
    return ablation_recipe(recipe, tuned, [*_stored(plain, recipe), *_stored(plain, recipe, "fair")])


def _tune(
    recipe: Recipe, plain: Prepared, request: TrainRequest, progress: Progress, until: Callable[[], bool]
) -> list[Trained]:
    """Trials until no more are wanted, or one of them fails again and again."""
    trained: list[Trained] = []
    while not until():
        stored = _stored(plain, recipe, "tune")
        wanted = tuning_recipe(recipe, stored, fingerprint=plain.fingerprints[0])
        if wanted is None:
            break
        found = train_recipes(
            [wanted],
            replace(request, force=request.force and not trained),
            progress,
            sources=plain.sources,
            until=until,
        )
        trained.append(found)
        failed = [
            run for run in found.plan.todo if (record := found.record(run)) and record.status == "failed"
        ]
        if failed:
            record = found.record(failed[0])
            raise ActbenchError(
                f"{len(failed)} trial{'s' if len(failed) > 1 else ''} of {recipe.name} failed, the first: "
                f"{failed[0].label}: {record.reason if record else ''}",
                hints=["mend it, or take that setting out of tune.space; finished trials are kept"],
            )
    return trained


def _controls(recipe: Recipe, plain: Prepared, tuned: Mapping[str, Arm]) -> Sequence[Arm]:
    if not recipe.controls:
        return ()
    timed = step_times(recipe, _stored(plain, recipe)) if pairs(recipe, "time") else {}
    return control_arms(recipe, tuned, Measured(widths=_widths(recipe, plain, tuned), step_time_s=timed))


def _widths(recipe: Recipe, plain: Prepared, tuned: Mapping[str, Arm]) -> Mapping[Pair, ArmModel]:
    if not pairs(recipe, "params", "macs"):
        return {}
    from actbench.training.matching import matched_widths

    source = plain.sources.of(recipe)
    return matched_widths(recipe, tuned, num_classes=source.num_classes, channels=source.channels)


def _stored(plain: Prepared, recipe: Recipe, part: str | None = None) -> list[StoredRun]:
    name = f"{recipe.name}.{part}" if part else recipe.name
    runs, _ = Store(plain.request.results_dir).scan(name, recipe.profile)
    return [run for run in runs if run.record.recipe.variant == recipe.variant]


def _first_seed_is_done(prepared: Prepared) -> Callable[[], bool]:
    """To be asked before each run of a plan that goes seed by seed: True once a run of a later seed would begin."""
    left = sum(run.seed == run.recipe.seeds[0] for run in prepared.plan().todo)

    def is_done() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return is_done


def _any(*conditions: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: any(condition() for condition in conditions)
