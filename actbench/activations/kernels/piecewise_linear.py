"""The C++ form of `activations.piecewise_linear` as operators of torch.library, so that compilation, autocast and data
parallelism see one operator each."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run
from actbench.activations.piece_sums import grid_gradients

LIBRARY = "piecewise_linear"


def _forward(
    x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int, *, direct: bool
) -> Tensor:
    x, layout = dense(x.detach(), channel_dim, len(base))
    y = torch.empty_like(x)
    if x.numel():
        tensors = [x, y, *float_tables(base, rise, low, inv_step)]
        run(LIBRARY, "forward", tensors, layout, len(base), base.shape[1], direct)
    return y


@torch.library.custom_op("actbench::piecewise_linear", mutates_args=(), device_types="cpu")
def piecewise_linear(
    x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> Tensor:
    """As `activations.piecewise_linear`, for inputs that `layout.takes` accepts."""
    return _forward(x, base, rise, low, inv_step, channel_dim, direct=False)


@torch.library.custom_op("actbench::piecewise_linear_look_up", mutates_args=(), device_types="cpu")
def look_up(
    x: Tensor, offset: Tensor, slope: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> Tensor:
    """As `activations.piecewise_linear.look_up`, for inputs that `layout.takes` accepts."""
    return _forward(x, offset, slope, low, inv_step, channel_dim, direct=True)


@torch.library.custom_op("actbench::piecewise_linear_backward", mutates_args=(), device_types="cpu")
def piecewise_linear_backward(
    grad: Tensor, x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> tuple[Tensor, Tensor, Tensor]:
    """dx, and the sums of g and g * (u - o_j) per channel and piece."""
    x, layout = dense(x.detach(), channel_dim, len(base))
    dx = torch.empty_like(x)
    base_grad, rise_grad = (x.new_zeros(base.shape, dtype=torch.float32) for _ in range(2))
    if x.numel():
        tensors = [x, like(x, grad), dx, *float_tables(base, rise, low, inv_step), base_grad, rise_grad]
        run(LIBRARY, "backward", tensors, layout, len(base), base.shape[1])
    return dx, base_grad, rise_grad


@torch.library.custom_op("actbench::piecewise_linear_grid", mutates_args=())
def piecewise_linear_grid(
    base_grad: Tensor, rise_grad: Tensor, rise: Tensor, inv_step: Tensor
) -> tuple[Tensor, Tensor]:
    """As `grid_gradients`, in one launch on a GPU."""
    return grid_gradients(base_grad, rise_grad, rise, inv_step)


def _like_input(x: Tensor, channel_dim: int, channels: int) -> Tensor:
    return torch.empty_like(dense(x, channel_dim, channels)[0])


@piecewise_linear.register_fake
@look_up.register_fake
def _(x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int) -> Tensor:  # noqa: ARG001
    return _like_input(x, channel_dim, len(base))


@piecewise_linear_backward.register_fake
def _(
    grad: Tensor,  # noqa: ARG001
    x: Tensor,
    base: Tensor,
    rise: Tensor,  # noqa: ARG001
    low: Tensor,  # noqa: ARG001
    inv_step: Tensor,  # noqa: ARG001
    channel_dim: int,
) -> tuple[Tensor, Tensor, Tensor]:
    dx = _like_input(x, channel_dim, len(base))
    return dx, x.new_empty(base.shape, dtype=torch.float32), x.new_empty(base.shape, dtype=torch.float32)


@piecewise_linear_grid.register_fake
def _(base_grad: Tensor, rise_grad: Tensor, rise: Tensor, inv_step: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return torch.empty_like(inv_step), torch.empty_like(inv_step)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    *tensors, ctx.channel_dim = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, base, rise, low, inv_step = ctx.saved_tensors
    dx, base_grad, rise_grad = piecewise_linear_backward(grad, x, base, rise, low, inv_step, ctx.channel_dim)
    of_grid = piecewise_linear_grid if base_grad.is_cuda else grid_gradients
    low_grad, step_grad = of_grid(base_grad, rise_grad, rise.float(), inv_step.float())
    grads = zip((base, rise, low, inv_step), (base_grad, rise_grad, low_grad, step_grad), strict=True)
    return dx, *(value.to(table.dtype) for table, value in grads), None


def _look_up_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, offset, slope, low, inv_step = ctx.saved_tensors
    rise = slope / inv_step[:, None]
    dx, _, _ = piecewise_linear_backward(grad, x, offset, rise, low, inv_step, ctx.channel_dim)
    return dx, None, None, None, None, None


piecewise_linear.register_autograd(_backward, setup_context=_keep_input)
look_up.register_autograd(_look_up_backward, setup_context=_keep_input)
