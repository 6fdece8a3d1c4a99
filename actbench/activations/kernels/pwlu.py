"""PWLU on a CPU from its parameters as one operator: making tables of them, and gradients of sums over pieces, takes as
long as a small map does where each step is an operator of PyTorch's own."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run
from actbench.activations.kernels.piecewise_linear import LIBRARY


@torch.library.custom_op("actbench::pwlu", mutates_args=(), device_types="cpu")
def pwlu(
    x: Tensor,
    heights: Tensor,
    bound_left: Tensor,
    bound_right: Tensor,
    slope_left: Tensor,
    slope_right: Tensor,
    least_width: float,
    channel_dim: int,
) -> Tensor:
    """As activations/pwlu.py, for inputs that `layout.takes` accepts; heights (K, N + 1), the others (K,)."""
    x, layout = dense(x.detach(), channel_dim, len(heights))
    y = torch.empty_like(x)
    if x.numel():
        parameters = _parameters(heights, bound_left, bound_right, slope_left, slope_right, least_width)
        run(LIBRARY, "pwlu", [x, y, *parameters], layout, len(heights), heights.shape[1] - 1)
    return y


@torch.library.custom_op("actbench::pwlu_backward", mutates_args=(), device_types="cpu")
def pwlu_backward(
    grad: Tensor,
    x: Tensor,
    heights: Tensor,
    bound_left: Tensor,
    bound_right: Tensor,
    slope_left: Tensor,
    slope_right: Tensor,
    least_width: float,
    channel_dim: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """dx, and the gradients of the five parameters in float32."""
    x, layout = dense(x.detach(), channel_dim, len(heights))
    dx = torch.empty_like(x)
    make = x.new_empty if x.numel() else x.new_zeros
    of_heights = make(heights.shape, dtype=torch.float32)
    others = [make(len(heights), dtype=torch.float32) for _ in range(4)]
    if x.numel():
        parameters = _parameters(heights, bound_left, bound_right, slope_left, slope_right, least_width)
        tensors = [x, like(x, grad), dx, *parameters, of_heights, *others]
        run(LIBRARY, "pwlu_backward", tensors, layout, len(heights), heights.shape[1] - 1)
    return dx, of_heights, others[0], others[1], others[2], others[3]


def _parameters(*values: Any) -> list[Tensor]:
    *tables, least_width = values
    return [*float_tables(*tables), tables[0].new_full((1,), least_width, dtype=torch.float32)]


def _like_input(x: Tensor, channel_dim: int, channels: int) -> Tensor:
    return torch.empty_like(dense(x, channel_dim, channels)[0])


@pwlu.register_fake
def _(x: Tensor, heights: Tensor, *rest: Any) -> Tensor:
    return _like_input(x, rest[-1], len(heights))


@pwlu_backward.register_fake
def _(grad: Tensor, x: Tensor, heights: Tensor, *rest: Any) -> tuple[Tensor, ...]:  # noqa: ARG001
    of_heights, *others = (torch.empty_like(value, dtype=torch.float32) for value in (heights, *rest[:4]))
    return _like_input(x, rest[-1], len(heights)), of_heights, *others


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    *tensors, ctx.least_width, ctx.channel_dim = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, *parameters = ctx.saved_tensors
    dx, *grads = pwlu_backward(grad, x, *parameters, ctx.least_width, ctx.channel_dim)
    return dx, *(value.to(of.dtype) for value, of in zip(grads, parameters, strict=True)), None, None


pwlu.register_autograd(_backward, setup_context=_keep_input)
