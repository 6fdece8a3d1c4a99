"""A fixed gain behind an activation: y = g * f(x), for starts at which all arms' outputs are equally large.

Formula     y = g * f(x), f the activation, g one number that is set before training and never learnt
Shapes      x: what f takes -> y: as f gives it; gain (), a buffer
Dtype       y has the dtype of f(x); the product is taken in at least float32
Parameters  those of f
Gradient    dy/dx = g f'(x)
Source      none; as layer-sequential starts do for weights (Mishkin and Matas, 2015, arXiv:1511.06422)
Departures  the gain stands behind the activation and not in the next layer's weights, which stay those of every arm
"""

import torch
from torch import Tensor, nn

from actbench.activations.channelwise import widen
from actbench.activations.wrapped import Wrapped


class FixedGain(Wrapped):
    """See the module's header; the gain starts at 1."""

    def __init__(self, inner: nn.Module, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__(inner, num_channels, channel_dim)
        self.register_buffer("gain", torch.ones(()))
        self.gain: Tensor
        self.operations_per_element += 1

    def forward(self, x: Tensor) -> Tensor:
        return self.applied_to(self.inner(x))

    def applied_to(self, y: Tensor) -> Tensor:
        """g * y."""
        return (widen(y) * self.gain).to(y.dtype)
