"""What the arms and the recipes are called that are made from a recipe. Imports no torch."""

from collections.abc import Sequence
from typing import Literal

from actbench.recipe.schema import Arm, Recipe

Part = Literal["tune", "fair", "calibrate", "ablate"]
"""tune: trials that choose settings; fair: tuned arms and controls; calibrate: what the bench can see; ablate: what of
an activation it is that helps."""
Control = Literal["params", "macs", "time", "slot"]


def derived_recipe(recipe: Recipe, part: Part, arms: Sequence[Arm]) -> Recipe:
    """The recipe with other arms, on the same footing; its runs lie in a folder of their own, `<recipe>.<part>`."""
    return recipe.model_copy(update={"name": f"{recipe.name}.{part}", "arms": tuple(arms)})


def tuned_name(arm: str) -> str:
    return f"{arm}.tuned"


def control_name(baseline: str, control: Control, candidate: str) -> str:
    """The baseline made equal to the candidate in one respect."""
    return f"{baseline}.{control}.{candidate}"


def ablation_name(arm: str, ablation: str) -> str:
    return f"{arm}.{ablation}"
