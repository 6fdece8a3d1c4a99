"""The C++ form of PReLU as operators of torch.library."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run

LIBRARY = "prelu"


@torch.library.custom_op("actbench::prelu", mutates_args=(), device_types="cpu")
def prelu(x: Tensor, slope: Tensor, channel_dim: int) -> Tensor:
    """max(x, 0) + slope * min(x, 0), slope (K,), K the number of channels or 1, for what `layout.takes` accepts."""
    x, layout = dense(x.detach(), channel_dim, len(slope))
    y = torch.empty_like(x)
    if x.numel():
        run(LIBRARY, "forward", [x, y, *float_tables(slope)], layout, len(slope))
    return y


@torch.library.custom_op("actbench::prelu_backward", mutates_args=(), device_types="cpu")
def prelu_backward(grad: Tensor, x: Tensor, slope: Tensor, channel_dim: int) -> tuple[Tensor, Tensor]:
    """dx, and the slope's gradient in float32."""
    x, layout = dense(x.detach(), channel_dim, len(slope))
    dx, slope_grad = torch.empty_like(x), x.new_zeros(slope.shape, dtype=torch.float32)
    if x.numel():
        run(LIBRARY, "backward", [x, like(x, grad), dx, *float_tables(slope), slope_grad], layout, len(slope))
    return dx, slope_grad


@prelu.register_fake
def _(x: Tensor, slope: Tensor, channel_dim: int) -> Tensor:
    return torch.empty_like(dense(x, channel_dim, len(slope))[0])


@prelu_backward.register_fake
def _(grad: Tensor, x: Tensor, slope: Tensor, channel_dim: int) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    dx = torch.empty_like(dense(x, channel_dim, len(slope))[0])
    return dx, x.new_empty(slope.shape, dtype=torch.float32)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, slope, ctx.channel_dim = inputs
    ctx.save_for_backward(x, slope)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    x, slope = ctx.saved_tensors
    dx, slope_grad = prelu_backward(grad, x, slope, ctx.channel_dim)
    return dx, slope_grad.to(slope.dtype), None


prelu.register_autograd(_backward, setup_context=_keep_input)
