"""Holds the Triton kernels within derived bounds of the plain forms in float64; run as a program, in its interpreter.

The bounds are those of test_piecewise_linear.py and test_rational.py: U = 2^-24 for every rounding in float32, and for
sums as many roundings as a thread adds terms, with the few of a tree over the threads. The program goes through small
cases on the CPU, with TRITON_INTERPRET=1 in the environment before Triton is imported, and prints how many there were.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from actbench.activations.pade import _Pade
from actbench.activations.piece_sums import grid_gradients
from actbench.activations.piecewise_linear import _PiecewiseLinear

F32, F64 = torch.float32, torch.float64
U = 2.0**-24
ROUNDING = {F32: U, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
LEAST = {F32: 2.0**-149, torch.bfloat16: 2.0**-133, torch.float16: 2.0**-25}
"""Half the smallest step, below which rounding is absolute."""
TERMS = 256 + 16

Form = Callable[..., Tensor]


class Grid(NamedTuple):
    base: Tensor
    rise: Tensor
    low: Tensor
    inv_step: Tensor

    def to(self, where: Any) -> "Grid":
        return Grid(*(table.to(where) for table in self))


def make_grid(units: int, pieces: int, *, exact: bool) -> Grid:
    """With `exact` knots, tables and u are exact in every format; pieces need not meet."""
    if exact:
        base, rise = torch.randint(-8, 9, (2, units, pieces)) / 4
        return Grid(base, rise, -torch.ones(units) * (pieces // 2) / 4, torch.full((units,), 4.0))
    base, rise = torch.randn(2, units, pieces)
    return Grid(base, rise, torch.randn(units) - 2, pieces / (torch.rand(units) + 0.5) / 5)


def inputs(
    shape: tuple[int, ...], grid: Grid, channel_dim: int, dtype: torch.dtype, *, exact: bool
) -> Tensor:
    """Everywhere: exactly on knots and halfway between, or at least 0.1 steps from each, in `dtype` exactly."""
    channels = shape[channel_dim]
    rows = [size for dim, size in enumerate(shape) if dim != channel_dim % len(shape)]
    whole = torch.randint(-3, grid.base.shape[1] + 2, (*rows, channels))
    steps = (
        whole + torch.randint(0, 2, whole.shape) / 2 if exact else whole + 0.2 + 0.6 * torch.rand(whole.shape)
    )
    x = grid.low + steps / grid.inv_step
    return x.movedim(-1, channel_dim % len(shape)).to(dtype).contiguous()


def beside(table: Tensor, x: Tensor, channel_dim: int) -> Tensor:
    if len(table) == 1:
        return table
    return table.view([-1 if dim == channel_dim % x.ndim else 1 for dim in range(x.ndim)])


def run(form: Form, x: Tensor, tables: tuple[Tensor, ...], rest: tuple[Any, ...], g: Tensor) -> list[Tensor]:
    """y, dx, and the tables' gradients."""
    x, tables = x.detach().requires_grad_(), tuple(table.detach().requires_grad_() for table in tables)
    y = form(x, *tables, *rest)
    return [y.detach(), *torch.autograd.grad(y, (x, *tables), g)]


def check_piecewise_linear(form: Form, x: Tensor, grid: Grid, channel_dim: int, g: Tensor) -> None:
    found = run(form, x, grid, (channel_dim,), g)
    wide = grid.to(F64)

    def along_x(table: Tensor) -> Tensor:
        return beside(table, x, channel_dim)

    truth = run(_PiecewiseLinear.apply, x.double(), wide, (channel_dim,), g.double())
    u = (x.detach().double() - along_x(wide.low)) * along_x(wide.inv_step)
    pieces = grid.base.shape[1]
    offset = (u - ((u.floor() + 1).clamp(0, pieces - 1) - 1).clamp(min=0)).abs()
    steepest, rounding, least = along_x(wide.rise.abs().amax(1)), ROUNDING[x.dtype], LEAST[x.dtype]
    error = steepest * (2 * U * u.abs() + 3 * U * offset + U) + U * truth[0].abs()
    within(found[0], truth[0], error + rounding * (truth[0].abs() + error) + least, "y")
    within(found[1], truth[1], (4 * U + rounding) * truth[1].abs() + least, "dx")
    assert found[0].stride() == found[1].stride() == x.stride() or not x.is_contiguous()
    ones = Grid(torch.zeros_like(wide.base), torch.ones_like(wide.rise), wide.low, wide.inv_step)

    def absolute(weight: Tensor) -> Tensor:
        return run(_PiecewiseLinear.apply, x.double(), ones, (channel_dim,), weight)[2]

    size, few = g.double().abs(), (pieces + 4) * U
    of_base = TERMS * U * absolute(size)
    of_rise = TERMS * U * absolute(size * offset) + absolute(size * (2 * U * u.abs() + U * offset))
    origin = (torch.arange(pieces, dtype=F64, device=x.device) - 1).clamp(min=0)
    rise = wide.rise.abs()
    of_low = wide.inv_step * (rise * (of_base + few * absolute(size))).sum(1)
    moments = absolute(size * offset) + origin * absolute(size)
    of_step = (rise * (of_rise + origin * of_base + few * moments)).sum(1) / wide.inv_step
    for got, want, allowed, name in zip(
        found[2:], truth[2:], (of_base, of_rise, of_low, of_step), Grid._fields, strict=True
    ):
        within(got, want, allowed + 2.0**-140, name)


def check_grid_gradients(form: Callable[..., tuple[Tensor, Tensor]], device: str = "cpu") -> None:
    base_grad, rise_grad, rise = torch.randn(3, 5, 40, device=device)
    rise[:, ::3], rise_grad[:, ::3] = 0, torch.inf  # infinite inputs fell on level pieces
    inv_step = torch.rand(5, device=device) + 0.5
    for got, want in zip(
        form(base_grad, rise_grad, rise, inv_step),
        grid_gradients(base_grad, rise_grad, rise, inv_step),
        strict=True,
    ):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-4)


def check_rational(
    form: Form, x: Tensor, a: Tensor, c: Tensor, version: tuple[bool, float], channel_dim: int, g: Tensor
) -> None:
    found = run(form, x, (a, c), (*version, channel_dim), g)
    wide = a.double(), c.double()
    truth = run(_Pade.apply, x.double(), wide, (*version, channel_dim), g.double())
    value, slope, *terms = _sizes(x.detach().double(), *wide, *version, channel_dim)
    rounding = ROUNDING[x.dtype]
    tiny = torch.finfo(x.dtype).smallest_normal * rounding
    for got, want, size, name in zip(
        found[:2], truth[:2], (value, slope * g.double().abs()), ("y", "dx"), strict=True
    ):
        allowed = rounding * (want.abs() + 40 * U * size) + 40 * U * size + tiny
        fits = want.abs() + allowed < torch.finfo(x.dtype).max
        within(got[fits], want[fits], allowed[fits], name)
    others = [dim for dim in range(x.ndim) if dim != channel_dim % x.ndim or len(a) == 1]
    for got, want, size, name in zip(found[2:], truth[2:], terms, ("a", "c"), strict=True):
        summed = (g.double().abs() * size).sum([dim + 1 for dim in others]).view(len(size), -1).T
        within(got, want, (TERMS + 40) * U * summed, name)


def _sizes(
    x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int
) -> list[Tensor]:
    """What rounding errors of y, dx, and of the terms of da and dc are relative to: all terms made positive."""
    z = x.abs()
    inverse: Tensor = _Pade.apply(x, torch.ones_like(a[:, :1]), c, of_magnitude, offset, channel_dim)

    def columns(table: Tensor, derived: int) -> Tensor:
        weighted = [
            beside(column.abs(), x, channel_dim) * (i**derived * z ** max(i - derived, 0))
            for i, column in enumerate(table.unbind(1))
        ]
        return torch.stack(weighted).sum(0)

    p, dp, s, ds = (columns(table, derived) for table in (a, c) for derived in (0, 1))
    worse = (offset + s) * inverse
    y = p * inverse * worse
    of_a, of_c = (torch.stack([z**i for i in range(table.shape[1])]) for table in (a, c))
    return [
        y,
        (dp * inverse + y * ds * inverse) * worse,
        of_a * (inverse * worse),
        of_c * (y * inverse * worse),
    ]


def within(got: Tensor, want: Tensor, allowed: Tensor, name: str) -> None:
    assert got.shape == want.shape, name
    is_far = ~((got.double() - want).abs() <= allowed)
    assert not is_far.any(), (name, int(is_far.sum()), got[is_far][:4].tolist(), want[is_far][:4].tolist())


def lay_out(x: Tensor, layout: str) -> Tensor:
    """The same values in another arrangement of memory."""
    if layout == "channels_last":
        return x.movedim(1, -1).contiguous().movedim(-1, 1)
    if layout == "strided":
        return torch.empty(*x.shape, 3, dtype=x.dtype, device=x.device)[..., 1].copy_(x)
    if layout == "expanded":
        return x[:1].expand_as(x)
    if layout == "narrowed":
        return torch.empty(x.shape[0] + 2, *x.shape[1:], dtype=x.dtype, device=x.device)[1:-1].copy_(x)
    return x


BF16, F16 = torch.bfloat16, torch.float16
SMALL = [
    ((2, 3, 4, 8), "contiguous", 1, False, F32),
    ((2, 3, 5, 3), "contiguous", 1, False, BF16),
    ((3, 4, 5, 3), "channels_last", 1, False, F32),
    ((3, 4, 5, 3), "channels_last", 1, False, BF16),
    ((3, 5, 2, 3), "channels_last", 1, False, F16),
    ((150, 6), "contiguous", 1, False, F16),
    ((2, 30, 6), "expanded", -1, False, BF16),
    ((1, 2, 2200), "contiguous", 1, False, BF16),
    ((7, 40), "strided", 1, True, F16),
]


def check_groups() -> None:
    """Rows that neighbouring channels share are those rows for each of them."""
    a, c = torch.randn(4, 6), torch.randn(4, 5).abs()
    wide_a, wide_c = (table.repeat_interleave(3, 0) for table in (a, c))
    for shape, dim in (((2, 12, 5, 3), 1), ((7, 12), -1)):
        x, g = torch.randn(2, *shape)
        shared, own = ((rational.rational(x, *t, True, 1.0, dim)) for t in ((a, c), (wide_a, wide_c)))
        assert torch.equal(shared, own)
        dx, sums = rational.rational_backward(g, x, a, c, True, 1.0, dim)
        own_dx, own_sums = rational.rational_backward(g, x, wide_a, wide_c, True, 1.0, dim)
        assert torch.equal(dx, own_dx)
        assert (sums - own_sums.view(4, 3, -1).sum(1)).abs().max() <= 1e-5 * own_sums.abs().sum()


def main() -> None:
    # The operators on the CPU, computed by the Triton kernels instead of the C++ ones.
    piecewise_linear.piecewise_linear.register_kernel("cpu")(partial(curves.forward, direct=False))
    piecewise_linear.piecewise_linear_backward.register_kernel("cpu")(curves.backward)
    rational.rational.register_kernel("cpu")(quotients.forward)
    rational.rational_backward.register_kernel("cpu")(quotients.backward)
    check_grid_gradients(curves.grid_gradients)
    triton_rows.PROGRAMS = curves._PROGRAMS = 4  # so that each goes several rounds
    ROUNDING[torch.bfloat16] = 2.0**-7  # the interpreter cuts where a GPU rounds
    torch.manual_seed(0)
    for shape, layout, dim, shared, dtype in SMALL:
        units, exact = 1 if shared else shape[dim], dtype != F32
        grid, g = make_grid(units, 2 if shape[0] == 7 else 6, exact=exact), torch.randn(shape).to(dtype)
        x = lay_out(inputs(shape, grid, dim, dtype, exact=exact), layout)
        check_piecewise_linear(piecewise_linear.piecewise_linear, x, grid, dim, g)
        x = torch.randn(shape)
        if shape[0] == 3:
            x.view(-1)[::17] *= 1e4  # some that are computed in float64
        a, c = torch.randn(units, 6), torch.randn(units, 5).abs()
        check_rational(rational.rational, lay_out(x.to(dtype), layout), a, c, (dtype == F32, 1.0), dim, g)
    check_groups()
    print(len(SMALL))


if __name__ == "__main__":
    from functools import partial

    from actbench.activations.kernels import piecewise_linear, rational, triton_rows
    from actbench.activations.kernels import triton_piecewise_linear as curves
    from actbench.activations.kernels import triton_rational as quotients

    main()
