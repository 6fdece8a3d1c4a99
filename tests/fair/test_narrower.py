"""A tenth less width, in the unit that each model takes."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from actbench.fair.narrower import narrower
from actbench.models.catalog import ArmModel, ModelOptions

OPTIONS: TypeAdapter[ModelOptions] = TypeAdapter(ModelOptions)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ({"name": "vanillanet", "width": 0.125}, {"width": 0.1125}),
        ({"name": "vanillanet", "widths": (40, 80, 160, 160)}, {"widths": (36, 72, 144, 144)}),
        ({"name": "resnet", "width": 64}, {"width": 58}),
        ({"name": "resnet_cifar"}, {"width": 14}),
        ({"name": "resnet_cifar", "width": 5}, {"width": 4}),
        ({"name": "resnet_cifar", "width": 4}, None),
        ({"name": "resnet_cifar", "widths": (4, 20, 21)}, {"widths": (4, 18, 19)}),
        ({"name": "resnet_cifar", "widths": (1, 2, 3)}, None),
        ({"name": "resnet_preact", "width": 20}, {"width": 18}),
        ({"name": "retinanet"}, {"width": 58}),
        ({"name": "vit", "width": 192, "heads": 3}, {"width": 174}),
        ({"name": "vit", "width": 64, "heads": 16}, {"width": 48}),
        ({"name": "bert_small"}, {"width": 116}),
        ({"name": "bert"}, {"width": 696}),
        ({"name": "bert", "weights": {"folder": "here", "sha256": "0" * 64}}, None),
        ({"name": "torchvision", "arch": "mobilenet_v2"}, {"width": 0.9}),
        ({"name": "torchvision", "arch": "resnet18"}, None),
        ({"name": "cnn"}, {"stages": ((29, 58), (115,)), "dense": ()}),
        (
            {"name": "cnn", "stages": ((6,), (16,)), "dense": (120,)},
            {"stages": ((5,), (14,)), "dense": (108,)},
        ),
        ({"name": "cnn", "stages": ((1,), (2,))}, None),
    ],
)
def test_widths(model: dict[str, Any], changes: dict[str, object] | None) -> None:
    options = OPTIONS.validate_python(model)
    assert narrower(options) == changes
    if changes is not None:
        OPTIONS.validate_python({**model, **changes})
        ArmModel.model_validate(changes)
