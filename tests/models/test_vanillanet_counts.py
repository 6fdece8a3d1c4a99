"""VanillaNet's published sizes: parameters and multiply-accumulates in train and deploy form."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from actbench.models.network import ActivationFactory
from actbench.models.vanillanet import VanillaNet


class SeriesLike(nn.Module):
    """Stand-in with the parameters and the multiplications of VanillaNet's series activation."""

    def __init__(self, channels: int, n: int = 3) -> None:
        super().__init__()
        side = 2 * n + 1
        self.conv = nn.Conv2d(channels, channels, side, padding=n, groups=channels, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(torch.relu(x)))
        return y

    def deploy(self) -> nn.Module:
        self.conv.bias = nn.Parameter(self.conv.weight.new_zeros(self.conv.out_channels))
        self.bn = nn.Identity()
        return self


class LSLULike(SeriesLike):
    """With theta and omega, n of each, which also stay in the deploy form."""

    def __init__(self, channels: int, n: int = 3) -> None:
        super().__init__(channels, n)
        self.alphas = nn.Parameter(torch.ones(n))
        self.biases = nn.Parameter(torch.zeros(n))


def on_meta(depth: int = 5, num_classes: int = 1000, act: ActivationFactory = SeriesLike) -> VanillaNet:
    with torch.device("meta"):
        model = VanillaNet(act, num_classes=num_classes, depth=depth)
    model.set_deep_lambda(1.0)
    return model


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def gmacs(model: nn.Module, side: int) -> float:
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(1, 3, side, side, device="meta"))
    return float(counter.get_total_flops()) / 2 / 1e9


# The published architecture with the series activation, n = 3, 1000 classes: millions of parameters and GMACs
# at 224 pixels, train then deploy form each. The deploy form's are, to their digits, the published columns.
PUBLISHED = {
    5: ("22.329", "15.523", "8.45", "5.16"),
    6: ("56.117", "32.509", "10.10", "5.99"),
    7: ("56.670", "32.798", "11.83", "6.89"),
    8: ("65.176", "37.096", "13.49", "7.74"),
    9: ("73.681", "41.395", "15.16", "8.58"),
    10: ("82.186", "45.694", "16.82", "9.42"),
    11: ("90.692", "49.993", "18.48", "10.26"),
    12: ("99.197", "54.291", "20.15", "11.10"),
    13: ("107.702", "58.590", "21.81", "11.94"),
}


@pytest.mark.parametrize("depth", list(PUBLISHED))
def test_parameters_and_macs_are_the_published_ones(depth: int) -> None:
    model = on_meta(depth)
    trained = (f"{count(model) / 1e6:.3f}", f"{gmacs(model, 224):.2f}")
    model.deploy()
    deployed = (f"{count(model) / 1e6:.3f}", f"{gmacs(model, 224):.2f}")
    assert (trained[0], deployed[0], trained[1], deployed[1]) == PUBLISHED[depth]


@pytest.mark.parametrize(
    ("act", "classes", "train", "deploy", "at_224", "at_32"),
    [
        (SeriesLike, 10, "17.2699", "11.4673", "5.1571", "0.1053"),
        (LSLULike, 10, "17.2853", "11.4826", "5.1571", "0.1053"),
        (SeriesLike, 100, "17.6488", "11.8360", "5.1575", "0.1057"),
        (LSLULike, 100, "17.6642", "11.8514", "5.1575", "0.1057"),
    ],
)
def test_counts_on_cifar(
    act: type[SeriesLike], classes: int, train: str, deploy: str, at_224: str, at_32: str
) -> None:
    model = on_meta(num_classes=classes, act=act)
    dead = dead_entries(model)
    assert f"{(count(model) + dead) / 1e6:.4f}" == train
    model.deploy()
    assert f"{(count(model) + dead) / 1e6:.4f}" == deploy
    assert f"{gmacs(model, 224):.4f}" == at_224
    assert f"{gmacs(model, 32):.4f}" == at_32


@pytest.mark.parametrize(
    ("n", "train", "deploy"),
    [
        (1, "17.357", "11.544"),
        (2, "17.480", "11.667"),
        (3, "17.664", "11.851"),
        (4, "17.910", "12.097"),
        (5, "18.217", "12.404"),
        (6, "18.586", "12.773"),
        (7, "19.016", "13.203"),
    ],
)
def test_lslu_counts_by_n(n: int, train: str, deploy: str) -> None:
    model = on_meta(num_classes=100, act=lambda channels: LSLULike(channels, n))
    dead = dead_entries(model)
    assert f"{(count(model) + dead) / 1e6:.3f}" == train
    assert f"{(count(model.deploy()) + dead) / 1e6:.3f}" == deploy


def dead_entries(model: VanillaNet) -> int:
    """The official LSLU sizes theta and omega by the channels and uses the first n: 2 (dim - n) are dead."""
    return sum(
        2 * (site.conv.out_channels - site.alphas.numel())
        for site in map(model.get_submodule, model.sites())
        if isinstance(site, LSLULike)
    )


STRIDES = {
    5: "222",
    6: "2221",
    7: "12221",
    8: "122121",
    9: "1221121",
    10: "12211121",
    11: "122111121",
    12: "1221111121",
    13: "12211111121",
}


@pytest.mark.parametrize("depth", list(STRIDES))
def test_depth_counts_the_nonlinear_layers_and_the_head(depth: int) -> None:
    model = on_meta(depth)
    assert len(model.sites()) + 1 == depth
    assert model.sites()[0] == "stem.act"
    assert model.sites()[-1] == f"stages.{depth - 3}.act"
    pools = "".join("2" if isinstance(stage.pool, nn.MaxPool2d) else "1" for stage in model.stages)
    assert pools == STRIDES[depth]
