"""The data of recipes, opened once for all recipes that share it."""

import math
from pathlib import Path

from actbench.data.source import DataSource, open_data
from actbench.errors import ActbenchError
from actbench.recipe.schema import Recipe


def check_batches(recipe: Recipe, source: DataSource) -> None:
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
        self._opened: dict[str, DataSource] = {}

    def of(self, recipe: Recipe) -> DataSource:
        """The recipe's data, split as its protocol wants it. Raises DataError."""
        held_out = recipe.evaluation.protocol == "held-out"
        fraction = recipe.evaluation.val_fraction if held_out else None
        key = "\n".join(
            [recipe.data.model_dump_json(), recipe.input.model_dump_json(), f"{recipe.limit} {fraction}"]
        )
        if key not in self._opened:
            self._opened[key] = open_data(
                recipe.data, recipe.input, data_dir=self._data_dir, limit=recipe.limit, val_fraction=fraction
            )
        return self._opened[key]
