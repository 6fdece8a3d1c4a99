"""A chain of scaled and shifted ReLUs as the one ramp that it is.

Formula     h_0 = x,  h_i = theta_i * ReLU(h_{i-1}) + omega_i  (i = 1..n),  u = ReLU(h_n)
            equals  u(x) = p + q * clip(x, t0, t1)  with 0 <= t0 <= t1 <= inf
Why         a ReLU keeps one linear piece and clips the rest, a scaling and a shift keep the pieces; so
            however long the chain, one pass over x does, and only x is kept for backward

`collapse` finds the ramp. It also follows `low` and `high`, the values that the chain takes left of t0 and
right of t1. They are p + q*t0 and p + q*t1, but computed step by step they decide each ReLU as the chain
itself does, ties included, and a gradient taken through (p, q, low, high) needs no division by q: t0 and t1
are where the pieces meet, and as u is continuous there, moving them alone changes nothing.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from actbench.activations.channelwise import widen
from actbench.activations.kernels import layout
from actbench.activations.kernels import ramp as kernel
from actbench.activations.kernels.collapse import collapse as collapse_on_cpu


class Ramp(NamedTuple):
    bounds: Tensor
    """(2,): t0 and t1, without gradient."""
    values: Tensor
    """(4,): p, q, low, high. `high` means nothing while t1 is infinite."""


RELU = Ramp(torch.tensor([0.0, torch.inf], device="cpu"), torch.tensor([0.0, 1.0, 0.0, 0.0], device="cpu"))
"""On the CPU, whatever the default device is when this module is first imported."""


def collapse(theta: Tensor, omega: Tensor) -> Ramp:
    """The ramp of the chain, differentiable in theta and omega, both (n,); in at least float32, no sync.

    Where a ReLU leaves nothing of the ramp, q = p = t0 = t1 = 0: the chain is constant from there on.
    """
    theta, omega = widen(theta), widen(omega)
    if theta.device.type == "cpu" and layout.serves(theta.dtype):
        bounds, values, _ = collapse_on_cpu(theta, omega)
        return Ramp(bounds, values)
    # The first ReLU by itself: x clipped to [0, inf).
    t0, t1 = theta.new_zeros(()), theta.new_full((), torch.inf)
    is_slope = torch.arange(4, device=theta.device) == 1
    values = is_slope.to(theta.dtype)
    takes_shift = 1 - values
    for scale, shift in zip(theta.unbind(), omega.unbind(), strict=True):
        values = scale * values + shift * takes_shift
        t0, t1, keep = _rectify(t0, t1, values.detach())
        values = torch.where(keep, values, 0)
    return Ramp(torch.stack((t0, t1)), values)


def _rectify(t0: Tensor, t1: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A ReLU behind the ramp: its new bounds, and which of p, q, low, high it leaves; the others become 0.

    Like the derivative of ReLU at 0, a value of exactly 0 counts as clipped.
    """
    p, q, low, high = values.unbind()
    level = q == 0
    end = torch.where(t1.isinf(), torch.where(level, p, torch.copysign(t1, q)), high)
    root = (0 - p) / torch.where(level, 1, q)
    cut_low = (q > 0) & (low <= 0)
    cut_high = (q < 0) & (end <= 0)
    t0, t1 = torch.where(cut_low, root, t0), torch.where(cut_high, root, t1)
    # t0 >= t1 only by rounding, where the ramp's top is 0 to the last digit.
    is_dead = ((low <= 0) & (end <= 0)) | (~level & (t0 >= t1))
    t0, t1 = torch.where(is_dead, 0, t0), torch.where(is_dead, 0, t1)
    alive = ~is_dead
    return t0, t1, torch.stack((alive, alive, alive & (low > 0), alive & ~cut_high & (high > 0)))


def clip_pass(x: Tensor, bounds: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """p + q * clip(x, t0, t1) in at least float32; q = 0 gives p for infinite x as well, NaN stays NaN."""
    learns = torch.is_grad_enabled() and (bounds.requires_grad or p.requires_grad or q.requires_grad)
    if layout.takes(kernel.LIBRARY, x) and not learns:  # the operator has a gradient for x alone
        fast: Tensor = kernel.ramp(x, torch.cat((bounds, p[None], q[None])))
        return fast
    return clip(widen(x), bounds, q).mul_(q).add_(p).to(x.dtype)


def clip(x: Tensor, bounds: Tensor, q: Tensor) -> Tensor:
    """clip(x, t0, t1), finite where the factor q that awaits it is 0; a tensor of its own."""
    t0, t1 = bounds.unbind()
    t1 = torch.where(q == 0, t1.clamp(max=torch.finfo(t1.dtype).max), t1)  # else 0 * inf
    return torch.minimum(torch.maximum(x, t0), t1)


class RampPass(Function):
    """`clip_pass` with gradients for x and for p, q, low, high; keeps x and the six scalars."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bounds: Tensor, values: Tensor) -> Tensor:
        ctx.save_for_backward(x, bounds, values)
        return clip_pass(x, bounds, values[0], values[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        x, bounds, values = ctx.saved_tensors
        if layout.takes(kernel.LIBRARY, x):
            dx, dvalues = kernel.ramp_backward(grad, x, torch.cat((bounds, values[:2])))
            return dx, None, dvalues.to(values.dtype)
        return _plain_backward(x, bounds, values, grad, *ctx.needs_input_grad[::2])


def _plain_backward(
    x: Tensor, bounds: Tensor, values: Tensor, grad: Tensor, needs_dx: bool, needs_dvalues: bool
) -> tuple[Tensor | None, None, Tensor | None]:
    wide, wide_grad, q = widen(x), widen(grad), values[1]
    # threshold_backward is grad where its second argument exceeds 0, else 0: comparison and selection in
    # one vectorised pass. Strict at both bounds, as ReLU's derivative at 0 is 0.
    right_of_t0 = torch.ops.aten.threshold_backward(wide_grad, wide - bounds[0], 0)
    inside = torch.ops.aten.threshold_backward(right_of_t0, bounds[1] - wide, 0)
    dx = dvalues = None
    if needs_dx:
        dx = (inside * q).to(x.dtype)
    if needs_dvalues:
        inside_sum, right_sum = inside.sum(), right_of_t0.sum()
        dvalues = torch.stack(
            (
                inside_sum,
                (inside * clip(wide, bounds, q)).sum(),
                wide_grad.sum() - right_sum,
                right_sum - inside_sum,
            )
        ).to(values.dtype)
    return dx, None, dvalues
