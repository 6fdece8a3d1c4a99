"""The C++ kernels against the plain form in float64, over shapes, layouts, precisions and parameters.

Error bounds are derived. With u = (x - low) * inv_step two roundings make u wrong by 2 U |u|, U = 2^-24; the value
changes by the rise of the pieces around times that, and is rounded itself. Sums go through at most 256 float32
additions before float64 takes over.
"""

import copy
import ctypes
import math
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.activations.kernels import build
from actbench.activations.kernels import layout as layouts
from actbench.activations.kernels import pwlu as units
from actbench.activations.kernels.piecewise_linear import LIBRARY
from actbench.activations.piecewise_linear import _PiecewiseLinear, look_up, piecewise_linear
from actbench.activations.pwlu import PWLU
from tests.activations.kernels.portable import build_portable

F32, F64 = torch.float32, torch.float64
HALVES = (torch.bfloat16, torch.float16)
U = 2.0**-24
ROUNDING = {F32: U, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
LEAST = {F32: 2.0**-149, torch.bfloat16: 2.0**-133, torch.float16: 2.0**-25}
"""Half the smallest step, below which rounding is absolute."""
TERMS = 256 + 8
"""Additions in float32 before float64 takes over, and the few at the ends."""


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True)
def _compiled() -> None:
    """A machine that can build the kernels must have them; elsewhere there is nothing to test."""
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        pytest.skip("no C++ compiler on this machine")
    assert layouts.is_available(LIBRARY, F32)
    assert layouts.is_available(LIBRARY, torch.bfloat16)


class Grid(NamedTuple):
    base: Tensor
    rise: Tensor
    low: Tensor
    inv_step: Tensor

    def to(self, dtype: torch.dtype) -> "Grid":
        return Grid(*(table.to(dtype) for table in self))


def make_grid(units: int, intervals: int, *, exact: bool = False) -> Grid:
    """A continuous function per unit. With `exact` knots, heights and u are exact in every format."""
    if exact:
        heights = torch.randint(-8, 9, (units, intervals + 1)) / 4
        low, step = -torch.ones(units) * intervals / 8, torch.full((units,), 0.25)
        left, right = torch.randint(-4, 5, (2, units, 1)) / 4
    else:
        heights = torch.randn(units, intervals + 1)
        low, step = torch.randn(units) - 2, (torch.rand(units) + 0.5) * 5 / intervals
        left, right = torch.randn(2, units, 1)
    rise = torch.cat((left, heights.diff(dim=1), right), dim=1)
    return Grid(torch.cat((heights[:, :1], heights), dim=1), rise, low, 1 / step)


def inputs(
    shape: tuple[int, ...], grid: Grid, channel_dim: int, dtype: torch.dtype, *, knots: bool
) -> Tensor:
    """Inputs in all regions: exactly on knots, or at least 0.1 steps from each, in `dtype` exactly."""
    rows = [size for dim, size in enumerate(shape) if dim != channel_dim % len(shape)]
    pieces = grid.base.shape[1]
    channels = shape[channel_dim]
    whole = torch.randint(-3, pieces + 2, (*rows, channels))
    steps = whole if knots else whole + 0.2 + 0.6 * torch.rand(*rows, channels)
    x = grid.low + steps / grid.inv_step
    return x.movedim(-1, channel_dim % len(shape)).to(dtype).contiguous()


def along_dim(table: Tensor, ndim: int, channel_dim: int) -> Tensor:
    return (
        table if len(table) == 1 else table.view([-1 if d == channel_dim % ndim else 1 for d in range(ndim)])
    )


class Truth(NamedTuple):
    y: Tensor
    dx: Tensor
    tables: Grid


def run(form: Any, x: Tensor, grid: Grid, channel_dim: int, g: Tensor) -> Truth:
    x = x.detach().requires_grad_()
    tables = [table.detach().requires_grad_() for table in grid]
    y = form(x, *tables, channel_dim)
    dx, *rest = torch.autograd.grad(y, (x, *tables), g)
    return Truth(y.detach(), dx, Grid(*rest))


def kernel(x: Tensor, *rest: Any) -> Tensor:
    *tables, channel_dim = rest
    assert layouts.takes(LIBRARY, x)
    return piecewise_linear(x, *tables, channel_dim=channel_dim)


def check(x: Tensor, grid: Grid, channel_dim: int, g: Tensor) -> None:
    """Holds the kernel's value and gradients within their bounds of the plain form's in float64."""
    found = run(kernel, x, grid, channel_dim, g)
    truth = run(_PiecewiseLinear.apply, x.double(), grid.to(F64), channel_dim, g.double())
    wide = grid.to(F64)
    u = (x.detach().double() - along_dim(wide.low, x.ndim, channel_dim)) * along_dim(
        wide.inv_step, x.ndim, channel_dim
    )
    pieces = grid.base.shape[1]
    piece = (u.floor() + 1).clamp(0, pieces - 1)
    offset = (u - (piece - 1).clamp(min=0)).abs()
    steepest = along_dim(wide.rise.abs().amax(1), x.ndim, channel_dim)
    # ---- value and dx, element by element
    error = steepest * (2 * U * u.abs() + 3 * U * offset + U) + U * truth.y.abs()
    allowed = error + ROUNDING[x.dtype] * (truth.y.abs() + error) + LEAST[x.dtype]
    assert found.y.dtype == found.dx.dtype == x.dtype
    assert ((found.y.double() - truth.y).abs() <= allowed).all()
    allowed = (4 * U + ROUNDING[x.dtype]) * truth.dx.abs() + LEAST[x.dtype]
    assert ((found.dx.double() - truth.dx).abs() <= allowed).all()
    # ---- sums: the same sums of absolute values bound their errors
    size = g.double().abs()
    zero = Grid(*(torch.zeros_like(table) for table in wide))._replace(low=wide.low, inv_step=wide.inv_step)

    def absolute(weight: Tensor) -> Tensor:
        ones = zero._replace(rise=torch.ones_like(wide.rise))
        return run(_PiecewiseLinear.apply, x.double(), ones, channel_dim, weight).tables.base

    of_base = (TERMS * U) * absolute(size)
    of_rise = (TERMS * U) * absolute(size * offset) + absolute(size * (2 * U * u.abs() + U * offset))
    origin = (torch.arange(pieces, dtype=F64) - 1).clamp(min=0)
    rise = wide.rise.abs()
    few = (pieces + 4) * U
    of_low = wide.inv_step * (rise * (of_base + few * absolute(size))).sum(1)
    moments = absolute(size * offset) + origin * absolute(size)
    of_step = (rise * (of_rise + origin * of_base + few * moments)).sum(1) / wide.inv_step
    for name, allowed in zip(Grid._fields, (of_base, of_rise, of_low, of_step), strict=True):
        got, want = getattr(found.tables, name), getattr(truth.tables, name)
        assert got.dtype == F32
        assert ((got.double() - want).abs() <= allowed + 2.0**-140).all(), name


LAYOUTS = ("contiguous", "channels_last", "strided", "reversed", "expanded", "narrowed")


def lay_out(x: Tensor, layout: str) -> Tensor:
    """The same values in another arrangement of memory."""
    if layout == "channels_last":
        return x.movedim(1 % x.ndim, -1).contiguous().movedim(-1, 1 % x.ndim)
    if layout == "strided":
        return torch.empty(*x.shape, 3, dtype=x.dtype)[..., 1].copy_(x)
    if layout == "reversed":
        dims = tuple(reversed(range(x.ndim)))
        return x.permute(dims).contiguous().permute(dims)
    if layout == "expanded":
        return x[:1].expand_as(x)
    if layout == "narrowed":
        return torch.empty(x.shape[0] + 2, *x.shape[1:], dtype=x.dtype)[1:-1].copy_(x)
    return x


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**16),
    sizes=st.lists(st.integers(1, 19), min_size=1, max_size=5),
    channel=st.integers(-5, 4),
    intervals=st.sampled_from([2, 4, 8, 14, 16, 30, 32, 64]),
    shared=st.booleans(),
    dtype=st.sampled_from([F32, F32, *HALVES]),
    layout=st.sampled_from(LAYOUTS),
    knots=st.booleans(),
    grad_layout=st.sampled_from(LAYOUTS),
)
@example(0, [2, 17, 3, 5], 1, 16, False, F32, "channels_last", False, "contiguous")
@example(1, [2, 33, 2, 3, 4], 1, 64, False, torch.bfloat16, "channels_last", True, "expanded")
@example(2, [3, 5, 37, 41], 1, 32, False, F32, "contiguous", False, "channels_last")
@example(3, [5, 3, 61, 40], 1, 16, True, F32, "channels_last", False, "strided")
@example(4, [700, 20], -1, 30, False, torch.float16, "contiguous", False, "contiguous")
@example(5, [1, 3, 5000], 1, 4, False, F32, "contiguous", False, "expanded")
@example(6, [9000], 0, 2, True, F32, "contiguous", True, "contiguous")
def test_within_derived_bounds_of_the_plain_float64_form(
    seed: int,
    sizes: list[int],
    channel: int,
    intervals: int,
    shared: bool,
    dtype: torch.dtype,
    layout: str,
    knots: bool,
    grad_layout: str,
) -> None:
    if dtype == torch.float16 and not layouts.is_available(LIBRARY, dtype):
        return
    torch.manual_seed(seed)
    shape = tuple(sizes) if math.prod(sizes) <= 40_000 else tuple(min(size, 6) for size in sizes)
    channel_dim = channel % len(shape) - (len(shape) if channel < 0 else 0)
    # Halves do not resolve a tenth of a fine piece; on the exact grid everything is representable.
    exact = knots or dtype != F32
    intervals = intervals if dtype == F32 or knots else 8
    grid = make_grid(1 if shared else shape[channel_dim], intervals, exact=exact)
    x = lay_out(inputs(shape, grid, channel_dim, dtype, knots=knots), layout)
    g = lay_out(torch.randn(shape).to(dtype), grad_layout)
    check(x, grid, channel_dim, g)


@pytest.mark.parametrize("shape", [(0, 4), (2, 4, 0), (0, 4, 3, 3), (2, 4, 0, 5), (2, 4, 3, 0, 2)])
@pytest.mark.parametrize("units", [1, 4])
def test_nothing_at_all(shape: tuple[int, ...], units: int) -> None:
    grid, x = make_grid(units, 16), torch.zeros(shape)
    for dtype in (F32, torch.bfloat16):
        found = run(kernel, x.to(dtype), grid, 1, torch.zeros(shape, dtype=dtype))
        assert found.y.shape == found.dx.shape == shape
        assert not any(table.any() for table in found.tables)
    assert look_up(x, *grid, channel_dim=1).shape == shape


CASES = [
    ((4, 5, 41, 41), "contiguous", 5, 16),
    ((4, 5, 41, 41), "channels_last", 5, 64),
    ((1, 3, 20_000), "contiguous", 3, 16),
    ((40_000,), "contiguous", 1, 16),
    ((5000, 9), "contiguous", 9, 32),
    ((2, 20, 3, 20, 30), "channels_last", 20, 16),
]


@pytest.mark.parametrize(("shape", "layout", "units", "intervals"), CASES)
@pytest.mark.parametrize("dtype", [F32, torch.bfloat16])
def test_bitwise_the_same_from_run_to_run_and_for_any_number_of_threads(
    shape: tuple[int, ...], layout: str, units: int, intervals: int, dtype: torch.dtype
) -> None:
    grid = make_grid(units, intervals)
    x, g = lay_out(2 * torch.randn(shape).to(dtype), layout), torch.randn(shape).to(dtype)
    assert x.numel() >= layouts._WORTH_THREADS
    before, outcomes = torch.get_num_threads(), []
    try:
        for threads in (1, 1, 2, 3):
            torch.set_num_threads(threads)
            outcomes.append(run(kernel, x, grid, 1 if len(shape) > 1 else 0, g))
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        for first, second in zip(
            (outcomes[0].y, outcomes[0].dx, *outcomes[0].tables),
            (other.y, other.dx, *other.tables),
            strict=True,
        ):
            assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", [F32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("sharing", ["channel", "layer"])
def test_one_input_is_kept_for_backward_and_none_is_copied(
    dtype: torch.dtype, layout: str, sharing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = create_activation("pwlu", 8, sharing=sharing)
    x = lay_out(torch.randn(4, 8, 16, 16).to(dtype), layout).requires_grad_()
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = unit(x)
    own = x.untyped_storage()
    assert storages.pop(own.data_ptr()) == own.nbytes()
    assert sum(storages.values()) < 8 * 20 * 4 * 4, "beside it tables alone: no copy, no index, no mask"
    if layout != "strided":
        seen: list[tuple[Tensor, Tensor]] = []
        real = layouts.dense

        def watched(tensor: Tensor, *rest: int) -> Any:
            made = real(tensor, *rest)
            seen.append((tensor, made[0]))
            return made

        monkeypatch.setattr(units, "dense", watched)
        unit(x).backward(torch.randn_like(y))
        assert len(seen) == 2
        assert all(given.data_ptr() == taken.data_ptr() for given, taken in seen)
        assert x.grad is not None
        assert x.grad.stride() == y.stride() == x.stride()


def test_the_module_uses_the_kernel_wherever_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    real = layouts._function

    def watched(library: str, name: str, dtype: torch.dtype) -> Any:
        names.append(f"{name} {layouts._SUFFIXES[dtype]}")
        return real(library, name, dtype)

    unit = create_activation("pwlu", 4)
    assert isinstance(unit, PWLU)
    assert unit.backend == "cpp"
    monkeypatch.setattr(layouts, "_function", watched)
    for dtype, suffix in ((F32, "f32"), (torch.bfloat16, "bf16")):
        names.clear()
        unit(torch.randn(2, 4, 3, 3).to(dtype).requires_grad_()).sum().backward()
        assert {f"forward {suffix}", f"pwlu {suffix}", f"pwlu_backward {suffix}"} == set(names)
    names.clear()
    with torch.autocast("cpu", torch.bfloat16):
        unit(torch.nn.functional.linear(torch.randn(3, 5), torch.randn(4, 5)))
    assert set(names) == {"forward bf16", "pwlu bf16"}, "the first is asked for whether there is one"
    names.clear()
    copy.deepcopy(unit).double()(torch.randn(2, 4, dtype=F64))
    assert names == [], "float64 is the plain form"
    deployed = copy.deepcopy(unit).eval().deploy()
    deployed(torch.randn(2, 4))
    assert set(names) == {"forward f32"}
    assert deployed.backend == "cpp"


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 5), (2, 4, 3, 3), (2, 4, 1, 1)])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("units", [1, 4])
def test_operators_keep_torchs_contract(shape: tuple[int, ...], layout: str, units: int) -> None:
    """Schema, fake tensors (shape, strides, dtype) and autograd registration, by torch's own checker."""
    grid = make_grid(units, 4)
    x = lay_out(torch.randn(shape), layout)
    inputs_ = (x.requires_grad_(), *(table.requires_grad_() for table in grid), 1)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.actbench.piecewise_linear.default, inputs_, test_utils=tests)
    plain = tuple(value.detach() if isinstance(value, Tensor) else value for value in inputs_)
    torch.library.opcheck(torch.ops.actbench.piecewise_linear_look_up.default, plain, test_utils=tests)
    gradient = (torch.randn(shape), *plain)
    torch.library.opcheck(torch.ops.actbench.piecewise_linear_backward.default, gradient, test_utils=tests)


def test_look_up_is_within_its_bound() -> None:
    for dtype, intervals in ((F32, 16), (F32, 64), (torch.bfloat16, 8), (torch.float16, 8)):
        grid = make_grid(5, intervals, exact=dtype != F32)
        origin = (torch.arange(intervals + 2) - 1).clamp(min=0)
        slope = grid.rise * grid.inv_step[:, None]
        offset = grid.base - slope * (grid.low[:, None] + origin / grid.inv_step[:, None])
        for layout in ("contiguous", "channels_last"):
            x = lay_out(inputs((3, 5, 7, 6), grid, 1, dtype, knots=False), layout)
            tables = Grid(offset, slope, grid.low, grid.inv_step)
            y = look_up(x, *tables, channel_dim=1)
            assert layouts.takes(LIBRARY, x) or dtype == torch.float16
            truth = look_up(x.double(), *tables.to(F64), channel_dim=1)
            steep = slope.double().abs().amax(1).view(5, 1, 1) * x.double().abs()
            allowed = 2 * U * (steep + truth.abs()) + ROUNDING[dtype] * truth.abs() + LEAST[dtype]
            assert ((y.double() - truth).abs() <= allowed).all()
            assert y.stride() == x.stride()


# ---- the portable code ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_portable(LIBRARY, tmp_path_factory.mktemp("portable"))


@pytest.fixture
def _portable_serves(portable: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "load_library", lambda _name: portable)


@pytest.mark.usefixtures("_portable_serves")
@pytest.mark.parametrize("dtype", [F32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("knots", [False, True])
@pytest.mark.parametrize(
    ("shape", "layout", "units", "intervals"),
    [
        ((3, 5, 7, 9), "contiguous", 5, 16),
        ((3, 5, 7, 9), "channels_last", 5, 8),
        ((3, 5, 7, 9), "channels_last", 1, 64),
        ((1, 2, 9000), "contiguous", 2, 4),
        ((700, 3), "contiguous", 3, 16),
    ],
)
def test_portable_code_keeps_the_same_bounds(
    shape: tuple[int, ...], layout: str, units: int, intervals: int, knots: bool, dtype: torch.dtype
) -> None:
    if dtype == torch.float16 and not layouts.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    grid = make_grid(units, intervals if dtype == F32 or knots else 8, exact=knots or dtype != F32)
    check(lay_out(inputs(shape, grid, 1, dtype, knots=knots), layout), grid, 1, torch.randn(shape).to(dtype))


@pytest.mark.parametrize("dtype", [F32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_portable_and_wide_code_agree_on_what_is_no_number(
    portable: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, layout: str
) -> None:
    grid = make_grid(5, 16, exact=True)
    grid.rise[:, 0], grid.rise[2:, -1] = 0, 0
    special = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, 6e4, -6e4]).to(dtype)
    x = lay_out(special.repeat(3, 5, 5, 1), layout)
    g = torch.randn(x.shape).to(dtype)
    outcomes = []
    for library in (build.load_library(LIBRARY), portable):
        monkeypatch.setattr(layouts, "load_library", lambda _name, library=library: library)
        if dtype == torch.float16 and not layouts.is_available(LIBRARY, dtype):
            pytest.skip("this compiler has no _Float16")
        outcomes.append(run(kernel, x, grid, 1, g))
    wide, plain = outcomes
    for first, second in ((wide.y, plain.y), (wide.dx, plain.dx), (wide.tables.base, plain.tables.base)):
        torch.testing.assert_close(first, second, equal_nan=True, rtol=1e-6, atol=1e-6)
    assert torch.equal(wide.y.isnan(), x.isnan())
    assert torch.equal(plain.y.isnan(), x.isnan())


@pytest.mark.parametrize("dtype", HALVES)
def test_every_half_number_is_read_and_rounded_as_torch_does(
    portable: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    x = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).view(dtype)
    # y = x exactly, then y = x / 3 + 1 rounded once: all bit patterns, subnormal, infinite and NaN among them.
    for slope, offset in ((1.0, 0.0), (0.333, 1.0)):
        tables = (torch.full((1, 4), offset), torch.full((1, 4), slope), torch.zeros(1), torch.ones(1))
        expected = (
            torch.addcmul(tables[0][0, :1].double(), x.double(), tables[1][0, :1].double()).float().to(dtype)
        )
        for library in (build.load_library(LIBRARY), portable):
            monkeypatch.setattr(layouts, "load_library", lambda _name, library=library: library)
            if not layouts.is_available(LIBRARY, dtype):
                continue
            y = look_up(x, *tables, channel_dim=0)
            assert torch.equal(y.isnan(), x.isnan())
            if slope == 1:
                assert torch.equal(y[~x.isnan()], x[~x.isnan()])
            # A product rounded to float32 first may fall to the other side of a tie, once in thousands.
            off = (y != expected) & ~x.isnan()
            assert off.sum() <= 40
            assert torch.allclose(y[off].float(), expected[off].float(), rtol=2 * ROUNDING[dtype])


def test_plain_form_in_float32_is_another_way_to_the_same() -> None:
    grid, x = make_grid(3, 16), torch.randn(50, 3)
    assert layouts.takes(LIBRARY, x)
    torch.testing.assert_close(kernel(x, *grid, 1), _PiecewiseLinear.apply(x, *grid, 1), rtol=1e-5, atol=1e-5)
