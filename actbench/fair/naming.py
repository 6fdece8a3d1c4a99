"""What the arms and the recipes are called that are made from a recipe. Imports no torch."""

from collections.abc import Sequence

from actbench.recipe.schema import Arm, Control, Part, Recipe


def part_name(recipe: Recipe, part: Part) -> str:
    """Of the recipe made for that part, whether this is the one that a person wrote or one made from it."""
    own = recipe.name.removesuffix(f".{recipe.part}") if recipe.part else recipe.name
    return f"{own}.{part}"


def derived_recipe(recipe: Recipe, part: Part, arms: Sequence[Arm]) -> Recipe:
    """The recipe with other arms, on the same footing; its runs lie in a folder of their own, `<recipe>.<part>`."""
    return recipe.model_copy(update={"name": part_name(recipe, part), "part": part, "arms": tuple(arms)})


def tuned_name(arm: str) -> str:
    return f"{arm}.tuned"


def control_name(baseline: str, control: Control, candidate: str) -> str:
    """The baseline made equal to the candidate in one respect."""
    return f"{baseline}.{control}.{candidate}"


def ablation_name(arm: str, ablation: str) -> str:
    return f"{arm}.{ablation}"
