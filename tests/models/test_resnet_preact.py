"""Pre-activation ResNets: counts by formula, blocks whose sum nothing follows."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from actbench.models.resnet_preact import PreactBlock, PreactResNet

Depth = Literal[11, 20, 29, 164]


def relu(_: int) -> nn.Module:
    return nn.ReLU()


def parameters(depth: int, width: int, num_classes: int) -> int:
    """Convolutions without bias, two values of BN per channel in front of each but the stem's."""
    n = (depth - 2) // 9
    total, before = 9 * 3 * width, width
    for w in (width, 2 * width, 4 * width):
        for block in range(n):
            total += 2 * before + before * w + 2 * w + 9 * w * w + 2 * w + w * 4 * w
            total += before * 4 * w if block == 0 else 0
            before = 4 * w
    return total + 2 * before + before * num_classes + num_classes


@pytest.mark.parametrize("depth", [11, 20, 29, 164])
def test_parameters_layers_and_sites(depth: Depth) -> None:
    with torch.device("meta"):
        model = PreactResNet(relu, num_classes=10, depth=depth)
    assert sum(p.numel() for p in model.parameters()) == parameters(depth, 16, 10)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth + 3  # three shortcuts beside the chain
    n = (depth - 2) // 9
    blocks = [f"layer{s}.{b}.act{a}" for s in (1, 2, 3) for b in range(n) for a in (1, 2, 3)]
    assert model.sites() == (*blocks, "act")
    assert model.stem_sites() == ("layer1.0.act1",)


def test_the_published_network_has_1_7_million_parameters() -> None:
    assert round(parameters(164, 16, 10) / 1e6, 1) == 1.7  # as arXiv:1605.07146 counts it


def test_maps_halve_twice() -> None:
    model = PreactResNet(relu, num_classes=10, depth=11, width=4)
    shapes = []
    for layer in (model.layer1, model.layer2, model.layer3):
        layer.register_forward_hook(lambda _module, _args, y: shapes.append(tuple(y.shape[1:])))
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_initial_values_follow_the_released_code() -> None:
    model = PreactResNet(relu, num_classes=10, depth=11)
    conv = model.get_submodule("layer3.0.conv1")  # from 128 to 64 channels: fan-in would give 1/sqrt(2) of it
    assert isinstance(conv, nn.Conv2d)
    model.init_parameter(conv, "weight", conv.weight, torch.Generator().manual_seed(0))
    spread = float(conv.weight.detach().std()) / math.sqrt(2 / 64)
    assert abs(spread - 1) < 5 / math.sqrt(2 * conv.weight.numel())
    model.init_parameter(model.fc, "weight", model.fc.weight, torch.Generator().manual_seed(0))
    assert 0.98 / 16 < float(model.fc.weight.detach().abs().max()) <= 1 / 16
    model.init_parameter(model.fc, "bias", model.fc.bias, torch.Generator())
    assert not model.fc.bias.any()


def branch(block: PreactBlock, activated: Tensor) -> Tensor:
    y = block.conv2(torch.relu(block.bn2(block.conv1(activated))))
    z: Tensor = block.conv3(torch.relu(block.bn3(y)))
    return z


def test_an_identity_block_adds_its_untouched_input_and_activates_nothing_after() -> None:
    torch.manual_seed(0)
    block = PreactBlock(relu, 8, 2, stride=1).eval()
    assert block.shortcut is None
    x = torch.randn(2, 8, 6, 6)
    y = block(x)
    assert torch.equal(y, branch(block, torch.relu(block.bn1(x))) + x)
    assert (y < 0).any()


def test_a_block_that_changes_the_shape_projects_its_activated_input() -> None:
    torch.manual_seed(0)
    block = PreactBlock(relu, 8, 4, stride=2).eval()
    assert block.shortcut is not None
    x = torch.randn(2, 8, 6, 6)
    activated = torch.relu(block.bn1(x))
    assert torch.equal(block(x), branch(block, activated) + block.shortcut(activated))
    assert block(x).shape == (2, 16, 3, 3)
