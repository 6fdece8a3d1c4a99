"""Activations without parameters: PyTorch's own functions under our declarations.

Formula     Identity    y = x
            ReLU        y = max(x, 0)
            ReLU6       y = min(max(x, 0), 6)
            LeakyReLU   y = x where x > 0, else negative_slope * x
            ELU         y = x where x > 0, else alpha * (exp(x) - 1)
            SELU        y = scale * ELU(x), alpha = 1.6732632, scale = 1.0507010
            GELU        y = x * Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2; approximate="tanh" has
                        Phi(x) = (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2
            SiLU        y = x * sigmoid(x)
            Hardswish   y = x * min(max(x + 3, 0), 6) / 6
            Softplus    y = log(1 + exp(beta * x)) / beta; y = x where beta * x > 20
Shapes      x: any -> y: same shape; num_channels and channel_dim are taken for the common constructor's sake
Dtype       y has the dtype of x; half types are computed in float32 inside; autocast changes nothing
Parameters  none
Gradient    the derivative; at the kink x = 0 autograd returns the left one: ReLU 0, LeakyReLU negative_slope,
            ELU alpha, SELU scale * alpha. ReLU6 has 0 at its kink 6 too; Hardswish 0 at -3 and 1 at 3; the
            others are smooth
Source      each class names its own
Departures  none (Softplus above 20: PyTorch's, off by at most exp(-20) / beta)
Range       finite wherever the exact value is, but for what PyTorch's own operators overflow in between: Hardswish
            forms 6x, GELU 2x, and the gradient of GELU by tanh x^2. They stay as every network runs them, and
            declare how far they reach in `finite_to`

Operations are counted with exp, log, erf and tanh as 10 each. Where x * gate(x) meets x = -inf, the product
is -inf * 0 = NaN in PyTorch, and is declared so.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.activations.base import Activation
from actbench.activations.kernels.batch_norm import Kernel
from actbench.activations.pointwise_function import pointwise_kernel


class Identity(Activation):
    """The input itself: no activation, for sites that an arm leaves linear."""

    is_pointwise = True
    operations_per_element = 0.0
    limits = (-math.inf, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return x


class ReLU(Activation):
    """max(x, 0). Nair and Hinton, ICML 2010."""

    is_pointwise = True
    operations_per_element = 1.0
    limits = (0.0, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def fusible_kernel(self) -> Kernel:
        return pointwise_kernel("relu", plain=lambda z, _: F.relu(z))


class ReLU6(Activation):
    """ReLU cut at 6. Krizhevsky, Convolutional deep belief networks on CIFAR-10, 2010."""

    is_pointwise = True
    operations_per_element = 2.0
    limits = (0.0, 6.0)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x)


class LeakyReLU(Activation):
    """x where positive, negative_slope * x elsewhere. Maas et al., ICML 2013 workshop."""

    is_pointwise = True
    operations_per_element = 2.0

    def __init__(self, num_channels: int, channel_dim: int = 1, *, negative_slope: float = 0.01) -> None:
        super().__init__(num_channels, channel_dim)
        self.negative_slope = negative_slope
        self.limits = (-math.inf * negative_slope, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)


class ELU(Activation):
    """x where positive, alpha * (exp(x) - 1) elsewhere. Clevert et al., 2015, arXiv:1511.07289."""

    is_pointwise = True
    operations_per_element = 13.0

    def __init__(self, num_channels: int, channel_dim: int = 1, *, alpha: float = 1.0) -> None:
        super().__init__(num_channels, channel_dim)
        self.alpha = alpha
        self.limits = (-alpha, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(x, self.alpha)


class SELU(Activation):
    """ELU scaled so that normalised inputs stay so. Klambauer et al., 2017, arXiv:1706.02515, equation 2."""

    is_pointwise = True
    operations_per_element = 14.0
    # -scale * alpha, of the constants in the paper's appendix.
    limits = (-1.0507009873554804934193349852946 * 1.6732632423543772848170429916717, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return F.selu(x)


class GELU(Activation):
    """x times the normal distribution function. Hendrycks and Gimpel, 2016, arXiv:1606.08415, section 2.

    Limits are not declared: at +inf PyTorch's kernels give inf or NaN, by dtype and formula.
    """

    is_pointwise = True

    def __init__(
        self, num_channels: int, channel_dim: int = 1, *, approximate: Literal["none", "tanh"] = "none"
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.approximate = approximate
        self.operations_per_element = 14.0 if approximate == "none" else 18.0
        # Below 2^127, from which on 2x overflows in float32, and below 2^64, from which on x^2 does.
        self.finite_to = 1.7e38 if approximate == "none" else 1.8e19

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate=self.approximate)


class SiLU(Activation):
    """x * sigmoid(x), what papers call Swish-1. Elfwing et al., 2017, arXiv:1702.03118, section 2."""

    is_pointwise = True
    operations_per_element = 13.0
    limits = (math.nan, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x)

    def fusible_kernel(self) -> Kernel:
        return pointwise_kernel("swish", (torch.ones(()),))


class Hardswish(Activation):
    """SiLU with its sigmoid replaced by ReLU6(x + 3) / 6. Howard et al., 2019, arXiv:1905.02244, section 5.2."""

    is_pointwise = True
    operations_per_element = 5.0
    limits = (math.nan, math.inf)
    finite_to = 5.6e37  # a sixth of the largest float32

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(x)


class Softplus(Activation):
    """A smooth maximum of x and 0, sharper as beta grows. Dugas et al., NIPS 2000."""

    is_pointwise = True
    operations_per_element = 24.0
    limits = (0.0, math.inf)

    def __init__(self, num_channels: int, channel_dim: int = 1, *, beta: float = 1.0) -> None:
        super().__init__(num_channels, channel_dim)
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x, self.beta)
