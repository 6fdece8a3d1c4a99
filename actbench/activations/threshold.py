"""The hard step with a learnt amplitude, trained by a straight-through gradient.

Formula     y = s where x >= 0, else 0
Shapes      x: (N, C, *) -> y: same shape; s: (C,) along channel_dim, or () with sharing="layer"
Dtype       y has the dtype of x; half types: s is rounded once, gradients are computed and s's summed in float32
Parameters  amplitude (s): learnable unless frozen, starts at `amplitude` (1); weight decay: no (see Departures)
Gradient    dy/ds = 1{x >= 0}, summed over its sharers. The step's derivative is 0 wherever it exists, so
            dy/dx := s * g(x) by `surrogate`: identity g = 1; relu g = 1{x >= 0}; leaky g = 1 where x >= 0, else 0.01;
            clipped g = 1{0 <= x <= 1}
Source      Ergen et al., 2023, arXiv:2303.03382; the four surrogates are those of the authors' non-convex baselines
            (pilancilab/Threshold-networks), whose step has the amplitude 1
Departures  the authors' files mix x >= 0 and x > 0; here it is x >= 0, as in the paper. Their baselines learn no
            amplitude (freeze=True does as they do), and the paper's objective decays s^2 as a weight; here a 1-D
            parameter is not decayed. NaN stays NaN
"""

from typing import Any

from torch import Tensor
from torch.autograd import Function

from actbench.activations.base import Activation
from actbench.activations.catalog import Sharing, Surrogate
from actbench.activations.channelwise import beside, make_parameter, widen

_LEAK = 0.01
"""Slope of the leaky surrogate below 0, as in the authors' code."""


def _step(x: Tensor) -> Tensor:
    """1 where x >= 0, else 0; NaN stays NaN."""
    return (x >= 0) + x.clamp(0, 0)


def _pass(grad: Tensor, x: Tensor, surrogate: Surrogate) -> Tensor:
    """The gradient times g(x)."""
    if surrogate == "identity":
        return grad
    if surrogate == "clipped":
        return grad * ((x >= 0) & (x <= 1))
    positive = grad * (x >= 0)
    return positive if surrogate == "relu" else positive + (grad - positive) * _LEAK


class _Threshold(Function):
    """Takes the amplitude as it broadcasts against x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, amplitude: Tensor, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(x, amplitude)
        ctx.surrogate = surrogate
        return (_step(x) * amplitude).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, amplitude = ctx.saved_tensors
        wide_grad = widen(grad)
        dx = damplitude = None
        if ctx.needs_input_grad[0]:
            dx = _pass(wide_grad * amplitude, x, ctx.surrogate).to(x.dtype)
        if ctx.needs_input_grad[1]:
            damplitude = (wide_grad * _step(x)).sum_to_size(amplitude.shape).to(amplitude.dtype)
        return dx, damplitude, None


class Threshold(Activation):
    """See the module's header."""

    is_pointwise = True
    surrogate_gradient = True
    operations_per_element = 2.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        amplitude: float = 1.0,
        surrogate: Surrogate = "identity",
        sharing: Sharing = "channel",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.surrogate: Surrogate = surrogate
        self.amplitude = make_parameter(amplitude, num_channels, sharing=sharing, freeze=freeze)
        self.limits = (0.0, amplitude)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _Threshold.apply(x, beside(self.amplitude, x, self.channel_dim), self.surrogate)
        return y

    def log_values(self) -> dict[str, Tensor]:
        return {"amplitude": self.amplitude.detach().clone()}
