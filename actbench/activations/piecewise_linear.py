"""Uniform piecewise-linear functions, each channel its own: the plain form and the choice of a kernel.

Formula     u = (x - low) * inv_step; piece j = clamp(floor(u) + 1, 0, S - 1) with origin o_j = max(j - 1, 0):
            y = base[j] + rise[j] * (u - o_j)
Shapes      x: any, channels along channel_dim -> y: same shape; base, rise: (K, S); low, inv_step: (K,), K the
            number of channels, or 1 for a function that all share
Dtype       y has the dtype of x; everything is computed in at least float32, and gradients are summed in float64
Gradient    dx = g * rise[j] * inv_step, the right piece's at a knot; base and rise: sums of g and g * (u - o_j)
            over their piece; low and inv_step through u
At the ends a rise of 0 gives base for infinite x too; NaN stays NaN

Of tensors as large as x only x itself is kept for backward. `kernels/` has the C++ form of the same.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from actbench.activations.channelwise import widen
from actbench.activations.kernels import layout
from actbench.activations.kernels import piecewise_linear as kernel
from actbench.activations.kernels.batch_norm import Kernel
from actbench.activations.piece_sums import grid_gradients


def piecewise_linear(
    x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, *, channel_dim: int
) -> Tensor:
    """See the module's header."""
    if layout.takes(kernel.LIBRARY, x):
        fast: Tensor = kernel.piecewise_linear(x, base, rise, low, inv_step, channel_dim)
        return fast
    y: Tensor = _PiecewiseLinear.apply(x, base, rise, low, inv_step, channel_dim)
    return y


def piecewise_linear_kernel(base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor) -> Kernel:
    """The C++ form with these tables, for batch normalisation to take along."""

    def to_tables(base_grad: Tensor, rise_grad: Tensor) -> tuple[Tensor, ...]:
        low_grad, step_grad = grid_gradients(base_grad, rise_grad, rise.detach(), inv_step.detach())
        return base_grad, rise_grad, low_grad[:, None], step_grad[:, None]

    def plain(z: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor) -> Tensor:
        y: Tensor = kernel.piecewise_linear(z, base, rise, low.view(-1), inv_step.view(-1), 1)
        return y

    pieces = base.shape[1]
    return Kernel(
        kernel.LIBRARY,
        plain,
        tables=(base, rise, low[:, None], inv_step[:, None]),
        gradient_sizes=(pieces, pieces),
        to_tables=to_tables,
        numbers=(pieces,),
        forward_numbers=(0,),
        by_channel=True,
    )


def look_up(
    x: Tensor, offset: Tensor, slope: Tensor, low: Tensor, inv_step: Tensor, *, channel_dim: int
) -> Tensor:
    """The deploy form offset[j] + slope[j] * x, with the pieces of `piecewise_linear`; only x gets a gradient."""
    if layout.takes(kernel.LIBRARY, x):
        fast: Tensor = kernel.look_up(x, offset, slope, low, inv_step, channel_dim)
        return fast
    wide, tables = _widened(x, offset, slope, low, inv_step)
    piece, _ = _find(wide, tables[2], tables[3], offset.shape[1], channel_dim)
    return _line(tables[0], tables[1], piece, wide, wide, channel_dim).to(x.dtype)


def _widened(x: Tensor, *tables: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    wide = widen(x)
    return wide, tuple(table.to(wide.dtype) for table in tables)


def _beside(values: Tensor, x: Tensor, channel_dim: int) -> Tensor:
    """(K,) values as they broadcast against x."""
    if len(values) == 1:
        return values
    shape = [1] * x.ndim
    shape[channel_dim] = -1
    return values.view(shape)


def _find(x: Tensor, low: Tensor, inv_step: Tensor, pieces: int, channel_dim: int) -> tuple[Tensor, Tensor]:
    """The piece of each element, as an integer that NaN cannot break, and u - o_j."""
    u = (x - _beside(low, x, channel_dim)) * _beside(inv_step, x, channel_dim)
    piece = torch.where(u.isnan(), 0.0, u.floor() + 1).clamp(0, pieces - 1)
    return piece.long(), u - (piece - 1).clamp(min=0)


def _entries(table: Tensor, piece: Tensor, channel_dim: int) -> Tensor:
    """table[channel, piece] for each element."""
    rows, pieces = table.shape
    starts = torch.arange(rows, device=table.device) * pieces
    return table.flatten()[piece + _beside(starts, piece, channel_dim)]


def _line(base: Tensor, rise: Tensor, piece: Tensor, along: Tensor, x: Tensor, channel_dim: int) -> Tensor:
    start, slope = _entries(base, piece, channel_dim), _entries(rise, piece, channel_dim)
    stays = (slope == 0) & ~x.isnan()  # 0 * inf would be NaN
    return start + torch.where(stays, 0.0, slope * along)


class _PiecewiseLinear(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
    ) -> Tensor:
        ctx.save_for_backward(x, base, rise, low, inv_step)
        ctx.channel_dim = channel_dim
        wide, tables = _widened(x, base, rise, low, inv_step)
        piece, along = _find(wide, tables[2], tables[3], base.shape[1], channel_dim)
        return _line(tables[0], tables[1], piece, along, wide, channel_dim).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, base, rise, low, inv_step = ctx.saved_tensors
        channel_dim: int = ctx.channel_dim
        wide, (wide_rise, wide_low, wide_step) = _widened(x, rise, low, inv_step)
        wide_grad = grad.to(wide.dtype)
        piece, along = _find(wide, wide_low, wide_step, base.shape[1], channel_dim)
        dx = None
        if ctx.needs_input_grad[0]:
            slope = _entries(wide_rise, piece, channel_dim) * _beside(wide_step, wide, channel_dim)
            dx = (wide_grad * slope).to(x.dtype)
        if not any(ctx.needs_input_grad[1:]):
            return dx, None, None, None, None, None
        starts = torch.arange(len(base), device=x.device) * base.shape[1]
        index = (piece + _beside(starts, piece, channel_dim)).flatten()
        # In float32 a sum over a large batch would lose what is added late; MPS has nothing wider.
        widest = wide.dtype if x.device.type == "mps" else torch.float64
        sums = wide_grad.new_zeros(2, base.numel(), dtype=widest)
        sums[0].index_add_(0, index, wide_grad.flatten().to(widest))
        sums[1].index_add_(0, index, (wide_grad * along).flatten().to(widest))
        base_grad, rise_grad = sums.to(wide.dtype).view(2, *base.shape).unbind()
        low_grad, step_grad = grid_gradients(base_grad, rise_grad, wide_rise, wide_step)
        return (
            dx,
            base_grad.to(base.dtype),
            rise_grad.to(rise.dtype),
            low_grad.to(low.dtype),
            step_grad.to(inv_step.dtype),
            None,
        )
