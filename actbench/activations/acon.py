"""ACON-C: a smooth maximum of two lines through zero, their slopes and the switch between them learnt.

Formula     y = (p1 - p2) * x * s + p2 * x, s = sigmoid(beta * (p1 - p2) * x)
Shapes      x: (N, C, *) -> y: same shape; p1, p2, beta: (C,) along channel_dim, or () with sharing="layer"
Dtype       y has the dtype of x; half types are computed in float32, gradients of parameters are summed there
Parameters  p1, p2, beta: learnable unless frozen, start at 1, 0, 1; weight decay: no (the project's rule for 1-D
            parameters)
Gradient    with d = p1 - p2 and h = s * (1 - s): dy/dx = p2 + d * s + beta * d^2 * x * h,
            dy/dp1 = x * s + beta * d * x^2 * h, dy/dp2 = x - dy/dp1, dy/dbeta = d^2 * x^2 * h; smooth
Source      Ma et al., 2020, arXiv:2009.04759, of which Sqish without its root is a case
Departures  starting values are our choice: p1 = 1, p2 = 0, beta = 1 is SiLU
"""

import math

import torch
from torch import Tensor

from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import make_parameter
from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function


def _value(x: Tensor, p1: Tensor, p2: Tensor, beta: Tensor) -> Tensor:
    d = p1 - p2
    return x * (p2 + d * torch.sigmoid(beta * d * x))


def _partials(
    x: Tensor, p1: Tensor, p2: Tensor, beta: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    d = p1 - p2
    s = torch.sigmoid(beta * d * x)
    # h * x first: h is 0 far out, before x^2 could overflow.
    bell = s * (1 - s) * x
    by_x = p2 + d * s + beta * d * d * bell
    square = bell * x
    by_p1 = x * s + beta * d * square
    return by_x, (by_p1, x - by_p1, d * d * square)


_acon_c = pointwise_function(_value, _partials, kernel="acon_c")


class ACONC(KernelActivation):
    """See the module's header."""

    kernel = "acon_c"
    function = staticmethod(_acon_c)
    is_pointwise = True
    operations_per_element = 16.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        p1: float = 1.0,
        p2: float = 0.0,
        beta: float = 1.0,
        sharing: Sharing = "channel",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.p1, self.p2, self.beta = (
            make_parameter(start, num_channels, sharing=sharing, freeze=freeze) for start in (p1, p2, beta)
        )
        d = p1 - p2
        switch = beta * d
        # The gate's two ends give the two lines; one of slope 0 meets infinity as 0 * inf.
        self.limits = (
            math.nan if switch == 0 else -math.inf * ((p2 if switch > 0 else p1) or math.nan),
            math.nan if switch == 0 else math.inf * ((p1 if switch > 0 else p2) or math.nan),
        )

    def arguments(self) -> Arguments:
        return Arguments((self.p1, self.p2, self.beta))

    def log_values(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.named_parameters()}
