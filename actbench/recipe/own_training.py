"""A recipe with other rates or another length, everything else as it is. Imports no torch."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actbench.recipe.schema import ArmTrain, Recipe


def with_rates(recipe: "Recipe", own: "ArmTrain") -> "Recipe":
    """With an arm's own learning rate and weight decay, where it has them; `min_lr` keeps its share of lr."""
    train = recipe.train
    changes: dict[str, float] = {}
    if own.lr is not None:
        changes |= {"lr": own.lr, "min_lr": train.min_lr * own.lr / train.lr}
    if own.weight_decay is not None:
        changes["weight_decay"] = own.weight_decay
    return recipe.model_copy(update={"train": train.model_copy(update=changes)}) if changes else recipe


def of_length(recipe: "Recipe", epochs: int) -> "Recipe":
    """Trained for so many epochs: warm-up, the exponential schedule's drops and deep training's decay keep their share.

    Phases of activations are theirs and stay (see `Arm.options`).
    """
    train, model = recipe.train, recipe.model
    if epochs == train.epochs:
        return recipe
    share = epochs / train.epochs
    scaled = {
        "epochs": epochs,
        "warmup_epochs": train.warmup_epochs * share,
        "decay_every": train.decay_every * share,
    }
    update: dict[str, object] = {"train": train.model_copy(update=scaled)}
    if model.name == "vanillanet":
        update["model"] = model.model_copy(update={"decay_epochs": max(1, round(model.decay_epochs * share))})
    return recipe.model_copy(update=update)
