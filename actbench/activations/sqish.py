"""Sqish: a leaky ReLU made smooth by the square root of a sigmoid, and the candidate without the root.

Formula     y = a * x + (1 - a) * x * g, g = (1 + beta * exp(-2 * gamma * (1 - a) * x))^-p;
            p = 1/2 with form="sqrt", p = 1 with form="sigmoid"
Shapes      x: (N, C, *) -> y: same shape; a, beta, gamma: () for the layer, or (C,) with sharing="channel"
Dtype       y has the dtype of x; half types are computed in float32, gradients of parameters are summed there
Parameters  a, beta > 0, gamma > 0: learnable unless frozen, start at 0.05, 1, 1; beta and gamma are learnt as inverse
            softplus; weight decay: no (nothing is known of the paper's choice)
Gradient    with q = 1 - g^(1/p): dy/dx = a + (1 - a) * g + 2p * (1 - a)^2 * gamma * x * q * g,
            dy/da = x - x * g - 2p * (1 - a) * gamma * x^2 * q * g, dy/dbeta = -p * (1 - a) * x * q * g / beta,
            dy/dgamma = 2p * (1 - a)^2 * x^2 * q * g; smooth
Source      Biswas, Karri, Bagci, 2023, arXiv:2310.10126
Departures  the formula stands on re-implementations and on consistency, as the paper's body was not at hand:
            form="sqrt" is the likelier candidate and the default; form="sigmoid" at beta = 1 is ACON-C with p1 = 1,
            p2 = a and the switching factor 2 * gamma. Starting values, sharing and constraints are our choice; the
            title's "non-monotonic" holds at beta = gamma = 1 only for a < 0.115
"""

import math
from typing import Literal

import torch
from torch import Tensor

from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import make_parameter
from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function
from actbench.activations.positive import inverse_softplus, softplus


def _exponent(x: Tensor, a: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    return beta.log() - 2 * gamma * (1 - a) * x


def _gate(u: Tensor, p: float) -> Tensor:
    # (1 + exp(u))^-p by sigmoid: exp(u) alone would overflow for x far below zero.
    gate = torch.sigmoid(-u)
    return gate.sqrt() if p == 0.5 else gate


def _value(x: Tensor, a: Tensor, beta: Tensor, gamma: Tensor, p: float) -> Tensor:
    return x * (a + (1 - a) * _gate(_exponent(x, a, beta, gamma), p))


def _partials(
    x: Tensor, a: Tensor, beta: Tensor, gamma: Tensor, p: float
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    u = _exponent(x, a, beta, gamma)
    gate = _gate(u, p)
    # q * g * x is bounded, so it is formed before the second factor x.
    bell = torch.sigmoid(u) * gate * x
    keep = 1 - a
    by_x = a + keep * gate + 2 * p * keep * keep * gamma * bell
    square = bell * x
    by_a = x * (1 - gate) - 2 * p * keep * gamma * square
    return by_x, (by_a, -p * keep / beta * bell, 2 * p * keep * keep * square)


_sqish = pointwise_function(_value, _partials, kernel="sqish")
_POWERS = {"sqrt": 0.5, "sigmoid": 1.0}


class Sqish(KernelActivation):
    """See the module's header."""

    kernel = "sqish"
    function = staticmethod(_sqish)
    is_pointwise = True
    operations_per_element = 36.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        form: Literal["sqrt", "sigmoid"] = "sqrt",
        a: float = 0.05,
        beta: float = 1.0,
        gamma: float = 1.0,
        sharing: Sharing = "layer",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.form = form
        self.a, self.raw_beta, self.raw_gamma = (
            make_parameter(start, num_channels, sharing=sharing, freeze=freeze)
            for start in (a, inverse_softplus(beta), inverse_softplus(gamma))
        )
        # Where the gate closes, y is a * x; where it is wide open, x. At a = 1 the gate's exponent is 0 * inf.
        self.limits = (math.nan, math.nan) if a == 1 else (-math.inf if a > 0 else math.nan, math.inf)

    def values(self) -> tuple[Tensor, Tensor, Tensor]:
        """a, beta and gamma as the formula takes them."""
        return self.a, softplus(self.raw_beta), softplus(self.raw_gamma)

    def arguments(self) -> Arguments:
        return Arguments(self.values(), (_POWERS[self.form],))

    def log_values(self) -> dict[str, Tensor]:
        a, beta, gamma = (value.detach().clone() for value in self.values())
        return {"a": a, "beta": beta, "gamma": gamma}
