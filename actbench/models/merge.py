"""Exact merging of convolutions and batch normalisations for inference (arXiv:2305.12972).

The arithmetic runs in float64, so that a merged weight is rounded once and no TF32 matrix product enters it.
"""

import torch
from torch import Tensor, nn


def _exact(tensor: Tensor) -> Tensor:
    # MPS knows no float64.
    return tensor.detach().to("cpu" if tensor.device.type == "mps" else tensor.device, torch.float64)


def _bias(conv: nn.Conv2d) -> Tensor:
    return _exact(conv.bias) if conv.bias is not None else _exact(conv.weight.new_zeros(conv.out_channels))


def _convolution(like: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """A convolution with these values; stride, padding, dilation, groups, device and dtype as in `like`."""
    conv = nn.Conv2d(
        like.in_channels,
        weight.shape[0],
        (like.kernel_size[0], like.kernel_size[1]),
        stride=(like.stride[0], like.stride[1]),
        padding=like.padding if isinstance(like.padding, str) else (like.padding[0], like.padding[1]),
        dilation=(like.dilation[0], like.dilation[1]),
        groups=like.groups,
        device="meta",
    )
    conv.weight = nn.Parameter(weight.to(like.weight), requires_grad=False)
    conv.bias = nn.Parameter(bias.to(like.weight), requires_grad=False)
    return conv


def fold_batch_norm(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """The convolution that computes `bn(conv(x))` in eval mode: W' = g W, b' = beta + g (b - mean)."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = _exact(bn.weight) / torch.sqrt(_exact(bn.running_var) + bn.eps)
    bias = _exact(bn.bias) + (_bias(conv) - _exact(bn.running_mean)) * scale
    return _convolution(conv, _exact(conv.weight) * scale.view(-1, 1, 1, 1), bias)


def fold_in_place_of(conv: nn.Conv2d, bn: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    """The folded convolution and an identity, to stand where a convolution and its BN stood."""
    assert isinstance(bn, nn.BatchNorm2d)
    return fold_batch_norm(conv, bn), nn.Identity()


def channel_affine(bn: nn.Module) -> nn.Conv2d:
    """The depthwise 1x1 convolution that computes `bn(x)` in eval mode, for a BN that follows no convolution."""
    assert isinstance(bn, nn.BatchNorm2d)
    channels = bn.num_features
    identity = nn.Conv2d(channels, channels, 1, groups=channels, bias=False).to(bn.weight)
    nn.init.ones_(identity.weight)
    return fold_batch_norm(identity, bn)


def merge_pointwise(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """The convolution that computes `second(first(x))`; `second` is 1x1, stride 1, without padding or groups.

    Exact at borders too, because the second convolution sees no padding.
    """
    assert second.kernel_size == (1, 1)
    assert second.stride == (1, 1)
    assert second.padding == (0, 0)
    assert second.groups == 1
    mix = _exact(second.weight).flatten(1)
    weight = (mix @ _exact(first.weight).flatten(1)).view(-1, *first.weight.shape[1:])
    return _convolution(first, weight, mix @ _bias(first) + _bias(second))
