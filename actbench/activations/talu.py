"""TaLU: the identity above zero, a hyperbolic tangent below.

Formula     y = x where x >= 0; y = alpha * tanh(max(x, clamp)) elsewhere; clamp=None leaves the tangent whole.
            Candidates: C3 alpha = 1, clamp = None (the default); C2 another alpha; C1 a clamp (-0.05, -0.5, -1)
Shapes      x: any -> y: same shape; num_channels and channel_dim are taken for the common constructor's sake
Dtype       y has the dtype of x; half types are computed in float32
Parameters  none
Gradient    dy/dx = 1 where x >= 0, alpha * (1 - tanh(x)^2) where clamp < x < 0, else 0
Source      Hasan et al., 2023, arXiv:2305.04402
Departures  the paper's negative branch could not be established: all three candidates go by this name in public code;
            C3 fits the abstract best, as its gradient is nowhere exactly zero
"""

import math

from torch import Tensor

from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function


def _value(x: Tensor, alpha: float, clamp: float) -> Tensor:
    return x.relu() + alpha * x.clamp(clamp, 0).tanh()


def _partials(x: Tensor, alpha: float, clamp: float) -> tuple[Tensor, tuple[()]]:
    t = x.clamp(clamp, 0).tanh()
    above = (x >= 0).to(x.dtype)
    # t is 0 above zero, so the tangent's share is exactly 0 there.
    return above + alpha * ((1 - t * t) * (x > clamp) - above), ()


_talu = pointwise_function(_value, _partials, kernel="talu")


class TaLU(KernelActivation):
    """See the module's header."""

    kernel = "talu"
    function = staticmethod(_talu)
    is_pointwise = True
    operations_per_element = 14.0

    def __init__(
        self, num_channels: int, channel_dim: int = 1, *, alpha: float = 1.0, clamp: float | None = None
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.alpha, self.clamp = alpha, -math.inf if clamp is None else clamp
        self.limits = (alpha * math.tanh(self.clamp), math.inf)

    def arguments(self) -> Arguments:
        return Arguments(constants=(self.alpha, self.clamp))
