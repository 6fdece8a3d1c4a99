"""SMU: a leaky ReLU made smooth by the error function.

Formula     y = ((1 + alpha) * x + (1 - alpha) * x * erf(mu * (1 - alpha) * x)) / 2
Shapes      x: (N, C, *) -> y: same shape; mu: () for the layer, or (C,) with sharing="channel"
Dtype       y has the dtype of x; half types are computed in float32, mu's gradient is summed there
Parameters  mu: learnable unless frozen, starts at 2.5; weight decay: no (the project's rule for 1-D parameters)
Gradient    with z = mu * (1 - alpha) * x and h = exp(-z^2) / sqrt(pi):
            dy/dx = ((1 + alpha) + (1 - alpha) * erf(z)) / 2 + (1 - alpha)^2 * mu * x * h,
            dy/dmu = (1 - alpha)^2 * x^2 * h; smooth
Source      Biswas et al., 2021, arXiv:2111.04682
Departures  alpha is fixed; alpha = 0.01, mu = 2.5 and one mu per layer are those of a public re-implementation, as the
            paper's body was not at hand
"""

import math

import torch
from torch import Tensor

from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import make_parameter
from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function


def _value(x: Tensor, mu: Tensor, alpha: float) -> Tensor:
    keep = 1 - alpha
    return x * ((1 + alpha) / 2 + keep / 2 * torch.erf(mu * keep * x))


def _partials(x: Tensor, mu: Tensor, alpha: float) -> tuple[Tensor, tuple[Tensor]]:
    keep = 1 - alpha
    z = mu * keep * x
    # exp(-z^2) * x first: it is 0 far out, before x^2 could overflow.
    bell = (-z * z).exp() * x * (keep * keep / math.sqrt(math.pi))
    by_x = (1 + alpha) / 2 + keep / 2 * torch.erf(z) + mu * bell
    return by_x, (bell * x,)


_smu = pointwise_function(_value, _partials, kernel="smu")


class SMU(KernelActivation):
    """See the module's header."""

    kernel = "smu"
    function = staticmethod(_smu)
    is_pointwise = True
    operations_per_element = 15.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        alpha: float = 0.01,
        mu: float = 2.5,
        sharing: Sharing = "layer",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.alpha = alpha
        self.mu = make_parameter(mu, num_channels, sharing=sharing, freeze=freeze)
        # A slope of 0 meets infinity as 0 * inf.
        self.limits = (-math.inf * (alpha or math.nan), math.inf)

    def arguments(self) -> Arguments:
        return Arguments((self.mu,), (self.alpha,))

    def log_values(self) -> dict[str, Tensor]:
        return {"mu": self.mu.detach().clone()}
