"""Mish: the input gated by the hyperbolic tangent of its softplus.

Formula     y = x * tanh(log(1 + exp(x))) = x * n / (n + 2), n = e * (e + 2), e = exp(x)
Shapes      x: any -> y: same shape; num_channels and channel_dim are taken for the common constructor's sake
Dtype       y has the dtype of x; half types are computed in float32
Parameters  none
Gradient    dy/dx = g + 4 * x * e * (1 + e) / (n + 2)^2, g = n / (n + 2); smooth
Source      Misra, 2019, arXiv:1908.08681, equation 1
Departures  none; above x = 20, where 1 - g < 2e-17, e stays at exp(20). One exponential takes the place of PyTorch's
            softplus and tanh, which do not vectorise on a CPU
"""

import math

from torch import Tensor

from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function

_OPEN = 20.0
"""From here on the gate is 1 in double precision."""


def _value(x: Tensor) -> Tensor:
    e = x.clamp(max=_OPEN).exp()
    n = e * (e + 2)
    return x * (n / (n + 2))


def _partials(x: Tensor) -> tuple[Tensor, tuple[()]]:
    near = x.clamp(max=_OPEN)
    e = near.exp()
    n = e * (e + 2)
    inverse = 1 / (n + 2)
    # near * e first: far below zero e is 0, and 4 * near could overflow.
    return n * inverse + near * (e * inverse) * ((1 + e) * inverse) * 4, ()


_mish = pointwise_function(_value, _partials, kernel="mish")


class Mish(KernelActivation):
    """See the module's header."""

    kernel = "mish"
    function = staticmethod(_mish)
    is_pointwise = True
    operations_per_element = 15.0
    limits = (math.nan, math.inf)

    def arguments(self) -> Arguments:
        return Arguments()
