"""The images that steps are measured on: a recipe's own where they are at hand, else generated ones of that shape."""

from pathlib import Path
from typing import NamedTuple

from actbench.data.catalog import (
    Cifar10Options,
    Cifar100Options,
    ImageNetOptions,
    MnistOptions,
    SyntheticOptions,
)
from actbench.data.settings import InputSettings
from actbench.data.source import Source
from actbench.errors import DataError
from actbench.recipe.schema import Recipe
from actbench.training.sources import DataSources, check_batches

_BATCHES = 4
"""In an epoch of generated images."""
_NOTHING_RANDOM = {
    "crop": "none",
    "flip": 0.0,
    "rand_augment": None,
    "cutout": 0,
    "random_erasing": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
}


class Opened(NamedTuple):
    source: Source
    plain: Source | None
    """The same without augmentation; None where the recipe has none."""
    words: str


def open_recipe_data(recipe: Recipe, data_dir: Path) -> Opened:
    """Raises DataError where the data is not there and nothing generated has its shape."""
    words: str = recipe.data.name
    try:
        source = DataSources(data_dir).of(recipe)
    except DataError:
        stand_in = _stand_in(recipe)
        if stand_in is None:
            raise
        size = f"{stand_in.size}x{stand_in.size}"
        words = f"generated images of {size} in place of {recipe.data.name}, which is not in {data_dir}"
        recipe = recipe.model_copy(update={"data": stand_in})
        source = DataSources(data_dir).of(recipe)
    check_batches(recipe, source)
    plain = without_augmentation(recipe.input)
    if recipe.task != "classify" or plain == recipe.input:
        return Opened(source, None, words)
    return Opened(source, DataSources(data_dir).of(recipe.model_copy(update={"input": plain})), words)


def without_augmentation(settings: InputSettings) -> InputSettings:
    return settings.model_copy(update=_NOTHING_RANDOM)


def _stand_in(recipe: Recipe) -> SyntheticOptions | None:
    """Generated images of as many classes, channels and pixels; None where the data is no set of images known here."""
    data, size, channels = recipe.data, 32, 3
    if isinstance(data, Cifar10Options):
        num_classes = 10
    elif isinstance(data, Cifar100Options):
        num_classes = 100
    elif isinstance(data, MnistOptions):
        num_classes, size, channels = 10, 28, 1
    elif isinstance(data, ImageNetOptions):
        num_classes, size = data.classes or 1000, recipe.input.size
    else:
        return None
    return SyntheticOptions(
        name="synthetic",
        num_classes=num_classes,
        channels=channels,
        size=size,
        train=max(_BATCHES * recipe.train.batch_size, 2 * num_classes),
        test=max(8, num_classes),
    )
