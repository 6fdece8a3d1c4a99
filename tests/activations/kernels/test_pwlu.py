"""PWLU's operator, which makes tables of the parameters itself, against the tables that the module makes of them.

The value and dx are those of the tables' operator to the last bit, for the tables are. Gradients of parameters are held
to the plain form's in float64, with bounds derived from the sums per piece that they are made of: at most TERMS
additions in float32 for each, and u wrong by 8 U (|u| + 1), U = 2^-24: three roundings of the step's inverse, two of u.
"""

import ctypes
import math
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench.activations import pwlu as pwlu_module
from actbench.activations.create import create_activation
from actbench.activations.kernels import layout as layouts
from actbench.activations.kernels.piecewise_linear import LIBRARY, piecewise_linear
from actbench.activations.pwlu import LEAST_WIDTH, PWLU
from tests.activations.kernels.portable import build_portable
from tests.activations.kernels.test_piecewise_linear import TERMS, Grid, U, along_dim, inputs, lay_out

F32, F64 = torch.float32, torch.float64


@pytest.fixture(autouse=True)
def _compiled() -> Iterator[None]:
    """A machine that can build the kernels must have them; elsewhere there is nothing to test."""
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        pytest.skip("no C++ compiler on this machine")
    assert layouts.is_available(LIBRARY, F32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Gradients(NamedTuple):
    dx: Tensor
    heights: Tensor
    bound_left: Tensor
    bound_right: Tensor
    slope_left: Tensor
    slope_right: Tensor


def make(channels: int, intervals: int, *, shared: bool = False, width: float = 5.0, dim: int = 1) -> PWLU:
    """Every parameter is moved; `width` is about the bounds' distance, negative for bounds that have crossed."""
    sharing = "layer" if shared else "channel"
    unit = create_activation("pwlu", channels, channel_dim=dim, intervals=intervals, sharing=sharing)
    assert isinstance(unit, PWLU)
    with torch.no_grad():
        unit.heights.normal_()
        unit.bound_left.normal_(-2.0, 0.5)
        unit.bound_right.copy_(unit.bound_left + width * (1 + torch.rand_like(unit.bound_left)))
        unit.slope_left.normal_()
        unit.slope_right.normal_()
    return unit


def gradients(unit: PWLU, x: Tensor, g: Tensor) -> tuple[Tensor, Gradients]:
    x = x.detach().requires_grad_()
    names = Gradients._fields[1:]
    y = unit(x)
    return y.detach(), Gradients(
        *torch.autograd.grad(y, (x, *(unit.get_parameter(name) for name in names)), g)
    )


def double(unit: PWLU) -> PWLU:
    copied = make(unit.num_channels, unit.intervals, shared=unit.sharing == "layer", dim=unit.channel_dim)
    copied.load_state_dict(unit.state_dict())
    return copied.double()


def check(unit: PWLU, x: Tensor, g: Tensor) -> None:
    """Value and gradients as the module's header says; x must be away from knots."""
    y, found = gradients(unit, x, g)
    tables = Grid(*(table.detach() for table in unit._tables()))
    leaf = x.detach().requires_grad_()
    by_tables = piecewise_linear(leaf, *tables, unit.channel_dim)
    assert torch.equal(y, by_tables.detach())
    assert torch.equal(found.dx, torch.autograd.grad(by_tables, leaf, g)[0])
    truth, wide = gradients(double(unit), x.double(), g.double())[1], tables.to(F64)
    allowed = bounds(unit, wide, x.double(), g.double())
    for name in Gradients._fields[1:]:
        got, want = getattr(found, name), getattr(truth, name)
        assert got.dtype == F32
        assert ((got.double() - want).abs() <= getattr(allowed, name)).all(), name


def bounds(unit: PWLU, tables: Grid, x: Tensor, g: Tensor) -> Gradients:
    """How far a gradient may be from its value, in float64; dx's is left out."""
    dim, pieces = unit.channel_dim, unit.intervals + 2
    low, inv_step = (along_dim(value, x.ndim, dim) for value in (tables.low, tables.inv_step))
    u = (x - low) * inv_step
    piece = (u.floor() + 1).clamp(0, pieces - 1)
    along = (u - (piece - 1).clamp(min=0)).abs()
    starts = along_dim(torch.arange(len(tables.low)) * pieces, x.ndim, dim)
    index = (piece.long() + starts).flatten()

    def sums(terms: Tensor) -> Tensor:
        return (
            torch.zeros(tables.base.numel(), dtype=F64)
            .index_add(0, index, terms.flatten())
            .view_as(tables.base)
        )

    size, few, many = g.abs().expand_as(x), 8 * U, TERMS * U
    a0, a1 = sums(size), sums(size * along)
    e0, e1 = many * a0, many * a1 + few * sums(size * (u.abs() + 1))
    each = e0 + e1 + few * (a0 + a1)
    heights = each[:, :-1] + each[:, 1:]
    origin = (torch.arange(pieces, dtype=F64) - 1).clamp(min=0)
    slope, step = tables.rise.abs() * tables.inv_step[:, None], 1 / tables.inv_step
    dx = (slope * (e0 + few * a0)).sum(1)
    dx_u = (slope * (e1 + origin * e0 + few * (a1 + origin * a0))).sum(1)
    ends = (e1 + few * a1)[:, [0, -1]]
    of_step = (ends[:, 0] * unit.slope_left.abs() + ends[:, 1] * unit.slope_right.abs()).detach() + dx_u
    of_bound = of_step / unit.intervals + 2 * dx
    return Gradients(dx, heights, of_bound, of_bound, ends[:, 0] * step, ends[:, 1] * step)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**16),
    sizes=st.lists(st.integers(1, 17), min_size=1, max_size=4),
    channel=st.integers(0, 3),
    intervals=st.sampled_from([2, 4, 8, 14, 16, 18, 32, 64]),
    shared=st.booleans(),
    layout=st.sampled_from(["contiguous", "channels_last", "strided"]),
    width=st.sampled_from([5.0, 0.3]),
)
@example(0, [3, 5, 37, 41], 1, 16, False, "contiguous", 5.0)
@example(1, [4, 37, 9, 11], 1, 16, False, "channels_last", 5.0)
@example(2, [30_000], 0, 16, True, "contiguous", 5.0)
def test_within_derived_bounds_of_the_plain_form(
    seed: int, sizes: list[int], channel: int, intervals: int, shared: bool, layout: str, width: float
) -> None:
    torch.manual_seed(seed)
    dim, shape = channel % len(sizes), tuple(sizes)
    unit = make(shape[dim], intervals, shared=shared, width=width, dim=dim)
    grid = Grid(*(table.detach() for table in unit._tables()))
    check(unit, lay_out(inputs(shape, grid, dim, F32, knots=False), layout), torch.randn(shape))


@pytest.mark.parametrize("apart", [LEAST_WIDTH / 2, 0.0, -1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_range_too_narrow_acts_and_learns_as_the_plain_form_says(apart: float, sign: float) -> None:
    unit = make(4, 16)
    with torch.no_grad():
        unit.bound_left.copy_(torch.tensor([-1.0, 0.0, 0.5, 2.0]))
        unit.bound_right.copy_(unit.bound_left + apart)
    grid = Grid(*(table.detach() for table in unit._tables()))
    x = inputs((50, 4), grid, 1, F32, knots=False)
    # In one direction the gradient would narrow the range further, and is stopped; the middle's passes in both.
    g = sign * gradients(unit, x, torch.ones_like(x))[1].dx
    found, truth = gradients(unit, x, g)[1], gradients(double(unit), x.double(), g.double())[1]
    # Knots are 6e-4 apart and x = 2 has steps of 2e-7: u is right to a few thousandths.
    for name in Gradients._fields:
        torch.testing.assert_close(getattr(found, name).double(), getattr(truth, name), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", [F32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("shared", [False, True])
def test_any_precision_has_the_value_of_the_tables(dtype: torch.dtype, layout: str, shared: bool) -> None:
    if not layouts.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    unit = make(20, 16, shared=shared)
    special = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0])
    x = lay_out(
        torch.cat((3 * torch.randn(4, 20, 5, 6), special.expand(4, 20, 5, 5)), dim=3).to(dtype), layout
    )
    with torch.no_grad():
        unit.slope_left[:] = 0
        tables = unit._tables()
        y, expected = unit(x), piecewise_linear(x, *tables, 1)
    assert y.dtype == dtype
    assert y.stride() == x.stride()
    assert torch.equal(y.isnan(), x.isnan())
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)


def test_infinite_and_missing_inputs_reach_the_gradients_that_the_plain_form_lets_them_reach() -> None:
    unit = make(3, 16)
    with torch.no_grad():
        unit.slope_left[:] = 0
        unit.slope_right[0] = 0
    x = torch.randn(12, 3)
    x[0, :2], x[1, 0], x[2, 1] = -math.inf, math.inf, math.nan
    found = gradients(unit, x, torch.ones_like(x))[1]
    truth = gradients(double(unit), x.double(), torch.ones_like(x).double())[1]
    for name in Gradients._fields:
        torch.testing.assert_close(
            getattr(found, name).double(), getattr(truth, name), rtol=1e-4, atol=1e-4, equal_nan=True
        )


@pytest.mark.parametrize("freeze", ["none", "shape", "all"])
def test_what_is_frozen_gets_no_gradient_and_the_rest_the_same(freeze: str) -> None:
    unit, x = make(5, 16), torch.randn(6, 5, 4)
    names = {"none": (), "shape": ("heights",), "all": Gradients._fields[1:]}[freeze]
    expected = gradients(unit, x, torch.ones_like(x))[1]
    for name in names:
        unit.get_parameter(name).requires_grad_(False)
    leaf = x.requires_grad_()
    unit(leaf).sum().backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, expected.dx)
    for name in Gradients._fields[1:]:
        grad = unit.get_parameter(name).grad
        if name in names:
            assert grad is None
        else:
            assert grad is not None
            assert torch.equal(grad, getattr(expected, name))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("shared", [False, True])
def test_bitwise_the_same_from_run_to_run_and_for_any_number_of_threads(layout: str, shared: bool) -> None:
    unit = make(6, 16, shared=shared)
    x, g = lay_out(2 * torch.randn(8, 6, 40, 41), layout), torch.randn(8, 6, 40, 41)
    assert x.numel() >= layouts._WORTH_THREADS
    before, outcomes = torch.get_num_threads(), []
    try:
        for threads in (1, 1, 2, 3):
            torch.set_num_threads(threads)
            outcomes.append(gradients(unit, x, g)[1])
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        assert all(torch.equal(first, second) for first, second in zip(outcomes[0], other, strict=True))


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 5), (2, 4, 3, 3)])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("shared", [False, True])
def test_operators_keep_torchs_contract(shape: tuple[int, ...], layout: str, shared: bool) -> None:
    """Schema, fake tensors (shape, strides, dtype) and autograd registration, by torch's own checker."""
    unit, x = make(4, 4, shared=shared), lay_out(torch.randn(shape), layout)
    parameters = [unit.get_parameter(name).detach() for name in Gradients._fields[1:]]
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    leaves = (x.requires_grad_(), *(value.clone().requires_grad_() for value in parameters), LEAST_WIDTH, 1)
    torch.library.opcheck(torch.ops.actbench.pwlu.default, leaves, test_utils=tests)
    arguments = (torch.randn(shape), x.detach(), *parameters, LEAST_WIDTH, 1)
    torch.library.opcheck(torch.ops.actbench.pwlu_backward.default, arguments, test_utils=tests)


def test_one_operator_is_all_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are no longer made by PyTorch's own operators, forward or backward."""
    unit, x = make(4, 16), torch.randn(2, 4, 3, 3).requires_grad_()

    def unexpected(*_: object, **__: object) -> Tensor:
        raise AssertionError("the module made tables of its own")

    monkeypatch.setattr(PWLU, "_tables", unexpected)
    monkeypatch.setattr(pwlu_module, "piecewise_linear", unexpected)
    unit(x).sum().backward()
    assert x.grad is not None
    assert all(p.grad is not None for p in unit.parameters())


@pytest.mark.parametrize(
    "shape", [(200, 3, 4, 4), (70, 5, 3, 3), (9, 4, 2, 2), (33, 2, 7, 7), (300, 3, 1, 5)]
)
def test_short_rows_of_a_channel_are_summed_together(shape: tuple[int, ...]) -> None:
    unit = make(shape[1], 16)
    grid = Grid(*(table.detach() for table in unit._tables()))
    check(unit, inputs(shape, grid, 1, F32, knots=False), torch.randn(shape))


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_portable(LIBRARY, tmp_path_factory.mktemp("portable"))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("intervals", [2, 16, 64])
@pytest.mark.parametrize("shared", [False, True])
def test_portable_code_keeps_the_same_bounds(
    portable: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, layout: str, intervals: int, shared: bool
) -> None:
    monkeypatch.setattr(layouts, "load_library", lambda _name: portable)
    unit = make(5, intervals, shared=shared)
    grid = Grid(*(table.detach() for table in unit._tables()))
    x = lay_out(inputs((3, 5, 7, 9), grid, 1, F32, knots=False), layout)
    check(unit, x, torch.randn(3, 5, 7, 9))
