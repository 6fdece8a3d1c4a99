"""APALU: a scaled sum of the identity and a logistic GELU above zero, a scaled ELU below.

Formula     y = a * (x + x * s), s = sigmoid(1.702 * x), where x >= 0; y = b * (exp(x) - 1) elsewhere
Shapes      x: (N, C, *) -> y: same shape; a, b: () for the layer, or (C,) along channel_dim with sharing="channel"
Dtype       y has the dtype of x; half types are computed in float32, gradients of a and b are summed there
Parameters  a, b > 0: learnable unless frozen, start at 0.55 and 0.065; what is learnt is their inverse softplus, or
            with positive="none" they themselves; weight decay: no (it would pull the slope 2a to 0; our choice)
Gradient    x >= 0: dy/dx = a * (1 + s + 1.702 * x * s * (1 - s)), dy/da = x * (1 + s); x < 0: dy/dx = b * exp(x),
            dy/db = exp(x) - 1. At the kink x = 0 the right slope, 1.5 * a; smooth there only if b = 1.5 * a
Source      Subramanian et al., 2024, arXiv:2402.08244
Departures  the paper's starting values, sharing and way to keep a and b positive are not known to us: 0.55 and 0.065
            are those of public re-implementations, softplus and one pair per layer are our choice. The paper's claim
            of differentiability holds only on the line b = 1.5 * a
"""

import math

import torch
from torch import Tensor

from actbench.activations.catalog import Positive, Sharing
from actbench.activations.channelwise import make_parameter
from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function
from actbench.activations.positive import inverse_softplus, softplus

_GATE = 1.702
"""The logistic function at 1.702 * x is near the normal distribution function at x: Hendrycks and Gimpel, 2016."""


def _below(x: Tensor) -> tuple[Tensor, Tensor]:
    """exp and expm1 of min(x, 0); (e^x - 1) = tanh(x / 2) * (e^x + 1) loses no digits near 0 and vectorises."""
    below = x.clamp(max=0)
    power = below.exp()
    return power, (below / 2).tanh() * (power + 1)


def _value(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    # relu(x) before the gate: nothing overflows that the result does not.
    return a * x.relu() * (1 + torch.sigmoid(_GATE * x)) + b * _below(x)[1]


def _partials(x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    s = torch.sigmoid(_GATE * x)
    power, shifted = _below(x)
    above = (x >= 0).to(x.dtype)
    # power is 1 above zero, so each product is exactly 0 on the other's side.
    by_x = a * (above * (1 + s + s * (1 - s) * x * _GATE)) + b * (power - above)
    return by_x, (x.relu() * (1 + s), shifted)


_apalu = pointwise_function(_value, _partials, kernel="apalu")


class APALU(KernelActivation):
    """See the module's header."""

    kernel = "apalu"
    function = staticmethod(_apalu)
    is_pointwise = True
    operations_per_element = 28.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        a: float = 0.55,
        b: float = 0.065,
        sharing: Sharing = "layer",
        positive: Positive = "softplus",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.positive = positive
        starts = (a, b) if positive == "none" else (inverse_softplus(a), inverse_softplus(b))
        self.raw_a, self.raw_b = (
            make_parameter(start, num_channels, sharing=sharing, freeze=freeze) for start in starts
        )
        self.limits = (-b, math.inf)

    def values(self) -> tuple[Tensor, Tensor]:
        """a and b as the formula takes them."""
        if self.positive == "none":
            return self.raw_a, self.raw_b
        return softplus(self.raw_a), softplus(self.raw_b)

    def arguments(self) -> Arguments:
        return Arguments(self.values())

    def log_values(self) -> dict[str, Tensor]:
        a, b = (value.detach().clone() for value in self.values())
        return {"a": a, "b": b}
