"""ResNets for CIFAR: counts by formula, shortcuts without parameters."""

import math
from typing import Literal

import pytest
import torch
from torch import nn

from actbench.models.resnet_cifar import CifarBlock, CifarResNet

Depth = Literal[8, 20, 32, 56]


def relu(_: int) -> nn.Module:
    return nn.ReLU()


def parameters(depth: int, width: int, num_classes: int) -> int:
    """Section 4.2: convolutions without bias, two values of BN per channel, shortcuts for free."""
    n = (depth - 2) // 6
    total = 9 * 3 * width + 2 * width
    for c_in, c in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
        total += 9 * (c_in * c + (2 * n - 1) * c * c) + 2 * n * 2 * c
    return total + 4 * width * num_classes + num_classes


@pytest.mark.parametrize(("depth", "known"), [(8, 75_290), (20, 269_722), (32, 464_154), (56, 853_018)])
def test_parameters(depth: Depth, known: int) -> None:
    with torch.device("meta"):
        model = CifarResNet(relu, num_classes=10, depth=depth)
    assert sum(p.numel() for p in model.parameters()) == parameters(depth, 16, 10) == known


def test_parameters_at_another_width() -> None:
    with torch.device("meta"):
        model = CifarResNet(relu, num_classes=100, depth=20, width=12)
    assert sum(p.numel() for p in model.parameters()) == parameters(20, 12, 100)


@pytest.mark.parametrize("depth", [8, 20, 32, 56])
def test_layers_and_sites(depth: Depth) -> None:
    with torch.device("meta"):
        model = CifarResNet(relu, num_classes=10, depth=depth)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    assert len(model.sites()) == depth - 1  # every layer but the classifier
    n = (depth - 2) // 6
    blocks = [f"layer{s}.{b}.act{a}" for s in (1, 2, 3) for b in range(n) for a in (1, 2)]
    assert model.sites() == ("act1", *blocks)
    assert model.stem_sites() == ("act1",)


def test_maps_halve_twice_and_channels_double() -> None:
    model = CifarResNet(relu, num_classes=10, depth=8, width=4)
    shapes = []
    for layer in (model.layer1, model.layer2, model.layer3):
        layer.register_forward_hook(lambda _module, _args, y: shapes.append(tuple(y.shape[1:])))
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert shapes == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]


def test_shortcut_takes_every_second_pixel_and_pads_with_zero_channels() -> None:
    block = CifarBlock(lambda _: nn.Identity(), 2, 4, stride=2).eval()
    nn.init.zeros_(block.bn2.get_parameter("weight"))  # silences the branch
    x = torch.arange(2 * 4 * 4, dtype=torch.float32).view(1, 2, 4, 4)
    want = torch.zeros(1, 4, 2, 2)
    want[0, 0] = torch.tensor([[0.0, 2.0], [8.0, 10.0]])
    want[0, 1] = torch.tensor([[16.0, 18.0], [24.0, 26.0]])
    assert torch.equal(block(x), want)


def test_block_sums_branch_and_identity_before_the_last_activation() -> None:
    torch.manual_seed(0)
    block = CifarBlock(relu, 3, 3, stride=1).eval()
    x = torch.randn(2, 3, 8, 8)
    branch = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
    assert torch.equal(block(x), torch.relu(branch + x))


def test_initial_convolutions_are_normal_by_fan_in() -> None:
    model = CifarResNet(relu, num_classes=10, depth=20)
    conv = model.get_submodule("layer3.0.conv1")
    assert isinstance(conv, nn.Conv2d)
    model.init_parameter(conv, "weight", conv.weight, torch.Generator().manual_seed(0))
    want = math.sqrt(2 / (32 * 9))  # fan-out would give 1/sqrt(2) of it
    assert abs(float(conv.weight.detach().std()) / want - 1) < 5 / math.sqrt(2 * conv.weight.numel())
    model.init_parameter(model.fc, "bias", model.fc.bias, torch.Generator())
    assert not model.fc.bias.any()
