"""A recipe small enough to train in a test, and its data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.data.source import DataSource
from actbench.recipe.schema import Recipe
from actbench.training.sources import DataSources

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_recipe() -> MakeRecipe:
    """A VanillaNet on generated images; keyword arguments replace blocks key by key."""

    def make(**blocks: Any) -> Recipe:
        plain: dict[str, Any] = {
            "name": "tiny",
            "profile": "smoke",
            "data": {
                "name": "synthetic",
                "num_classes": 4,
                "channels": 3,
                "size": 32,
                "train": 80,
                "test": 32,
            },
            "input": {"size": 32, "crop": "pad", "flip": 0.5, "mixup": 0.2},
            "model": {"name": "vanillanet", "width": 0.0625, "dropout": 0.3, "decay_epochs": 1},
            "arms": [
                {"name": "relu", "activation": "relu"},
                {"name": "swish", "activation": "swish"},
                {"name": "series", "activation": "series", "options": {"n": 2}},
                {"name": "lslu", "activation": "lslu", "options": {"n": 2}},
                {"name": "frozen", "activation": "lslu", "options": {"n": 2, "freeze": True}},
            ],
            "train": {"epochs": 2, "batch_size": 8, "optimizer": "adamw", "lr": 2e-3, "weight_decay": 0.05},
            "evaluation": {"val_fraction": 0.2, "batch_size": 16},
            "seeds": [0],
        }
        for key, value in blocks.items():
            plain[key] = {**plain.get(key, {}), **value} if isinstance(value, dict) else value
        return Recipe.model_validate(plain)

    return make


@pytest.fixture
def open_source() -> Callable[[Recipe], DataSource]:
    def open_(recipe: Recipe) -> DataSource:
        source = DataSources(Path("none")).of(recipe)
        assert isinstance(source, DataSource)
        return source

    return open_
