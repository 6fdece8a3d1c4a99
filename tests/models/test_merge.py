import pytest
import torch
from torch import Tensor, nn

from actbench.models.merge import fold_batch_norm, merge_pointwise

EPS = torch.finfo(torch.float32).eps / 2


def random_conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride)
    nn.init.normal_(conv.weight, std=0.3)
    return conv


def random_bn(channels: int) -> nn.BatchNorm2d:
    bn = nn.BatchNorm2d(channels, eps=1e-6).eval()
    for tensor in (bn.weight, bn.bias, bn.running_mean):
        assert tensor is not None
        nn.init.normal_(tensor)
    assert bn.running_var is not None
    nn.init.uniform_(bn.running_var, 0.1, 2.0)
    return bn


@pytest.mark.parametrize("bias", [True, False])
def test_fold_by_hand(bias: bool) -> None:
    conv = nn.Conv2d(1, 1, 1, bias=bias)
    bn = nn.BatchNorm2d(1, eps=0.0).eval()
    assert bn.running_mean is not None
    assert bn.running_var is not None
    with torch.no_grad():
        conv.weight.fill_(3.0)
        if conv.bias is not None:
            conv.bias.fill_(5.0)
        bn.weight.fill_(2.0)
        bn.bias.fill_(-1.0)
        bn.running_mean.fill_(0.5)
        bn.running_var.fill_(16.0)
    folded = fold_batch_norm(conv, bn)
    # g = 2 / 4: W' = 3/2, b' = -1 + (b - 0.5) / 2
    assert folded.weight.item() == 1.5
    assert folded.bias is not None
    assert folded.bias.item() == (1.25 if bias else -1.25)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.Conv2d(3, 6, 7, bias=False, stride=2, padding=3),
        nn.Conv2d(6, 6, 3, groups=6, dilation=2, padding="same"),
        nn.Conv2d(4, 6, 1, groups=2),
    ],
    ids=["same", "stem", "depthwise-dilated", "grouped"],
)
def test_fold_keeps_the_function_for_every_shape_of_convolution(conv: nn.Conv2d) -> None:
    torch.manual_seed(0)
    conv, bn = conv.double(), random_bn(6).double()
    x = torch.randn(2, conv.in_channels, 9, 9, dtype=torch.float64)
    assert (fold_batch_norm(conv, bn)(x) - bn(conv(x))).abs().max() < 1e-12


def absolute(conv: nn.Conv2d, bn: nn.BatchNorm2d, magnitude: Tensor) -> Tensor:
    """The layer with every term taken by its absolute value, in float64: what rounding errors scale with."""
    assert conv.bias is not None
    assert bn.running_mean is not None
    assert bn.running_var is not None
    y = nn.functional.conv2d(magnitude, conv.weight.double().abs(), stride=conv.stride)
    scale = bn.weight.double().abs() / (bn.running_var.double() + bn.eps).sqrt()
    shift = conv.bias.double().abs() + bn.running_mean.double().abs()
    column = (y + shift.view(-1, 1, 1)) * scale.view(-1, 1, 1)
    return column + bn.bias.double().abs().view(-1, 1, 1)


def test_merged_pair_agrees_within_the_float32_rounding_bound() -> None:
    torch.manual_seed(0)
    conv1, bn1 = random_conv(3, 32, 4, stride=4), random_bn(32)
    conv2, bn2 = random_conv(32, 24, 1), random_bn(24)
    x = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        chained = bn2(conv2(bn1(conv1(x))))
        merged = merge_pointwise(fold_batch_norm(conv1, bn1), fold_batch_norm(conv2, bn2))
        y = merged(x)
        # A chain of k rounded operations errs by at most gamma(k) = k u / (1 - k u) times the sum of absolute
        # values. Chained: two dot products (48 and 32 terms, biases), two BNs of under 8 operations each.
        # Merged: weights rounded once, one dot product. Together below twice the longer chain.
        magnitude = absolute(conv2, bn2, absolute(conv1, bn1, x.double().abs()))
    k = 48 + 32 + 2 + 2 * 8
    bound = 2 * k * EPS / (1 - k * EPS) * magnitude
    assert y.dtype == torch.float32
    difference = (y.double() - chained.double()).abs()
    assert (difference <= bound).all()
    assert difference.max() > 0  # two computations, not the same one twice


def test_merge_runs_where_there_is_no_data() -> None:
    with torch.device("meta"):
        merged = merge_pointwise(nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 5, 1))
    assert merged.weight.shape == (5, 3, 4, 4)
    assert merged.weight.is_meta
    assert (merged.in_channels, merged.out_channels, merged.stride) == (3, 5, (4, 4))
