"""The C++ form of the largest of K lines, per sample and channel, as operators of torch.library."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import Layout, dense, float_tables, like, run

LIBRARY = "largest_line"
MOST_LINES = 3


@torch.library.custom_op("actbench::largest_line", mutates_args=(), device_types="cpu")
def largest_line(x: Tensor, a: Tensor, b: Tensor, place: Tensor | None, channel_dim: int) -> Tensor:
    """max_k (a[k] x + b[k]) * place, for inputs that `layout.takes` accepts, samples before channels.

    a, b: (K, N, C), or (K, N, 1) where a sample's channels share them, K at most MOST_LINES; place: (N, P), the places
    in their order.
    """
    x, layout, numbers = _laid_out(x.detach(), a, channel_dim)
    y = torch.empty_like(x)
    if x.numel():
        tables = float_tables(a, b, a if place is None else place)
        run(LIBRARY, "forward", [x, y, *tables], layout, a.shape[2], *numbers, int(place is not None))
    return y


@torch.library.custom_op("actbench::largest_line_backward", mutates_args=(), device_types="cpu")
def largest_line_backward(
    grad: Tensor, x: Tensor, a: Tensor, b: Tensor, place: Tensor | None, channel_dim: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """dx, and the gradients of a, b and place in float32; the last is empty where there is no place."""
    x, layout, numbers = _laid_out(x.detach(), a, channel_dim)
    dx = torch.empty_like(x)
    da, db, dplace = (
        x.new_zeros((0,) if table is None else table.shape, dtype=torch.float32) for table in (a, b, place)
    )
    if x.numel():
        tables = float_tables(a, b, a if place is None else place)
        tensors = [x, like(x, grad), dx, *tables, da, db, dplace]
        run(LIBRARY, "backward", tensors, layout, a.shape[2], *numbers, int(place is not None))
    return dx, da, db, dplace


def _laid_out(x: Tensor, a: Tensor, channel_dim: int) -> tuple[Tensor, Layout, tuple[int, ...]]:
    """x as the kernel takes it, its rows, and the numbers of lines, samples, units per sample, and places."""
    lines, samples, units = a.shape
    x, layout = dense(x, channel_dim, units)
    size = x.numel() // max(samples, 1)
    if units == 1:
        layout = Layout(samples, size, size, False)
    return x, layout, (lines, samples, units, size // (x.shape[channel_dim] if x.ndim else 1))


@largest_line.register_fake
def _(x: Tensor, a: Tensor, b: Tensor, place: Tensor | None, channel_dim: int) -> Tensor:  # noqa: ARG001
    return torch.empty_like(dense(x, channel_dim, a.shape[2])[0])


@largest_line_backward.register_fake
def _(
    grad: Tensor, x: Tensor, a: Tensor, b: Tensor, place: Tensor | None, channel_dim: int  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    dx = torch.empty_like(dense(x, channel_dim, a.shape[2])[0])
    da, db, dplace = (
        x.new_empty((0,) if table is None else table.shape, dtype=torch.float32) for table in (a, b, place)
    )
    return dx, da, db, dplace


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    *tensors, ctx.channel_dim = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, a, b, place = ctx.saved_tensors
    dx, da, db, dplace = largest_line_backward(grad, x, a, b, place, ctx.channel_dim)
    return dx, da.to(a.dtype), db.to(b.dtype), None if place is None else dplace.to(place.dtype), None


largest_line.register_autograd(_backward, setup_context=_keep_input)
