"""ReLU squared.

Formula     y = max(x, 0)^2
Shapes      x: any -> y: same shape; num_channels and channel_dim are taken for the common constructor's sake
Dtype       y has the dtype of x; half types are squared in float32 and rounded once, so float16 is finite up to
            x = 255.9 and bfloat16 as far as float32
Parameters  none
Gradient    dy/dx = 2 * max(x, 0), continuous, 0 at x = 0
Source      Zhang et al., 2024, arXiv:2402.03804; first in So et al., 2021, arXiv:2109.08668 (Primer)
Departures  none. PyTorch's relu and square would keep the input and the relu for backward; here the input alone is kept
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from actbench.activations.channelwise import widen
from actbench.activations.kernels import layout
from actbench.activations.kernels.pointwise import PLAIN_BACKWARD
from actbench.activations.pointwise_function import KernelActivation, run_kernel


def _slope_times(grad: Tensor, x: Tensor) -> Tensor:
    # Doubled last: 2 * max(x, 0) may overflow where its product with a small gradient does not.
    return (widen(grad) * widen(x).relu() * 2).to(x.dtype)


class _ReLU2(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.square(widen(x).relu()).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return _slope_times(grad, x)


def _backward(
    grad: Tensor,
    x: Tensor,
    table: Tensor,
    _constants: Sequence[float],
    _channel_dim: int,
) -> tuple[Tensor, Tensor]:
    return _slope_times(grad, x), table


PLAIN_BACKWARD["relu2"] = _backward


def _relu2(x: Tensor, *_parameters: Tensor, constants: tuple[float, ...] = ()) -> Tensor:  # noqa: ARG001
    if layout.takes("relu2", x):
        return run_kernel("relu2", x)
    y: Tensor = _ReLU2.apply(x)
    return y


class ReLU2(KernelActivation):
    """See the module's header."""

    kernel = "relu2"
    function = staticmethod(_relu2)
    is_pointwise = True
    operations_per_element = 2.0
    limits = (0.0, math.inf)
