"""The C++ form of rationals as operators of torch.library."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run

LIBRARY = "rational"


@torch.library.custom_op("actbench::rational", mutates_args=(), device_types="cpu")
def rational(x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int) -> Tensor:
    """P / (offset + |S|), see pade.py, for inputs that `layout.takes` accepts.

    a: (K, m + 1), c: (K, n + 1), constant terms first, orders at most 7; K is the number of channels, or 1.
    """
    x, layout = dense(x.detach(), channel_dim, len(a))
    y = torch.empty_like(x)
    if x.numel():
        tables = float_tables(a.T, c.T, torch.tensor([offset]))
        run(LIBRARY, "forward", [x, y, *tables], layout, len(a), *_shape(a, c), int(of_magnitude))
    return y


@torch.library.custom_op("actbench::rational_backward", mutates_args=(), device_types="cpu")
def rational_backward(
    grad: Tensor, x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int
) -> tuple[Tensor, Tensor]:
    """dx, and the gradients of a and c side by side in float32: (K, m + n + 2)."""
    x, layout = dense(x.detach(), channel_dim, len(a))
    dx = torch.empty_like(x)
    grads = x.new_zeros(sum(_shape(a, c)) + 2, len(a), dtype=torch.float32)
    if x.numel():
        tables = float_tables(a.T, c.T, torch.tensor([offset]))
        tensors = [x, like(x, grad), dx, *tables, grads]
        run(LIBRARY, "backward", tensors, layout, len(a), *_shape(a, c), int(of_magnitude))
    return dx, grads.T.contiguous()


def _shape(a: Tensor, c: Tensor) -> tuple[int, int]:
    return a.shape[1] - 1, c.shape[1] - 1


@rational.register_fake
def _(
    x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int  # noqa: ARG001
) -> Tensor:  # fmt: skip
    return torch.empty_like(dense(x, channel_dim, len(a))[0])


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
    dx = torch.empty_like(dense(x, channel_dim, len(a))[0])
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
