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

import torch
from torch import Tensor

from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import make_parameter
from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function


def _value(x: Tensor, beta: Tensor) -> Tensor:
    return torch.sigmoid(beta * x) * x


def _partials(x: Tensor, beta: Tensor) -> tuple[Tensor, tuple[Tensor]]:
    s = torch.sigmoid(beta * x)
    # Multiplied from the left: s * (1 - s) is 0 far out, before beta * x or x^2 could overflow.
    bell = s * (1 - s) * x
    return s + bell * beta, (bell * x,)


_swish = pointwise_function(_value, _partials, kernel="swish")


class Swish(KernelActivation):
    """See the module's header."""

    kernel = "swish"
    function = staticmethod(_swish)
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

    def arguments(self) -> Arguments:
        return Arguments((self.beta,))

    def log_values(self) -> dict[str, Tensor]:
        return {"beta": self.beta.detach().clone()}
