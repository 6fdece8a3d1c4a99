"""What activations with a depthwise convolution share: the layout they need, and BN folded into the convolution."""

import torch
from torch import nn

from actbench.errors import ActbenchError


def require_images(activation: str, channel_dim: int) -> None:
    """Raises ActbenchError unless channels stand where a convolution of N,C,H,W expects them."""
    if channel_dim not in (1, -3):
        raise ActbenchError(
            f"{activation} convolves images N,C,H,W: channel_dim must be 1, not {channel_dim}"
        )


@torch.no_grad()
def fold_batch_norm(weight: nn.Parameter, bn: nn.BatchNorm2d) -> nn.Parameter:
    """Scales a depthwise weight (C, 1, k, k) in place by BN's running statistics and returns the bias to add.

    Exact for a convolution without bias: BN(W * x) = (gain W) * x + bias.
    """
    assert bn.running_mean is not None
    assert bn.running_var is not None
    gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    weight.mul_(gain.view(-1, 1, 1, 1))
    return nn.Parameter(bn.bias - gain * bn.running_mean)
