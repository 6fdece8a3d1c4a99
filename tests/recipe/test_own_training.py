"""An arm's own rates and length: what changes with them, and what they leave alone."""

from actbench.recipe.hashing import footing_hash, run_hash
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Arm, ArmTrain, Recipe


def _recipe() -> Recipe:
    return load_recipe("demo_digits", profile="lite", overrides=["train.min_lr=3e-4"]).recipes[0]


def _arm(**own: object) -> Arm:
    return Arm(name="relu", activation="relu", train=ArmTrain.model_validate(own))


def test_an_arm_without_own_training_is_trained_as_the_recipe_says() -> None:
    recipe = _recipe()
    assert recipe.trained_as(_arm()) is recipe


def test_own_rates_keep_the_shape_of_the_schedule() -> None:
    train = _recipe().trained_as(_arm(lr=6e-3, weight_decay=0.0)).train
    assert (train.lr, train.min_lr, train.weight_decay) == (6e-3, 6e-4, 0.0)
    assert train.epochs == _recipe().train.epochs


def test_another_length_stretches_what_is_told_in_epochs() -> None:
    own = _recipe().trained_as(_arm(epochs=30))
    assert (own.train.epochs, own.train.warmup_epochs) == (30, 2.0)
    assert own.model.model_dump()["decay_epochs"] == 10


def test_own_training_and_salt_make_another_run_on_the_same_footing() -> None:
    recipe = _recipe()
    footing = footing_hash(recipe, "data")
    arms = [_arm(), _arm(lr=0.1), _arm(epochs=30), Arm(name="relu", activation="relu", salt=1)]
    assert len({run_hash(footing, arm, 0) for arm in arms}) == len(arms)
    changed = recipe.model_copy(update={"arms": tuple(arms[1:2])})
    assert footing_hash(changed, "data") == footing
