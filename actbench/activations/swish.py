"""Swish: the input gated by a sigmoid of itself, the gate's steepness learnt.

Formula     y = x * s,  s = sigmoid(beta * x)
Shapes      x: (N, C, *) -> y: same shape; beta: (C,) along channel_dim, or () with sharing="layer"
Dtype       y has the dtype of x; half types are computed in float32, beta's gradient is summed there
Parameters  beta: learnable unless frozen, starts at `beta` (1); weight decay: no (the project's rule for 1-D
            parameters; the paper says nothing)
Gradient    dy/dx = s + beta * x * s * (1 - s); dy/dbeta = x^2 * s * (1 - s), summed over its sharers; smooth
Source      Ramachandran et al., 2017, arXiv:1710.05941, section 3
Departures  the paper leaves open whether beta is shared by a layer; here it is one per channel unless asked
            otherwise. Only the input and beta are kept for backward, which computes s again; so does the C++ kernel
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from actbench.activations.base import Activation
from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import beside, check_channels, make_parameter, widen
from actbench.activations.kernels import layout
from actbench.activations.kernels import swish as kernel


class _Swish(Function):
    """Takes beta as it broadcasts against x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, beta: Tensor) -> Tensor:
        ctx.save_for_backward(x, beta)
        wide = widen(x)
        return (torch.sigmoid(beta * wide) * wide).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, beta = ctx.saved_tensors
        wide, wide_grad = widen(x), widen(grad)
        s = torch.sigmoid(beta * wide)
        # Multiplied from the left: s * (1 - s) is 0 far out, before beta * x or x^2 could overflow.
        bell = s * (1 - s) * wide
        dx = dbeta = None
        if ctx.needs_input_grad[0]:
            dx = (wide_grad * (s + bell * beta)).to(x.dtype)
        if ctx.needs_input_grad[1]:
            dbeta = (wide_grad * (bell * wide)).sum_to_size(beta.shape).to(beta.dtype)
        return dx, dbeta


class Swish(Activation):
    """See the module's header."""

    is_pointwise = True
    operations_per_element = 14.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        beta: float = 1.0,
        sharing: Sharing = "channel",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.beta = make_parameter(beta, num_channels, sharing=sharing, freeze=freeze)
        # The side on which the gate closes is inf * 0.
        self.limits = (-math.inf if beta < 0 else math.nan, math.inf if beta > 0 else math.nan)

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" where the compiled kernel serves, else "reference"."""
        is_fast = self.beta.device.type == "cpu" and layout.is_available(kernel.LIBRARY)
        return "cpp" if is_fast else "reference"

    def forward(self, x: Tensor) -> Tensor:
        if layout.takes(kernel.LIBRARY, x):
            if self.beta.ndim:
                check_channels(x, self.num_channels, self.channel_dim)
            fast: Tensor = kernel.swish(x, self.beta.view(-1), self.channel_dim)
            return fast
        y: Tensor = _Swish.apply(x, beside(self.beta, x, self.channel_dim))
        return y

    def log_values(self) -> dict[str, Tensor]:
        return {"beta": self.beta.detach().clone()}
