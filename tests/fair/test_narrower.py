"""A tenth less width, in the unit that each model takes."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from actbench.fair.narrower import narrower_width
from actbench.models.catalog import ModelOptions

OPTIONS: TypeAdapter[ModelOptions] = TypeAdapter(ModelOptions)


@pytest.mark.parametrize(
    ("model", "width"),
    [
        ({"name": "vanillanet", "width": 0.125}, 0.1125),
        ({"name": "resnet", "width": 64}, 58),
        ({"name": "resnet_cifar"}, 14),
        ({"name": "resnet_cifar", "width": 5}, 4),
        ({"name": "resnet_cifar", "width": 4}, None),
        ({"name": "resnet_preact", "width": 20}, 18),
        ({"name": "retinanet"}, 58),
        ({"name": "vit", "width": 192, "heads": 3}, 174),
        ({"name": "vit", "width": 64, "heads": 16}, 48),
        ({"name": "bert_small"}, 116),
        ({"name": "bert"}, 696),
        ({"name": "bert", "weights": {"folder": "here", "sha256": "0" * 64}}, None),
        ({"name": "torchvision", "arch": "mobilenet_v2"}, 0.9),
        ({"name": "torchvision", "arch": "resnet18"}, None),
        ({"name": "cnn"}, None),
    ],
)
def test_width(model: dict[str, Any], width: float | None) -> None:
    options = OPTIONS.validate_python(model)
    assert narrower_width(options) == width
    if width is not None:
        OPTIONS.validate_python({**model, "width": width})
