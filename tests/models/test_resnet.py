"""ResNet: torchvision's architecture and names to the last bit, with an own activation at every site."""

import math
from typing import Literal

import pytest
import torch
import torchvision
from torch import nn

from actbench.models.resnet import ResNet

Depth = Literal[18, 34, 50]


def relu(_: int) -> nn.Module:
    return nn.ReLU()


def torchvision_resnet(depth: Depth, num_classes: int = 1000) -> nn.Module:
    builders = {
        18: torchvision.models.resnet18,
        34: torchvision.models.resnet34,
        50: torchvision.models.resnet50,
    }
    model: nn.Module = builders[depth](weights=None, num_classes=num_classes)
    return model


@pytest.mark.parametrize(("depth", "sites"), [(18, 17), (34, 33), (50, 49)])
def test_sites(depth: Depth, sites: int) -> None:
    with torch.device("meta"):
        model = ResNet(relu, num_classes=10, depth=depth)
    assert len(model.sites()) == sites
    assert model.sites()[:3] == ("act1", "layer1.0.act1", "layer1.0.act2")
    assert model.sites()[-1] == f"layer4.{1 if depth == 18 else 2}.act{3 if depth == 50 else 2}"
    assert model.stem_sites() == ("act1",)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_state_dict_is_torchvisions(depth: Depth) -> None:
    with torch.device("meta"):
        ours = ResNet(relu, num_classes=1000, depth=depth).state_dict()
        theirs = torchvision_resnet(depth).state_dict()
    assert {key: tensor.shape for key, tensor in ours.items()} == {
        key: tensor.shape for key, tensor in theirs.items()
    }


@pytest.mark.parametrize("depth", [18, 50])
def test_equals_torchvision_bit_for_bit(depth: Depth) -> None:
    torch.manual_seed(0)
    theirs = torchvision_resnet(depth, num_classes=10)
    ours = ResNet(relu, num_classes=10, depth=depth)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(ours.train()(x), theirs.train()(x))
    for name, tensor in theirs.state_dict().items():  # running statistics of that step
        assert torch.equal(ours.state_dict()[name], tensor), name
    got, want = ours.eval()(x), theirs.eval()(x)
    assert torch.equal(got, want)
    got.square().sum().backward()
    want.square().sum().backward()
    theirs_by_name = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None
        other = theirs_by_name[name].grad
        assert other is not None
        assert torch.equal(parameter.grad, other), name


@pytest.mark.parametrize(("stem", "side"), [("imagenet", 8), ("cifar", 32)])
def test_stem(stem: Literal["imagenet", "cifar"], side: int) -> None:
    model = ResNet(relu, num_classes=10, width=4, stem=stem)
    seen: list[torch.Size] = []
    model.layer1.register_forward_pre_hook(lambda _module, args: seen.append(args[0].shape))
    model(torch.randn(2, 3, 32, 32))
    assert seen == [torch.Size((2, 4, side, side))]


def test_parameters_of_the_small_image_resnet18() -> None:
    # The widely used ResNet-18 for 32x32: 3x3 stem of 64 channels, no pool.
    with torch.device("meta"):
        model = ResNet(relu, num_classes=10, stem="cifar")
    stem = 3 * 64 * 9 + 2 * 64
    layers = 0
    for c_in, c_out in ((64, 64), (64, 128), (128, 256), (256, 512)):
        layers += 9 * (c_in * c_out + 3 * c_out * c_out) + 4 * 2 * c_out
        layers += (c_in * c_out + 2 * c_out) if c_in != c_out else 0
    assert sum(p.numel() for p in model.parameters()) == stem + layers + 512 * 10 + 10 == 11_173_962


@pytest.mark.parametrize("depth", [18, 50])
def test_dropout_on_every_branch_before_the_sum_and_before_the_classifier(depth: Depth) -> None:
    torch.manual_seed(0)
    model = ResNet(relu, num_classes=10, depth=depth, width=4, stem="cifar", dropout=0.25)
    blocks = [module for name, module in model.named_modules() if name.count(".") == 1 and "layer" in name]
    drops = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(drops) == len(blocks) + 1
    assert {drop.p for drop in drops} == {0.25}
    # With every branch dropped, an identity block hands its (non-negative) input through unchanged.
    block = model.layer1[1]
    assert isinstance(block.dropout, nn.Dropout)
    block.dropout.p = 1.0
    x = torch.rand(2, 4 if depth == 18 else 16, 8, 8)
    assert torch.equal(block.train()(x), x)
    # With its features dropped, the classifier is left with its bias.
    model.dropout.p = 1.0
    assert torch.equal(model.train()(torch.randn(2, 3, 32, 32)), model.fc.bias.expand(2, 10))


def test_initial_values_by_fan() -> None:
    model = ResNet(relu, num_classes=100, stem="cifar")
    conv = model.get_submodule("layer3.0.conv1")
    assert isinstance(conv, nn.Conv2d)
    model.init_parameter(conv, "weight", conv.weight, torch.Generator().manual_seed(0))
    # fan-out of 128 -> 256 channels and 3x3: std sqrt(2 / (256 * 9)); fan-in would give sqrt(2) times as much
    want = math.sqrt(2 / (256 * 9))
    assert abs(float(conv.weight.detach().std()) / want - 1) < 5 / math.sqrt(2 * conv.weight.numel())
    bound = 1 / math.sqrt(512)
    for key in ("weight", "bias"):
        parameter = model.fc.get_parameter(key)
        model.init_parameter(model.fc, key, parameter, torch.Generator().manual_seed(0))
        assert float(parameter.detach().abs().max()) <= bound
    # 51,200 uniform draws: none within a thousandth of the bound has probability e^-51
    assert float(model.fc.weight.detach().abs().max()) > 0.999 * bound
    bn = model.get_submodule("layer3.0.bn1")
    assert isinstance(bn, nn.BatchNorm2d)
    for key, value in (("weight", 1.0), ("bias", 0.0)):
        with torch.no_grad():
            bn.get_parameter(key).fill_(7.0)
        model.init_parameter(bn, key, bn.get_parameter(key), torch.Generator())
        assert (bn.get_parameter(key) == value).all()
