"""The data of recipes, opened once for all recipes that share it."""

import math
from pathlib import Path

from actbench.data.catalog import CocoOptions, ShapesOptions, TextOptions
from actbench.data.source import Source, open_data, open_detection, open_text
from actbench.errors import ActbenchError
from actbench.models.catalog import ENTRIES as MODELS
from actbench.recipe.schema import Recipe


def check_batches(recipe: Recipe, source: Source) -> None:
    """Raises ActbenchError if a batch, or a part of one, would be a single image: batch norm has no variance then."""
    images = min(recipe.train.batch_size, source.num_train)
    part = math.ceil(images / recipe.train.accumulation)
    if (images % part or part) < 2:
        raise ActbenchError(
            f"{recipe.name}: a training step would see a single image ({source.num_train} training images, batch_size "
            f"{recipe.train.batch_size}, accumulation {recipe.train.accumulation})",
            hints=[
                "batch normalisation needs two or more: raise --limit or train.batch_size, lower train.accumulation"
            ],
        )


class DataSources:
    """Data sets below one folder, by what a recipe asks of them."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._opened: dict[str, Source] = {}

    def of(self, recipe: Recipe) -> Source:
        """The recipe's data, split as its protocol wants it. Raises DataError."""
        held_out = recipe.evaluation.protocol != "best-test"
        fraction = recipe.evaluation.val_fraction if held_out else None
        masks = MODELS[recipe.model.name].predicts_masks
        asked = f"{recipe.limit} {fraction} {masks}"
        key = "\n".join([recipe.data.model_dump_json(), recipe.input.model_dump_json(), asked])
        if key not in self._opened:
            self._opened[key] = self._open(recipe, fraction, masks=masks)
        return self._opened[key]

    def _open(self, recipe: Recipe, fraction: float | None, *, masks: bool) -> Source:
        data, settings, limit, folder = recipe.data, recipe.input, recipe.limit, self._data_dir
        if isinstance(data, CocoOptions | ShapesOptions):
            return open_detection(
                data, settings, data_dir=folder, limit=limit, val_fraction=fraction, masks=masks
            )
        if isinstance(data, TextOptions):
            return open_text(data, settings, data_dir=folder, limit=limit, val_fraction=fraction)
        return open_data(data, settings, data_dir=folder, limit=limit, val_fraction=fraction)
