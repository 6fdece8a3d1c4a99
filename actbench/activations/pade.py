"""Quotients of two polynomials whose denominator cannot vanish: the forms that papers use, and one way to compute them.

Formula     y = P(x) / Q(x),  P = sum a_i x^i,  Q by version:
            A   1 + |b_1||x| + ... + |b_n||x|^n
            B   1 + |b_1 x + ... + b_n x^n|
            C   0.1 + |b_0 + b_1 x + ... + b_n x^n|
            D   B; who trains with it draws the noise
            All are Q = offset + |S|, S = sum c_j z^j: z = |x| and c_j = |b_j| in A, z = x and c_j = b_j otherwise
Shapes      x: any, channels along channel_dim -> y: same shape; numerator (G, m + 1), denominator (H, n), in C
            (H, n + 1); G and H are 1, or divide the number of channels: row k serves the k-th part of them
Dtype       y has the dtype of x; computed and summed in float64, which x^m of any float32 fits (by the kernel in
            float32 near 0, and only then)
Gradient    sgn(0) = +1 everywhere: dy/da_i = x^i / Q; dy/dc_j = -s z^j P / Q^2 with s = sgn(S), in A times
            sgn(b_j) for dy/db_j; dy/dx = P' / Q - (P / Q) (s S' / Q), S' = dS/dx with d|x|/dx = sgn(x).
            Autograd's sgn(0) = 0 would leave denominators that start at 0 there for ever
At the ends an input beyond +-2^140 counts as +-2^140, which only float64 inputs can notice; an infinite one does too,
            and has an infinite value where the one there exceeds 2^100. NaN stays NaN

Of tensors as large as x only x itself is kept for backward. `kernels/` has the C++ form of the same.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from actbench.activations.catalog import RationalVersion
from actbench.activations.channelwise import check_channels
from actbench.activations.kernels import layout
from actbench.activations.kernels import rational as kernel
from actbench.activations.kernels.batch_norm import COLUMNS, Kernel

HIGHEST_ORDER = 7
_FARTHEST = 2.0**140
"""Its seventh power, times 2^40, is a float64, and no float32 is as large."""
_ENDLESS = 2.0**100
"""A quotient of this size at _FARTHEST grows with x; one that has a limit would need coefficients as far apart."""


class Form(NamedTuple):
    """How a version's denominator follows from its coefficients."""

    of_magnitude: bool
    """Whether it is a sum of |b_j||x|^j; else the magnitude of a sum of b_j x^j."""
    offset: float
    first: int
    """The power of x that the first coefficient belongs to."""


FORMS: dict[RationalVersion, Form] = {
    "A": Form(True, 1.0, 1),
    "B": Form(False, 1.0, 1),
    "C": Form(False, 0.1, 0),
    "D": Form(False, 1.0, 1),
}


def rational(
    x: Tensor,
    numerator: Tensor,
    denominator: Tensor,
    *,
    version: RationalVersion,
    num_channels: int,
    channel_dim: int,
) -> Tensor:
    """See the module's header. Raises ActbenchError where x has other channels and the rows depend on them."""
    form = FORMS[version]
    denominator = _from_constant_term(denominator, form)
    is_fast = layout.takes(kernel.LIBRARY, x)
    if len(numerator) > 1 or len(denominator) > 1:
        check_channels(x, num_channels, channel_dim)
        # The kernel knows neighbouring channels that share their rows.
        rows = math.lcm(len(numerator), len(denominator)) if is_fast else num_channels
        numerator, denominator = (_repeated(table, rows) for table in (numerator, denominator))
    compute = kernel.rational if is_fast else _Pade.apply
    y: Tensor = compute(x, numerator, denominator, form.of_magnitude, form.offset, channel_dim)
    return y


def rational_kernel(
    numerator: Tensor, denominator: Tensor, *, version: RationalVersion, num_channels: int
) -> Kernel:
    """The C++ form with these coefficients, for batch normalisation to take along."""
    form = FORMS[version]
    denominator = _from_constant_term(denominator, form)
    if len(numerator) > 1 or len(denominator) > 1:
        numerator, denominator = (_repeated(table, num_channels) for table in (numerator, denominator))
    terms = (numerator.shape[1], denominator.shape[1])

    def plain(z: Tensor, a: Tensor, c: Tensor) -> Tensor:
        y: Tensor = kernel.rational(z, a, c, form.of_magnitude, form.offset, 1)
        return y

    return Kernel(
        kernel.LIBRARY,
        plain,
        tables=(numerator, denominator),
        constants=(torch.tensor([form.offset]),),
        gradient_sizes=(sum(terms),),
        to_tables=lambda gradients: gradients.split(terms, dim=1),
        numbers=(terms[0] - 1, terms[1] - 1, int(form.of_magnitude), COLUMNS),
    )


def ends(
    numerator: tuple[float, ...], denominator: tuple[float, ...], version: RationalVersion
) -> tuple[float, float]:
    """What infinite inputs give."""
    a, b = torch.tensor([numerator], dtype=torch.float64), torch.tensor([denominator], dtype=torch.float64)
    x = torch.tensor([-torch.inf, torch.inf], dtype=torch.float64)
    low, high = rational(x, a, b, version=version, num_channels=1, channel_dim=0).tolist()
    return low, high


def _from_constant_term(denominator: Tensor, form: Form) -> Tensor:
    """The coefficients c_0 .. c_n."""
    if form.of_magnitude:
        denominator = _Magnitude.apply(denominator)
    return torch.nn.functional.pad(denominator, (1, 0)) if form.first == 1 else denominator


def _repeated(table: Tensor, rows: int) -> Tensor:
    return table[:, None].expand(-1, rows // len(table), -1).reshape(rows, -1)


class _Magnitude(Function):
    """|b|, whose derivative at 0 is 1."""

    @staticmethod
    def forward(ctx: Any, b: Tensor) -> Tensor:
        ctx.save_for_backward(b)
        return b.abs()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (b,) = ctx.saved_tensors
        return torch.where(b < 0, -grad, grad)


class _Pade(Function):
    """Takes rows for every channel, or one for all, with c_0 in the denominator."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        numerator: Tensor,
        denominator: Tensor,
        of_magnitude: bool,
        offset: float,
        channel_dim: int,
    ) -> Tensor:
        ctx.save_for_backward(x, numerator, denominator)
        ctx.of_magnitude, ctx.offset, ctx.channel_dim = of_magnitude, offset, channel_dim
        wide = _widest(x)
        a, c = (_beside(table.to(wide.dtype), x.ndim, channel_dim) for table in (numerator, denominator))
        inner = _horner(wide.abs() if of_magnitude else wide, c)
        y = _horner(wide, a).div_(inner.abs_().add_(offset))
        return torch.where(x.isinf() & (y.abs() > _ENDLESS), y * torch.inf, y).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, numerator, denominator = ctx.saved_tensors
        wide = _widest(x)
        a, c = (_beside(table.to(wide.dtype), x.ndim, ctx.channel_dim) for table in (numerator, denominator))
        z = wide.abs() if ctx.of_magnitude else wide
        inner = _horner(z, c)
        inverse = inner.abs().add_(ctx.offset).reciprocal_()
        y = _horner(wide, a).mul_(inverse)
        share = inverse.mul_(grad)  # g / Q
        fall = torch.where(inner < 0, share, -share).mul_(y)  # -s g P / Q^2
        dx = da = dc = None
        if ctx.needs_input_grad[0]:
            steepness = _horner(z, _derivative(c)).mul_(fall)
            if ctx.of_magnitude:
                steepness = torch.where(wide < 0, -steepness, steepness)
            dx = _horner(wide, _derivative(a)).mul_(share).add_(steepness).to(x.dtype)
        if ctx.needs_input_grad[1]:
            da = _moments(share, wide, a).to(numerator.dtype)
        if ctx.needs_input_grad[2]:
            dc = _moments(fall, z, c).to(denominator.dtype)
        return dx, da, dc, None, None, None


def _widest(x: Tensor) -> Tensor:
    """x in float64 and cut to where powers are finite; in float32 on MPS, which has nothing wider."""
    if x.device.type == "mps":
        return x.float()
    return x.double().clamp(-_FARTHEST, _FARTHEST)


def _beside(table: Tensor, ndim: int, channel_dim: int) -> list[Tensor]:
    """The columns of (K, degree + 1), each as it broadcasts against x."""
    shape = [1] * ndim
    if len(table) > 1:
        shape[channel_dim] = len(table)
    return [column.view(shape) for column in table.unbind(dim=1)]


def _horner(x: Tensor, coefficients: list[Tensor]) -> Tensor:
    """sum coefficients[i] * x^i, as a fresh tensor of x's shape."""
    *others, last = coefficients
    total = torch.empty_like(x).copy_(last)
    for coefficient in reversed(others):
        total.mul_(x).add_(coefficient)
    return total


def _derivative(coefficients: list[Tensor]) -> list[Tensor]:
    return [power * coefficient for power, coefficient in enumerate(coefficients)][1:]


def _moments(weight: Tensor, x: Tensor, coefficients: list[Tensor]) -> Tensor:
    """Sums of weight * x^i over the elements that share a coefficient: (K, degree + 1). Overwrites `weight`."""
    sums = torch.empty(len(coefficients), coefficients[0].numel(), dtype=x.dtype, device=x.device)
    for power, out in enumerate(sums):
        if power:
            weight.mul_(x)
        out.copy_(weight.sum_to_size(coefficients[0].shape).flatten())
    return sums.T
