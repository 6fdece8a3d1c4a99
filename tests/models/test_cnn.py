"""Plain convolutional networks: counts by hand, order of layers, maps of any side."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from actbench.models.catalog import PUBLISHED_CNNS, CNNOptions
from actbench.models.cnn import CNN
from actbench.models.create import create_model
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe


def relu(_: int) -> nn.Module:
    return nn.ReLU()


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_lenet_has_its_known_shape() -> None:
    # Convolutions 5*5*3*6+6, 5*5*6*16+16; linear layers 400*120+120, 120*84+84, 84*10+10.
    options = PUBLISHED_CNNS["LeNet"]
    model = create_model(options, num_classes=10, in_channels=3, act=relu)
    assert parameters(model) == 456 + 2_416 + 48_120 + 10_164 + 850 == 62_006
    assert model.sites() == ("features.0.act", "features.3.act", "hidden.0.act", "hidden.1.act")
    assert model.stem_sites() == ("features.0.act",)
    assert options.side_after(32) == 5


def test_stages_norms_and_dense_layers_add_up() -> None:
    model = CNN(
        relu, num_classes=7, in_channels=1, stages=((4, 6), (8,)), batch_norm=True, map_side=3, dense=(5,)
    )
    convolutions = (9 * 1 * 4 + 4) + (9 * 4 * 6 + 6) + (9 * 6 * 8 + 8)
    assert parameters(model) == convolutions + 2 * (4 + 6 + 8) + (8 * 9 * 5 + 5) + (5 * 7 + 7)
    assert len(model.sites()) == 4


def test_the_pool_follows_the_activation_and_the_map_is_flattened_as_it_is() -> None:
    model = CNN(relu, num_classes=2, in_channels=1, stages=((3,),), map_side=4, dropout=0.5).eval()
    x = torch.randn(2, 1, 8, 8)
    conv = model.get_submodule("features.0.conv")
    want = nn.functional.max_pool2d(torch.relu(conv(x)), 2).flatten(1)
    seen: list[Tensor] = []
    model.fc.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    model(x)
    assert torch.equal(seen[0], want)


def test_a_map_of_another_side_is_averaged() -> None:
    model = CNN(relu, num_classes=2, stages=((3,),), map_side=1, pool="average").eval()
    x = torch.randn(2, 3, 8, 8)
    conv = model.get_submodule("features.0.conv")
    want = model.fc(torch.relu(conv(x)).mean((2, 3)))
    assert torch.allclose(model(x), want, atol=1e-6)


@pytest.mark.parametrize(
    ("padding", "side", "left"), [("same", 32, 8), ("same", 28, 7), ("valid", 32, 5), ("valid", 28, 4)]
)
def test_the_map_left_behind_the_stages(padding: Any, side: int, left: int) -> None:
    options = CNNOptions(name="cnn", stages=((2,), (2,)), kernel=5, padding=padding)
    model = CNN(relu, num_classes=2, **options.model_dump(exclude={"name"}))
    assert model.features(torch.zeros(1, 3, side, side)).shape[-1] == left == options.side_after(side)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stages": ()}, "every stage needs a convolution"),
        ({"stages": ((4,), ())}, "every stage needs a convolution"),
        ({"stages": ((4,), (0,))}, "a width of 0"),
        ({"dense": (70_000,)}, "a width of 70000"),
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CNNOptions(name="cnn", **wrong)


def test_a_recipe_whose_images_are_too_small_for_the_stages_is_refused() -> None:
    options = {"size": 28, "normalize": "half"}
    body = load_recipe("rational_lenet_c100", profile="smoke").recipes[0].model_dump()
    with pytest.raises(
        ValidationError, match=r"28 pixels are too few: the stages leave a map of side 4, and model.map_side"
    ):
        Recipe.model_validate({**body, "input": options})
