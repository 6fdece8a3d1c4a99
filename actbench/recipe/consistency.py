"""What must hold between the blocks of a recipe: task, data, model, arms, input and training go together.

Each message begins with the key of the first block it names, by which the loader finds its line.
"""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.data.catalog import ENTRIES as DATA_SETS
from actbench.data.settings import InputSettings, TokenSettings
from actbench.models.catalog import ENTRIES as MODELS
from actbench.models.catalog import BertOptions, BertSmallOptions

if TYPE_CHECKING:
    from actbench.recipe.schema import Recipe


def check_consistent(recipe: "Recipe") -> None:
    """Raises a ValueError for the first thing that does not go together."""
    names = [arm.name for arm in recipe.arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"arms: the arm {twice[0]!r} stands here more than once")
    if len(set(recipe.seeds)) != len(recipe.seeds):
        raise ValueError("seeds: a seed stands here more than once")
    _check_tuning_seeds(recipe)
    if recipe.evaluation.protocol == "best-test" and recipe.train.early_stopping:
        raise ValueError(
            "train.early_stopping: forbidden under protocol best-test, which has no validation set"
        )
    _check_task(recipe)
    _check_graphs(recipe)
    _check_models(recipe)
    _check_gates(recipe)
    if recipe.part is None:
        _check_controls(recipe)
    if not MODELS[recipe.model.name].has_deep_training:
        for index, arm in enumerate(recipe.arms):
            if arm.train.deep_lambda is not None:
                raise ValueError(
                    f"arms[{index}].train.deep_lambda: the model {recipe.model.name!r} has no deep training"
                )
    if recipe.input.crop == "pad" and recipe.data.name == "imagenet":
        raise ValueError("input.crop: pad needs images of one size; imagenet takes random-resized")
    if recipe.input.cutout > recipe.input.size:
        raise ValueError(f"input.cutout: larger than the image side {recipe.input.size}")
    if recipe.model.name == "vanillanet" and recipe.input.size // recipe.model.stem_stride < 8:
        raise ValueError(
            f"input.size: {recipe.input.size} pixels are too few: three halvings follow a stem of stride "
            f"{recipe.model.stem_stride}, so at least {8 * recipe.model.stem_stride} are needed"
        )
    if (
        recipe.model.name == "cnn"
        and (left := recipe.model.side_after(recipe.input.size)) < recipe.model.map_side
    ):
        raise ValueError(
            f"input.size: {recipe.input.size} pixels are too few: the stages leave a map of side {max(left, 0)}, and "
            f"model.map_side is {recipe.model.map_side}"
        )


def _check_tuning_seeds(recipe: "Recipe") -> None:
    """Raises a ValueError where what is chosen on a seed would be reported on it too."""
    if recipe.tune is None:
        return
    seeds = recipe.tune.seeds
    if len(set(seeds)) != len(seeds):
        raise ValueError("tune.seeds: a seed stands here more than once")
    both = sorted(set(seeds) & set(recipe.seeds))
    if both:
        raise ValueError(
            f"tune.seeds: {both[0]} is a seed of the recipe too; settings chosen on a seed look better on it, so "
            "trials have seeds of their own"
        )


def _check_graphs(recipe: "Recipe") -> None:
    """Raises a ValueError where updates can be neither compiled nor captured."""
    for key in ("compile", "capture"):
        if getattr(recipe.train, key) and recipe.task == "detect":
            raise ValueError(
                f"train.{key}: not for task detect, whose pictures and boxes vary in size and number"
            )
    if recipe.train.capture and recipe.train.optimizer == "lamb":
        raise ValueError(
            "train.capture: not with optimizer lamb, which counts its steps outside the graph; take sgd, rmsprop or "
            "adamw"
        )


def _check_models(recipe: "Recipe") -> None:
    """Raises a ValueError where an arm's own options of the model, or the model's picture size, do not fit."""
    known = type(recipe.model).model_fields
    for index, arm in enumerate(recipe.arms):
        for key in arm.model.changes():
            if key not in known:
                raise ValueError(
                    f"arms[{index}].model.{key}: the model {recipe.model.name!r} has no such option"
                )
        try:
            recipe.model_of(arm)
        except ValidationError as error:
            detail = error.errors()[0]
            text = str(detail.get("ctx", {}).get("error", detail["msg"]))
            raise ValueError(f"arms[{index}].model: {text[:1].lower()}{text[1:]}") from None
    if recipe.model.name == "vit" and recipe.model.image_size != recipe.input.size:
        raise ValueError(
            f"model.image_size: {recipe.model.image_size} is not input.size, which is {recipe.input.size}"
        )


def _check_gates(recipe: "Recipe") -> None:
    """Raises a ValueError where a gated activation would meet a layer that gives it half of what it takes."""
    for index, arm in enumerate(recipe.arms):
        if arm.fill in ACTIVATIONS and ACTIVATIONS[arm.fill].gated:
            raise ValueError(
                f"arms[{index}].fill: {arm.fill!r} is gated and fills no sites; take a plain one"
            )
        if not arm.is_gated:
            continue
        if not MODELS[recipe.model.name].takes_gated:
            able = ", ".join(name for name, entry in MODELS.items() if entry.takes_gated) or "none"
            raise ValueError(
                f"arms[{index}].activation: {arm.activation!r} is gated, which takes feed-forward blocks that give it "
                f"gates and values, and the model {recipe.model.name!r} has none; models that do: {able}"
            )
        if arm.sites != "all":
            raise ValueError(
                f"arms[{index}].sites: must be all for {arm.activation!r}: it is gated, so the layers before its "
                "sites are twice as wide, and no fill fits there"
            )
        model = recipe.model_of(arm)
        if model.name == "vit" and model.feed_forward == "kat":
            raise ValueError(
                f"arms[{index}].activation: {arm.activation!r} is gated, and with feed_forward kat there are sites "
                "before the first layer, where nothing gives it gates and values; take feed_forward mlp for this arm"
            )


def _check_controls(recipe: "Recipe") -> None:
    """Raises a ValueError where controls are asked for and there is nobody to make, or to make equal."""
    if len(set(recipe.controls)) != len(recipe.controls):
        raise ValueError("controls: an entry stands here more than once")
    baselines = [arm.name for arm in recipe.arms if arm.name in recipe.baselines]
    if recipe.controls and not baselines:
        raise ValueError(
            "controls: they are baselines made equal to other arms, and none of the arms is a baseline "
            f"({', '.join(recipe.baselines)})"
        )
    if recipe.controls and len(baselines) == len(recipe.arms):
        raise ValueError("controls: they are made equal to arms that are no baselines, and there are none")


_DETECTION_INPUT = {"size", "max_size", "normalize", "interpolation", "flip"}
"""What of the `input` block detection can use; the rest cuts or mixes pictures, and boxes would not follow."""
_DETECTION_EVAL_BATCH = 128


def _check_task(recipe: "Recipe") -> None:
    """Raises a ValueError where task, data, model, input and training do not go together."""
    for key, name, task in (
        ("data.name", recipe.data.name, DATA_SETS[recipe.data.name].task),
        ("model.name", recipe.model.name, MODELS[recipe.model.name].task),
    ):
        if task != recipe.task:
            raise ValueError(f"{key}: {name!r} is for task {task}, and the task here is {recipe.task}")
    if recipe.task == "text":
        _check_text(recipe)
        return
    if recipe.input.tokens != TokenSettings():
        raise ValueError("input.tokens: for task text alone")
    if recipe.task == "classify":
        if recipe.input.max_size != InputSettings().max_size:
            raise ValueError("input.max_size: for task detect alone")
        return
    for key in sorted(recipe.input.model_dump(exclude_defaults=True)):
        if key not in _DETECTION_INPUT:
            known = ", ".join(sorted(_DETECTION_INPUT))
            raise ValueError(f"input.{key}: not for task detect, which takes whole pictures (only {known})")
    if recipe.input.interpolation != "bilinear":
        raise ValueError("input.interpolation: must be bilinear for task detect, as torchvision resizes")
    if recipe.input.normalize == "dataset":
        raise ValueError("input.normalize: must be imagenet or half for task detect, which measures no set")
    if recipe.input.max_size < recipe.input.size:
        raise ValueError(f"input.max_size: below the shorter side, {recipe.input.size}")
    if recipe.train.loss != "cross_entropy" or recipe.train.label_smoothing:
        raise ValueError("train.loss: a detector brings its own losses; leave out loss and label_smoothing")
    if recipe.train.amp != "none":
        # torchvision's anchors and boxes take the precision of the features.
        raise ValueError(
            "train.amp: must be none for task detect: bf16 rounds coordinates, by up to 8 pixels"
        )
    if recipe.train.early_stopping:
        raise ValueError(
            "train.early_stopping: follows the validation loss, which task detect does not compute"
        )
    if recipe.evaluation.robustness:
        raise ValueError("evaluation.robustness: for task classify alone")
    if recipe.init == "matched":
        raise ValueError("init: matched is not for task detect, whose heads look at pictures of many sizes")
    if recipe.evaluation.batch_size > _DETECTION_EVAL_BATCH:
        raise ValueError(
            f"evaluation.batch_size: {recipe.evaluation.batch_size} whole pictures at once are too many; give at "
            f"most {_DETECTION_EVAL_BATCH} for task detect"
        )


def _check_text(recipe: "Recipe") -> None:
    """Raises a ValueError where settings of pictures, or a model too short, stand in a recipe of task text."""
    assert isinstance(recipe.model, BertSmallOptions | BertOptions)
    for key in sorted(recipe.input.model_dump(exclude_defaults=True)):
        if key != "tokens":
            raise ValueError(f"input.{key}: not for task text, which takes only input.tokens")
    if recipe.train.channels_last:
        raise ValueError("train.channels_last: for pictures; leave it out for task text")
    if recipe.evaluation.robustness:
        raise ValueError("evaluation.robustness: for task classify alone")
    longest = recipe.input.tokens.max_length
    if recipe.model.max_length < longest:
        raise ValueError(
            f"model.max_length: {recipe.model.max_length} places are too few for input.tokens.max_length, {longest}"
        )
    has_weights = isinstance(recipe.model, BertOptions) and recipe.model.weights is not None
    if has_weights and recipe.input.tokens.tokenizer != "wordpiece":
        raise ValueError("model.weights: learnt on word pieces; set input.tokens.tokenizer to wordpiece")
