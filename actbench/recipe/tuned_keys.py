"""Which settings can be tuned, and whether a value fits: asked when a recipe is read, and when a grid grows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError

from actbench.errors import Problem
from actbench.frozen import Frozen
from actbench.recipe import nodes
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Arm, Recipe
from actbench.recipe.tune_settings import MAX_TRIALS
from actbench.recipe.wording import message_of

LR = "train.lr"
SHARED = (LR, "train.weight_decay")
"""Settings that every arm has."""


class TunedKey(NamedTuple):
    """A key of `tune.space`, taken apart."""

    arm: str | None
    """Whose own it is; None for all arms'."""
    block: str
    """`train` or `options`."""
    field: str


def check_space(recipe: Recipe, tree: nodes.Mapping, problems: list[Problem]) -> None:
    """Adds a problem for every key of `tune.space` that nothing has, and for every value that does not fit."""
    block = tree.entries.get("tune")
    if recipe.tune is None or not isinstance(block, nodes.Mapping):
        return
    space = block.entries["space"]
    assert isinstance(space, nodes.Mapping)
    before = len(problems)
    for name, values in recipe.tune.space.items():
        node, key = space.entries[name], parse_key(name, recipe.arms)
        if key is None:
            problems.append(node.problem(f"{name!r} cannot be tuned", *_hints(name, recipe.arms)))
        else:
            _check_values(recipe, key, values, node, problems)
    if LR not in recipe.tune.space:
        message = f"{LR} is not in the space"
        problems.append(
            space.problem(message, "arms differ in no setting as much as in their best learning rate")
        )
    if len(problems) == before:
        _check_trials(recipe, space, block.entries.get("trials", space), problems)


def _check_values(
    recipe: Recipe, key: TunedKey, values: Sequence[float], node: nodes.Node, problems: list[Problem]
) -> None:
    if len(values) < 2:
        problems.append(
            node.problem("needs at least 2 values", "a single one is no choice: set it in the recipe")
        )
    items = node.items if isinstance(node, nodes.Sequence) else ()
    for place, (item, value) in enumerate(zip(items, values, strict=True)):
        if value in values[:place]:
            problems.append(item.problem(f"{value:g} stands here more than once"))
        if why := refusal(recipe.arms, key, value):
            problems.append(item.problem(f"{why}, got {nodes.describe(item)}"))


def _check_trials(recipe: Recipe, space: nodes.Node, trials: nodes.Node, problems: list[Problem]) -> None:
    assert recipe.tune is not None
    sizes = {
        arm.name: math.prod(len(values) for key, values in recipe.tune.space.items() if is_of(key, arm))
        for arm in recipe.arms
    }
    arm, largest = max(sizes.items(), key=lambda item: item[1])
    if largest > MAX_TRIALS:
        problems.append(
            space.problem(f"the grid of arm {arm} has {largest} points; at most {MAX_TRIALS} are allowed")
        )
    elif recipe.tune.trials is not None and recipe.tune.trials < largest:
        message = f"trials {recipe.tune.trials} are fewer than the {largest} points of the grid of arm {arm}"
        problems.append(trials.problem(message, "leave trials out, or give fewer values"))


def _hints(name: str, arms: Sequence[Arm]) -> tuple[str, ...]:
    """Of an arm that is there its own keys; else what comes before them."""
    named = max(
        (arm for arm in arms if name.startswith(f"arms.{arm.name}.")),
        key=lambda arm: len(arm.name),
        default=None,
    )
    if named is not None:
        return name_hints(name, keys_of(named))
    return name_hints(name, (*SHARED, *(key for arm in arms for key in keys_of(arm)[:1])))


def is_of(key: str, arm: Arm) -> bool:
    """Whether it is a setting of that arm."""
    return key in SHARED or key in keys_of(arm)


def parse_key(key: str, arms: Sequence[Arm]) -> TunedKey | None:
    """None where no arm, or nothing of an arm, is called so."""
    if key in SHARED:
        return TunedKey(None, "train", key.removeprefix("train."))
    for arm in arms:
        if key in keys_of(arm):
            block, _, field = key.removeprefix(f"arms.{arm.name}.").partition(".")
            return TunedKey(arm.name, block, field)
    return None


def keys_of(arm: Arm) -> tuple[str, ...]:
    """The arm's own keys: the factor on its parameters' rate, and those of its options that are numbers.

    Lengths of phases are shortened in trials and are none of them.
    """
    numbers = [
        name
        for name, value in arm.options.model_dump().items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not name.endswith("_epochs")
    ]
    return (f"arms.{arm.name}.train.lr_factor", *(f"arms.{arm.name}.options.{name}" for name in numbers))


def with_setting(arm: Arm, key: TunedKey, value: float) -> Arm:
    """The arm with that value; an integer option gets an integer."""
    block: Frozen = arm.options if key.block == "options" else arm.train
    typed = int(value) if is_integer(arm, key) else value
    return arm.model_copy(update={key.block: block.model_copy(update={key.field: typed})})


def is_integer(arm: Arm, key: TunedKey) -> bool:
    return key.block == "options" and isinstance(getattr(arm.options, key.field), int)


def refusal(arms: Sequence[Arm], key: TunedKey, value: float) -> str | None:
    """Why the setting cannot have that value, in pydantic's words; None where it can."""
    arm = next(arm for arm in arms if key.arm in (None, arm.name))
    if is_integer(arm, key) and value != math.floor(value):
        return "must be an integer"
    changed = with_setting(arm, key, value)
    block: Frozen = changed.options if key.block == "options" else changed.train
    try:
        type(block).model_validate(block.model_dump())
    except ValidationError as error:
        return message_of(error.errors(include_url=False)[0])
    return None
