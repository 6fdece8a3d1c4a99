"""Controls: a baseline made equal to another arm in one respect, as an arm of its own. Imports no torch.

params, macs    the widths of the baseline's network are such that its parameters, or its multiply-accumulates with the
                declared pointwise operations, are those of the arm (`training/matching.py` finds the widths)
time            the baseline trains for as many epochs as fit into the seconds that the arm's updates take, its schedule
                stretched or shortened with it
slot            the baseline's curve stands in the same slot as the arm's: what the arm has beside a curve, and its
                sites and options of the model

Where a control would change nothing, the baseline itself is the control, and nothing more is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.activations.catalog import Slot, SlotInner
from actbench.errors import ActbenchError
from actbench.fair.naming import control_name, tuned_name
from actbench.frozen import Options
from actbench.models.catalog import ArmModel, native_activations
from actbench.recipe.hashing import arm_settings
from actbench.recipe.schema import Arm, Control, Recipe
from actbench.record import Machine
from actbench.store import StoredRun

MOST_EPOCHS = 10_000


class Pair(NamedTuple):
    """A control by the names of the recipe's arms."""

    baseline: str
    control: Control
    candidate: str

    @property
    def name(self) -> str:
        return control_name(*self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What controls need to know beyond the recipe."""

    widths: Mapping[Pair, ArmModel]
    """Of params and macs: the options of the model that match; no options where the baseline's own do."""
    step_time_s: Mapping[str, float]
    """Seconds of one update by the recipe's arms, for time."""


def pairs(recipe: Recipe, *controls: Control) -> tuple[Pair, ...]:
    """All controls of the recipe, or those of these kinds, in the order in which tables show them."""
    wanted = [control for control in recipe.controls if not controls or control in controls]
    baselines = [arm.name for arm in recipe.arms if arm.name in recipe.baselines]
    candidates = [arm.name for arm in recipe.arms if arm.name not in recipe.baselines]
    return tuple(
        Pair(baseline, control, candidate)
        for candidate in candidates
        for control in wanted
        for baseline in baselines
    )


def step_times(recipe: Recipe, stored: Sequence[StoredRun]) -> dict[str, float]:
    """Seconds of an update by arm, all from one machine, each from the first seed of which there is a record.

    Later seeds change nothing, so that the lengths of runs already made stay. Raises ActbenchError if no machine has
    timed every arm.
    """
    names = [arm.name for arm in recipe.arms]
    by_machine: dict[Machine, dict[str, float]] = {}
    order = {seed: place for place, seed in enumerate(recipe.seeds)}
    records = (run.record for run in stored if run.record.status == "completed" and run.record.seed in order)
    for record in sorted(records, key=lambda record: order[record.seed]):
        if record.step_wall_s and record.arm.name in names:
            by_machine.setdefault(record.machine, {}).setdefault(record.arm.name, record.step_wall_s)
    for found in by_machine.values():
        if len(found) == len(names):
            return found
    most = max(by_machine.values(), key=len, default={})
    missing = [name for name in names if name not in most]
    raise ActbenchError(
        f"{recipe.name}: control time needs step times of all arms from completed runs on one machine, and there is "
        f"none of {', '.join(missing)}" + (" beside the others'" if most else ""),
        hints=["train the arms on one machine, or leave time out of controls"],
    )


def control_arms(recipe: Recipe, tuned: Mapping[str, Arm], measured: Measured) -> tuple[Arm, ...]:
    """The controls that are runs of their own, each once: another that would be the same is among its `stands_for`.

    `tuned` maps the names of the recipe's arms, and of slot controls (`with_slots`), to their tuned forms, as far as
    there are any. Raises ActbenchError
    where a control cannot be made.
    """
    made: list[tuple[object, Arm]] = []
    names: dict[int, list[str]] = {}
    for pair in pairs(recipe):
        base = tuned.get(pair.baseline, recipe.arm(pair.baseline))
        candidate = tuned.get(pair.candidate, recipe.arm(pair.candidate))
        arm = tuned.get(pair.name) or _control(recipe, pair, base, candidate, measured)
        settings = arm_settings(arm)
        if settings == arm_settings(base):
            continue
        twin = next((place for place, (known, _) in enumerate(made) if known == settings), None)
        if twin is None:
            made.append((settings, arm.model_copy(update={"name": pair.name, "stands_for": ()})))
        else:
            names.setdefault(twin, []).append(pair.name)
    return tuple(
        arm.model_copy(update={"stands_for": tuple(names.get(place, ()))})
        for place, (_, arm) in enumerate(made)
    )


def with_slots(recipe: Recipe) -> Recipe:
    """The recipe with its slot controls as further arms, under the controls' names: what is tuned.

    A slot makes another network of the baseline, which wants other rates: untuned it would be a straw man.
    """
    if "slot" not in recipe.controls:
        return recipe
    slots = control_arms(
        recipe.model_copy(update={"controls": ("slot",)}), {}, Measured(widths={}, step_time_s={})
    )
    return recipe.model_copy(update={"arms": (*recipe.arms, *slots)})


def control_in(plan: Recipe, pair: Pair) -> str | None:
    """Which arm is that control, by a plan of fair runs; the baseline itself where the control changes nothing.

    None if the plan has no such control.
    """
    if pair.control not in plan.controls:
        return None
    for arm in plan.arms:
        if pair.name == arm.name or pair.name in arm.stands_for:
            return arm.name
    tuned = tuned_name(pair.baseline)
    return tuned if any(arm.name == tuned for arm in plan.arms) else pair.baseline


def _control(recipe: Recipe, pair: Pair, base: Arm, candidate: Arm, measured: Measured) -> Arm:
    if pair.control == "time":
        return _in_equal_time(recipe, pair, base, candidate, measured.step_time_s)
    if pair.control == "slot":
        return _in_slot(recipe, pair, base, candidate)
    changes = measured.widths[pair].changes()
    return base.model_copy(update={"model": base.model.model_copy(update=changes)}) if changes else base


def _in_equal_time(
    recipe: Recipe, pair: Pair, base: Arm, candidate: Arm, step_time_s: Mapping[str, float]
) -> Arm:
    """The epochs nearest to the candidate's seconds: off by half of one epoch at most."""
    theirs = candidate.train.epochs or recipe.train.epochs
    ratio = step_time_s[pair.candidate] / step_time_s[pair.baseline]
    epochs = max(1, round(theirs * ratio))
    if epochs > MOST_EPOCHS:
        raise ActbenchError(
            f"{pair.name}: an update of {pair.candidate} takes {ratio:.3g} times as long, which would be {epochs} "
            f"epochs; at most {MOST_EPOCHS} can be trained",
            hints=["leave time out of controls"],
        )
    own = None if epochs == recipe.train.epochs else epochs
    return base.model_copy(update={"train": base.train.model_copy(update={"epochs": own})})


def _in_slot(recipe: Recipe, pair: Pair, base: Arm, candidate: Arm) -> Arm:
    """The baseline's curve where the candidate has its own."""
    entry = ACTIVATIONS.get(_own_name(candidate, recipe))
    activation, options = base.activation, base.options
    if entry is not None and entry.slot is not None:
        activation, options = _slotted(recipe, pair, base, entry.slot, candidate.options)
    plugins = {**base.plugins, **candidate.plugins}
    return base.model_copy(
        update={
            "activation": activation,
            "options": options,
            "sites": candidate.sites,
            "fill": candidate.fill,
            "fill_options": candidate.fill_options,
            "model": base.model.model_copy(update=candidate.model.changes()),
            "plugins": {name: plugins[name] for name in (activation, candidate.fill) if name in plugins},
        }
    )


def _slotted(recipe: Recipe, pair: Pair, base: Arm, slot: Slot, theirs: Options) -> tuple[str, Options]:
    """The baseline in that slot, which it may stand in already: then it takes the candidate's measures of it."""
    own = _own_name(base, recipe)
    entry = ACTIVATIONS.get(own)
    chosen: dict[str, object] = base.options.model_dump()
    if entry is not None and entry.slot is not None and entry.slot.activation == slot.activation:
        activation = own
    else:
        activation = slot.activation
        _require_curve(pair, base, own)
        chosen = {"inner": own}
    measures = {**slot.options, **theirs.model_dump()}
    for key in ACTIVATIONS[slot.activation].options.model_fields:
        if key != "inner" and key in measures and key in ACTIVATIONS[activation].options.model_fields:
            chosen[key] = measures[key]
    return activation, ACTIVATIONS[activation].options.model_validate(chosen)


def _require_curve(pair: Pair, base: Arm, own: str) -> None:
    """Raises ActbenchError unless a slot can hold the baseline's activation."""
    if own not in get_args(SlotInner):
        raise ActbenchError(
            f"{pair.name}: no slot can hold {own!r}, the activation of {base.name}",
            hints=[
                f"a slot holds one of {', '.join(get_args(SlotInner))}",
                "choose other baselines, or leave slot out of controls",
            ],
        )
    if base.chosen_options():
        settings = ", ".join(f"{key}={value}" for key, value in base.chosen_options().items())
        raise ActbenchError(
            f"{pair.name}: a slot holds {own!r} with its default options alone, and {base.name} has {settings}",
            hints=["choose other baselines, or leave slot out of controls"],
        )


def _own_name(arm: Arm, recipe: Recipe) -> str:
    """The activation's name; of the network's own, the one that it is, if it is a single one."""
    if arm.activation != "native":
        return arm.activation
    own = native_activations(recipe.model)
    return own[0] if len(own) == 1 else "native"
