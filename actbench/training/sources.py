"""The data of recipes, opened once for all recipes that share it."""

from pathlib import Path

from actbench.data.source import DataSource, open_data
from actbench.recipe.schema import Recipe


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
