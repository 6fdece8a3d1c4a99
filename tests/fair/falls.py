"""A recipe with stored runs of its own arms, tuned ones and controls, made by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from actbench.fair.naming import control_name, derived_recipe, tuned_name
from actbench.recipe.schema import Arm, ArmTrain, Recipe
from actbench.record import RunRecord
from actbench.store import Store

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]

PLAIN = {"relu": (5000, 5040, 4960), "swish": (5010, 5030, 4980), "lslu": (5300, 5345, 5255)}
FAIR = {
    "relu.tuned": (5200, 5235, 5170),
    "swish.tuned": (5215, 5240, 5180),
    "lslu.tuned": (5330, 5370, 5285),
    "relu.params.lslu": (5280, 5340, 5230),
    "relu.time.lslu": (5335, 5360, 5300),
    "swish.time.lslu": (5300, 5380, 5330),
}
"""Right answers of 10,000, by seed."""


def own_lr(name: str, activation: str, lr: float) -> Arm:
    return Arm(name=name, activation=activation, train=ArmTrain(lr=lr))


def fair_arms() -> list[Arm]:
    return [
        own_lr(tuned_name("relu"), "relu", 0.2),
        own_lr(tuned_name("swish"), "swish", 0.1),
        own_lr(tuned_name("lslu"), "lslu", 0.05),
        own_lr(control_name("relu", "params", "lslu"), "relu", 0.2),
        Arm(name=control_name("relu", "time", "lslu"), activation="relu", train=ArmTrain(lr=0.2, epochs=72)),
        Arm(name=control_name("swish", "time", "lslu"), activation="swish", train=ArmTrain(epochs=57)),
    ]


def store_falls(
    folder: Path,
    recipe: Recipe,
    make_run: MakeRun,
    *,
    plain: Mapping[str, Sequence[int]] = PLAIN,
    fair: Mapping[str, Sequence[int]] = FAIR,
) -> None:
    """Writes the runs below the folder."""
    asked = recipe.model_copy(update={"controls": ("params", "time")})
    derived = derived_recipe(asked, "fair", fair_arms())
    for plan, counts in ((recipe, plain), (derived, fair)):
        for arm, values in counts.items():
            for seed, correct in enumerate(values):
                run = make_run(plan, arm, seed, correct, step_time_s=0.02 if "lslu" in arm[:4] else 0.01)
                path = Store(folder).path(
                    recipe=plan.name, profile=plan.profile, arm=arm, seed=seed, run=run.run
                )
                Store(folder).write(path, run)
