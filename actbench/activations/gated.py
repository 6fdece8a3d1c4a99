"""Gated linear units: one half of the input, through an activation, multiplies the other half.

Formula     y = f(g) * h(u), with (g, u) the first and the second half of x along channel_dim
            ReGLU   f(g) = max(g, 0), h(u) = u         GEGLU   f(g) = g * Phi(g), h(u) = u
            SwiGLU  f(g) = g * sigmoid(g), h(u) = u    DReLU   f(g) = max(g, 0), h(u) = max(u, 0)
Shapes      x: (N, 2C, *) -> y: (N, C, *), C = num_channels along channel_dim. The two linear maps that give gate
            and value are one, of twice the width, in the layer before
Dtype       y has the dtype of x; half types are computed in float32 and rounded once
Parameters  none
Gradient    dy/dg = f'(g) * h(u), dy/du = f(g) * h'(u); at the kinks of ReGLU and DReLU 0, as PyTorch's relu
Source      Shazeer, 2020, arXiv:2002.05202 (ReGLU, GEGLU, SwiGLU); Song et al., 2024, arXiv:2406.05955 (DReLU)
Departures  none: Phi is the exact normal distribution function, SwiGLU's slope is 1. Only x is kept for backward.
            Each takes 3 matrices where a plain block has 2; at 2/3 of the width the parameters are matched
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from actbench.activations.base import Activation
from actbench.activations.channelwise import check_channels, widen

Kind = Literal["identity", "relu", "gelu", "silu"]


class _Scalar(NamedTuple):
    """A function of one number, and the gradient that it passes back to x."""

    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


_SCALARS: dict[Kind, _Scalar] = {
    "identity": _Scalar(lambda x: x, lambda grad, _x: grad),
    "relu": _Scalar(F.relu, lambda grad, x: torch.ops.aten.threshold_backward(grad, x, 0)),
    "gelu": _Scalar(F.gelu, torch.ops.aten.gelu_backward),
    "silu": _Scalar(F.silu, torch.ops.aten.silu_backward),
}


def _halves(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Gate and value, in at least float32."""
    gate, value = x.chunk(2, dim)
    return widen(gate), widen(value)


class _Gated(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Kind, value: Kind, dim: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.gate, ctx.value, ctx.dim = gate, value, dim
        g, u = _halves(x, dim)
        return (_SCALARS[gate].value(g) * _SCALARS[value].value(u)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        g, u = _halves(x, ctx.dim)
        f, h = _SCALARS[ctx.gate], _SCALARS[ctx.value]
        wide_grad = widen(grad)
        dg = f.backward(wide_grad * h.value(u), g).to(x.dtype)
        du = h.backward(wide_grad * f.value(g), u).to(x.dtype)
        return torch.cat([dg, du], ctx.dim), None, None, None


def gated_unit(x: Tensor, gate: Kind, value: Kind, channel_dim: int) -> Tensor:
    """The function of the gate times the function of the value; only x is kept for backward."""
    y: Tensor = _Gated.apply(x, gate, value, channel_dim)
    return y


class _GatedUnit(Activation):
    """What the four have in common."""

    is_gated = True
    gate: ClassVar[Kind]
    value: ClassVar[Kind] = "identity"

    def forward(self, x: Tensor) -> Tensor:
        check_channels(x, 2 * self.num_channels, self.channel_dim)
        return gated_unit(x, self.gate, self.value, self.channel_dim)


class ReGLU(_GatedUnit):
    """max(g, 0) * u."""

    gate = "relu"
    operations_per_element = 2.0


class GEGLU(_GatedUnit):
    """g * Phi(g) * u."""

    gate = "gelu"
    operations_per_element = 15.0
    finite_to = 1.7e38  # torch's gelu, which doubles x


class SwiGLU(_GatedUnit):
    """g * sigmoid(g) * u."""

    gate = "silu"
    operations_per_element = 14.0


class DReLU(_GatedUnit):
    """max(g, 0) * max(u, 0)."""

    gate = "relu"
    value = "relu"
    operations_per_element = 3.0
