"""The C++ form of rationals as operators of torch.library."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import Layout, dense, float_tables, like, run

LIBRARY = "rational"


@torch.library.custom_op("actbench::rational", mutates_args=(), device_types="cpu")
def rational(x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int) -> Tensor:
    """P / (offset + |S|), see pade.py, for inputs that `layout.takes` accepts.

    a: (K, m + 1), c: (K, n + 1), constant terms first, orders at most 7; K divides the number of channels, and row k
    serves the k-th part of them.
    """
    x, layout, channels = laid_out(x.detach(), len(a), channel_dim)
    y = torch.empty_like(x)
    if x.numel():
        _run("forward", [x, y], a, c, [], layout, channels, of_magnitude, offset)
    return y


@torch.library.custom_op("actbench::rational_backward", mutates_args=(), device_types="cpu")
def rational_backward(
    grad: Tensor, x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int
) -> tuple[Tensor, Tensor]:
    """dx, and the gradients of a and c side by side in float32: (K, m + n + 2)."""
    x, layout, channels = laid_out(x.detach(), len(a), channel_dim)
    dx = torch.empty_like(x)
    grads = x.new_zeros(a.shape[1] + c.shape[1], len(a), dtype=torch.float32)
    if x.numel():
        _run("backward", [x, like(x, grad), dx], a, c, [grads], layout, channels, of_magnitude, offset)
    return dx, grads.T.contiguous()


def laid_out(x: Tensor, groups: int, channel_dim: int) -> tuple[Tensor, Layout, int]:
    """x as the kernel takes it, and how many columns its rows have: neighbouring channels of a group are one row."""
    channels = 1 if groups == 1 else x.shape[channel_dim]
    x, layout = dense(x, channel_dim, channels)
    if layout.across or groups == channels:
        return x, layout, channels
    length = layout.length * (channels // groups)
    return x, Layout(layout.rows // (channels // groups), length, length, False), groups


def _run(
    name: str,
    tensors: Sequence[Tensor],
    a: Tensor,
    c: Tensor,
    grads: Sequence[Tensor],
    layout: Layout,
    channels: int,
    of_magnitude: bool,
    offset: float,
) -> None:
    tables = float_tables(a.T, c.T, torch.tensor([offset]))
    numbers = (a.shape[1] - 1, c.shape[1] - 1, int(of_magnitude), len(a))
    run(LIBRARY, name, [*tensors, *tables, *grads], layout, channels, *numbers)


@rational.register_fake
def _(
    x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int  # noqa: ARG001
) -> Tensor:  # fmt: skip
    return torch.empty_like(laid_out(x, len(a), channel_dim)[0])


@rational_backward.register_fake
def _(
    grad: Tensor,  # noqa: ARG001
    x: Tensor,
    a: Tensor,
    c: Tensor,
    of_magnitude: bool,  # noqa: ARG001
    offset: float,  # noqa: ARG001
    channel_dim: int,
) -> tuple[Tensor, Tensor]:
    dx = torch.empty_like(laid_out(x, len(a), channel_dim)[0])
    return dx, x.new_empty(len(a), a.shape[1] + c.shape[1], dtype=torch.float32)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, a, c, ctx.of_magnitude, ctx.offset, ctx.channel_dim = inputs
    ctx.save_for_backward(x, a, c)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, a, c = ctx.saved_tensors
    dx, grads = rational_backward(grad, x, a, c, ctx.of_magnitude, ctx.offset, ctx.channel_dim)
    da, dc = grads[:, : a.shape[1]], grads[:, a.shape[1] :]
    return dx, da.to(a.dtype), dc.to(c.dtype), None, None, None


rational.register_autograd(_backward, setup_context=_keep_input)
