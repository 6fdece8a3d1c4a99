"""The depthwise convolution of the activations that have one: the plain form, and which form serves where.

Formula     y = F.conv2d(u, weight, bias, padding=n, groups=C),  u = x, or the ramp p + q * clip(x, t0, t1) of x
Shapes      x: (N, C, H, W) -> y: same shape; weight: (C, 1, 2n+1, 2n+1); bias: (C,)
Dtype       y has the dtype of x, or of autocast where that is on
The choice  float64, other devices, exported programs: F.conv2d. On a CPU otherwise the C++ kernel, which was faster
            than all others in both layouts of every map of VanillaNet-5 and of 16 x 16, in float32
            (benchmarks/depthwise_cost.py); without a compiler, or for n above 4 on a map wider than 5, up to 64 pixels
            the matrix product, and for more F.conv2d in channels-last, whose weight gradient is much quicker than the
            contiguous one
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.activations.kernels import depthwise as kernel
from actbench.activations.kernels import layout
from actbench.activations.ramp import Ramp

_MATRIX_PIXELS = 64


def depthwise_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """See the module's header."""
    form = choose_form(x, weight)
    if form == "conv2d":
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))
    y: Tensor = kernel.depthwise_convolution(_under_autocast(x), weight, bias, None, None, form)
    return y


def ramp_convolution(x: Tensor, ramp: Ramp, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution of a ramp of x in one pass, where `choose_form` says cpp."""
    y: Tensor = kernel.depthwise_convolution(_under_autocast(x), weight, bias, *ramp, "cpp")
    return y


def choose_form(x: Tensor, weight: Tensor) -> kernel.Form | Literal["conv2d"]:
    """See the module's header; what F.conv2d would refuse is left to it."""
    autocast = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if (
        x.device.type != "cpu"
        or x.ndim != 4
        or x.shape[1] != len(weight)
        or (x.dtype != weight.dtype and not autocast)
        or not layout.serves(x.dtype)
    ):
        return "conv2d"
    height, width = x.shape[2:]
    n = weight.shape[-1] // 2
    fits = n <= kernel.LARGEST_N or max(height, width) <= kernel.LARGEST_N + 1
    dtype = torch.get_autocast_dtype("cpu") if autocast else x.dtype
    if fits and layout.is_available(kernel.LIBRARY, dtype):
        return "cpp"
    return "matrix" if height * width <= _MATRIX_PIXELS else "channels_last"


def serving(weight: Tensor) -> str:
    """The name of what computes the convolution, for `Activation.backend`."""
    return (
        "cpp"
        if weight.shape[-1] <= 2 * kernel.LARGEST_N + 1 and layout.takes(kernel.LIBRARY, weight)
        else "reference"
    )


def _under_autocast(x: Tensor) -> Tensor:
    return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x
