"""PReLU: leaky ReLU whose slope below zero is learnt.

Formula     y = max(x, 0) + slope * min(x, 0)
Shapes      x: (N, C, *) -> y: same shape; slope: (C,) along channel_dim, or () with sharing="layer"
Dtype       y has the dtype of x; half types are computed in float32, the slope's gradient is summed there
Parameters  weight (the slope, under torch.nn.PReLU's key): learnable unless frozen, starts at `init` (0.25);
            weight decay: no (the paper, section 2, says that decay would push it to zero)
Gradient    dy/dx = 1 where x > 0, else slope, also at x = 0; dy/dslope = min(x, 0), summed over its sharers
Source      He et al., 2015, arXiv:1502.01852, section 2
Departures  none; only the input and the slope are kept for backward
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from actbench.activations.base import Activation
from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import beside, make_parameter, widen


class _PReLU(Function):
    """Takes the slope as it broadcasts against x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        wide = widen(x)
        return (wide.clamp(max=0) * slope + wide.relu()).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, slope = ctx.saved_tensors
        wide, wide_grad = widen(x), widen(grad)
        dx = dslope = None
        if ctx.needs_input_grad[0]:
            positive = torch.ops.aten.threshold_backward(wide_grad, wide, 0)
            dx = (positive + (wide_grad - positive) * slope).to(x.dtype)
        if ctx.needs_input_grad[1]:
            dslope = (wide_grad * wide.clamp(max=0)).sum_to_size(slope.shape).to(slope.dtype)
        return dx, dslope


class PReLU(Activation):
    """See the module's header."""

    is_pointwise = True
    operations_per_element = 2.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        init: float = 0.25,
        sharing: Sharing = "channel",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.weight = make_parameter(init, num_channels, sharing=sharing, freeze=freeze)
        self.limits = (-math.inf * init, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _PReLU.apply(x, beside(self.weight, x, self.channel_dim))
        return y

    def log_values(self) -> dict[str, Tensor]:
        return {"slope": self.weight.detach().clone()}
