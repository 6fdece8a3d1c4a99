"""The Triton kernels on a GPU: bounds against the plain forms in float64, layouts, extremes, determinism, programs."""

import copy
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.activations import pade, piecewise_linear
from actbench.activations.create import create_activation
from actbench.activations.kernels import gpu
from actbench.activations.kernels import piecewise_linear as curve
from actbench.activations.kernels import rational as quotient
from tests.activations.kernels.triton_bounds import (
    BF16,
    F16,
    F32,
    Grid,
    check_grid_gradients,
    check_piecewise_linear,
    check_rational,
    inputs,
    lay_out,
    make_grid,
    run,
)

pytestmark = pytest.mark.gpu

SHAPES = [
    ((3, 5, 7, 9), 1),
    ((2, 64, 56, 56), 1),
    ((9, 40, 32, 32), 1),
    ((4, 3, 224, 224), 1),
    ((5, 33, 7, 7), 1),
    ((700, 20), 1),
    ((40, 197, 384), -1),
    ((2, 3, 5, 6, 7), 1),
    ((1, 2, 100_001), 1),
    ((300, 2050), -1),
    ((1, 1), 1),
]
LAYOUTS = ["contiguous", "channels_last", "strided", "expanded", "narrowed"]
DTYPES = [F32, BF16, F16]
CASES = [
    (shape, dim, layout, dtype, shared)
    for number, (shape, dim) in enumerate(SHAPES)
    for kind, dtype in enumerate(DTYPES)
    for layout, shared in (
        ("contiguous", False),
        ("channels_last", False),
        (LAYOUTS[(number + kind) % 5], True),
        (LAYOUTS[(number + kind) % 3 + 2], False),
    )
]
"""Every shape, precision and layout; not all of them together."""


@pytest.fixture(autouse=True)
def _ready() -> None:
    """A CUDA machine must use the kernels: a fallback fails here."""
    assert torch.cuda.is_available()
    assert gpu.load_kernels(curve.LIBRARY)
    assert gpu.load_kernels(quotient.LIBRARY)
    torch.manual_seed(0)


@pytest.mark.parametrize(("shape", "dim", "layout", "dtype", "shared"), CASES)
def test_piecewise_linear_is_within_bounds(
    shape: tuple[int, ...], dim: int, layout: str, dtype: torch.dtype, shared: bool
) -> None:
    exact = dtype != F32
    grid = make_grid(1 if shared else shape[dim], 10 if exact else 18, exact=exact)
    x = lay_out(inputs(shape, grid, dim, dtype, exact=exact).cuda(), layout)
    g = torch.randn(shape, device="cuda").to(dtype)
    check_piecewise_linear(curve.piecewise_linear, x, grid.to("cuda"), dim, g)


@pytest.mark.parametrize("pieces", [2, 18, 34, 66, 130, 200])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", [F32, BF16])
def test_tables_of_any_size(pieces: int, layout: str, dtype: torch.dtype) -> None:
    exact = dtype == BF16
    pieces = min(pieces, 36) if exact else pieces
    grid = make_grid(20, pieces, exact=exact)
    x = lay_out(inputs((6, 20, 24, 24), grid, 1, dtype, exact=exact).cuda(), layout)
    check_piecewise_linear(curve.piecewise_linear, x, grid.to("cuda"), 1, torch.randn_like(x))


@pytest.mark.parametrize("channels", [2, 16, 33, 130, 514])
@pytest.mark.parametrize("dtype", [F32, BF16])
def test_any_number_of_channels(channels: int, dtype: torch.dtype) -> None:
    grid = make_grid(channels, 10, exact=True)
    x = lay_out(inputs((3, channels, 13, 11), grid, 1, dtype, exact=True).cuda(), "channels_last")
    check_piecewise_linear(curve.piecewise_linear, x, grid.to("cuda"), 1, torch.randn_like(x))
    a, c = torch.randn(channels, 6), torch.randn(channels, 5)
    check_rational(
        quotient.rational, torch.randn_like(x), a.cuda(), c.cuda(), (False, 1.0), 1, torch.randn_like(x)
    )


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_piece_by_piece_and_wide_indices(
    layout: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What serves tables too large for shared memory, and tensors of 2^30 elements and more."""
    from actbench.activations.kernels import triton_piecewise_linear, triton_rows

    monkeypatch.setattr(triton_piecewise_linear, "MOST_SHARED", 0)
    monkeypatch.setattr(triton_rows, "_MOST_INT32", 0)
    grid = make_grid(24, 10, exact=True)
    x = lay_out(inputs((5, 24, 16, 16), grid, 1, dtype, exact=True).cuda(), layout)
    check_piecewise_linear(curve.piecewise_linear, x, grid.to("cuda"), 1, torch.randn_like(x))
    a, c = torch.randn(24, 6), torch.randn(24, 5)
    x = torch.randn_like(x)
    check_rational(quotient.rational, x, a.cuda(), c.cuda(), (False, 1.0), 1, torch.randn_like(x))


VERSIONS = [(True, 1.0), (False, 1.0), (False, 0.1)]


@pytest.mark.parametrize(("shape", "dim", "layout", "dtype", "shared"), CASES)
def test_rational_is_within_bounds(
    shape: tuple[int, ...], dim: int, layout: str, dtype: torch.dtype, shared: bool
) -> None:
    units = 1 if shared else shape[dim]
    a, c = torch.randn(units, 6, device="cuda"), torch.randn(units, 5, device="cuda")
    version = VERSIONS[len(layout) % 3]
    for far in (False, True):
        x = torch.randn(shape, device="cuda")
        if far:
            x.view(-1)[::997] *= 1e4
        x, g = lay_out(x.to(dtype), layout), torch.randn(shape, device="cuda").to(dtype)
        check_rational(quotient.rational, x, a, c.abs() if version[0] else c, version, dim, g)


@pytest.mark.parametrize("orders", [(1, 1), (2, 7), (7, 2), (7, 7)])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_rationals_of_any_order(orders: tuple[int, int], layout: str) -> None:
    a, c = (torch.randn(20, order + 1, device="cuda") for order in orders)
    x = lay_out(torch.randn(6, 20, 17, 15, device="cuda"), layout)
    check_rational(quotient.rational, x, a, c, (False, 1.0), 1, torch.randn_like(x))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_piecewise_linear_of_what_is_no_number(layout: str, dtype: torch.dtype) -> None:
    grid = make_grid(6, 10, exact=True)
    grid.rise[:3, 0], grid.rise[2:, -1] = 0, 0
    special = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e4, -1e4, 0.25])
    x = lay_out(special.repeat(3, 6, 5, 1).to(dtype).cuda(), layout)
    g = torch.randn(x.shape, device="cuda").to(dtype)
    y, dx, base, rise, *_ = run(curve.piecewise_linear, x, grid.to("cuda"), (1,), g)
    truth = run(
        piecewise_linear._PiecewiseLinear.apply,
        x.double(),
        grid.to("cuda").to(torch.float64),
        (1,),
        g.double(),
    )
    assert torch.equal(y.isnan(), x.isnan())
    for got, want in zip((y, dx, base, rise), truth, strict=False):
        torch.testing.assert_close(got, want.to(got.dtype), equal_nan=True, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("orders", [(5, 4), (4, 5), (4, 4)])
def test_rationals_at_the_ends(layout: str, dtype: torch.dtype, orders: tuple[int, int]) -> None:
    a, c = (torch.rand(6, order + 1, device="cuda") + 0.5 for order in orders)
    special = torch.tensor([math.inf, -math.inf, 6e4, -6e4, 2000.0, 3.0, -0.0])
    x = lay_out(special.repeat(3, 6, 5, 1).to(dtype).cuda(), layout)
    g = torch.ones_like(x)
    y, dx, *_ = run(quotient.rational, x, (a, c), (True, 1.0, 1), g)
    truth = run(pade._Pade.apply, x.double(), (a.double(), c.double()), (True, 1.0, 1), g.double())
    for got, want in zip((y, dx), truth, strict=False):
        torch.testing.assert_close(got, want.float().to(dtype), rtol=0.01, atol=1e-6)
    x = torch.full_like(x, math.nan)
    assert quotient.rational(x, a, c, True, 1.0, 1).isnan().all()


def test_huge_coefficients_are_computed_in_float64() -> None:
    a, c = torch.zeros(1, 6, device="cuda"), torch.zeros(1, 5, device="cuda")
    a[0, 5], c[0, 4] = 1e30, 1e30
    x = torch.tensor([500.0, -3.0, 0.0], device="cuda")
    y, dx, *_ = run(quotient.rational, x, (a, c), (True, 1.0, 0), torch.ones_like(x))
    assert y.tolist() == pytest.approx([500.0, -3.0, 0.0])
    assert dx.tolist() == pytest.approx([1.0, 1.0, 0.0])


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", [F32, BF16])
@pytest.mark.parametrize("shared", [False, True])
def test_sums_are_bitwise_the_same_from_run_to_run(layout: str, dtype: torch.dtype, shared: bool) -> None:
    units = 1 if shared else 64
    x = lay_out(torch.randn(64, 64, 56, 56, device="cuda").to(dtype), layout)
    g, grid = torch.randn_like(x), make_grid(units, 18, exact=False).to("cuda")
    a, c = torch.randn(units, 6, device="cuda"), torch.randn(units, 5, device="cuda").abs()
    first = run(curve.piecewise_linear, x, grid, (1,), g) + run(
        quotient.rational, x, (a, c), (True, 1.0, 1), g
    )
    for _ in range(20):
        again = run(curve.piecewise_linear, x, grid, (1,), g) + run(
            quotient.rational, x, (a, c), (True, 1.0, 1), g
        )
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_gradients_of_the_grid() -> None:
    check_grid_gradients(curve.piecewise_linear_grid, "cuda")


def test_long_sums_lose_nothing() -> None:
    # 2^27 equal terms: float32 alone drifts far off over that many.
    x = torch.full((2**26, 2), 0.3, device="cuda", dtype=BF16)
    a, c = torch.zeros(2, 2, device="cuda"), torch.zeros(2, 2, device="cuda")
    *_, da, _ = run(quotient.rational, x, (a, c), (False, 1.0, 1), torch.ones_like(x))
    for column, term in enumerate((1.0, float(x[0, 0]))):
        assert da[:, column].tolist() == pytest.approx([2**26 * term] * 2, rel=272 * 2.0**-24)
    level, line = torch.zeros(2, 4, device="cuda"), torch.zeros(2, device="cuda")
    grid = Grid(level, level, line, line + 1)
    base, rise = run(curve.piecewise_linear, x, grid, (1,), torch.ones_like(x))[2:4]
    assert base.tolist() == [[0.0, 2.0**26, 0.0, 0.0]] * 2
    assert rise[:, 1].tolist() == pytest.approx([2**26 * float(x[0, 0])] * 2, rel=272 * 2.0**-24)


@pytest.mark.parametrize("shape", [(0, 4), (2, 4, 0), (0, 4, 3, 3), (2, 4, 0, 5)])
@pytest.mark.parametrize("units", [1, 4])
def test_nothing_at_all(shape: tuple[int, ...], units: int) -> None:
    x, grid = torch.zeros(shape, device="cuda"), make_grid(units, 6, exact=True).to("cuda")
    found = run(curve.piecewise_linear, x, grid, (1,), x)
    assert found[0].shape == found[1].shape == shape
    assert not any(table.any() for table in found[2:])
    a = torch.randn(units, 6, device="cuda")
    assert not any(table.any() for table in run(quotient.rational, x, (a, a), (True, 1.0, 1), x)[1:])


@pytest.fixture
def _no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in (piecewise_linear._PiecewiseLinear, pade._Pade):
        monkeypatch.setattr(form, "apply", partial(_on_cpu_alone, form.apply))


def _on_cpu_alone(apply: Any, x: Tensor, *rest: Any) -> Any:
    assert not x.is_cuda, "the plain form served"
    return apply(x, *rest)


NAMES = ["pwlu", "rational", "gr_kan"]


@pytest.mark.usefixtures("_no_fallback")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_modules_use_the_kernels_and_keep_their_input_alone(
    name: str, layout: str, dtype: torch.dtype
) -> None:
    unit: Any = create_activation(name, 32).cuda()
    assert unit.backend == "triton"
    x = lay_out(torch.randn(8, 32, 14, 14, device="cuda").to(dtype), layout).requires_grad_()
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = unit(x)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.stride() == y.stride() == x.stride()
    assert x.grad.dtype == y.dtype == dtype
    assert all(parameter.grad is not None for parameter in unit.parameters())
    own = x.untyped_storage()
    assert storages.pop(own.data_ptr()) == own.nbytes()
    assert sum(storages.values()) < 32 * 20 * 4 * 8, "beside it tables alone: no copy, no index, no mask"


@pytest.mark.usefixtures("_no_fallback")
@pytest.mark.parametrize("name", NAMES)
def test_under_autocast_the_kernels_read_and_write_its_precision(name: str) -> None:
    unit = create_activation(name, 32).cuda()
    with torch.autocast("cuda", BF16):
        y = unit(torch.nn.functional.conv2d(torch.randn(2, 3, 9, 9).cuda(), torch.randn(32, 3, 3, 3).cuda()))
    assert y.dtype == BF16
    y.sum().backward()


@pytest.mark.usefixtures("_no_fallback")
def test_deployed_units_look_up_in_the_kernel() -> None:
    unit: Any = create_activation("pwlu", 32).cuda()
    x = torch.randn(4, 32, 9, 9, device="cuda") * 3
    want = unit(x)
    for layout in ("contiguous", "channels_last"):
        leaf = lay_out(x, layout).requires_grad_()
        y = unit.eval().deploy()(leaf)
        torch.testing.assert_close(y, want, rtol=1e-5, atol=1e-5)
        y.sum().backward()
    assert unit.backend == "triton"


@pytest.mark.usefixtures("_no_fallback")
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_neighbouring_channels_share_a_groups_row(layout: str) -> None:
    unit = create_activation("gr_kan", 24, groups=4, share="none")
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.mul_(torch.rand_like(parameter) + 0.5)
    found = []
    for device, dtype in (("cuda", torch.float32), ("cpu", torch.float64)):
        module = copy.deepcopy(unit).to(device, dtype)
        x = (
            lay_out(torch.linspace(-3, 3, 5 * 24 * 49).view(5, 24, 7, 7), layout)
            .to(device, dtype)
            .requires_grad_()
        )
        y = module(x)
        grads = torch.autograd.grad(y.square().sum(), (x, *module.parameters()))
        found.append([value.detach().double().cpu() for value in (y, *grads)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("_no_fallback")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_compiled_programs_give_the_same(name: str, layout: str) -> None:
    torch._dynamo.reset()
    unit = create_activation(name, 16).cuda()
    x = lay_out(torch.randn(4, 16, 10, 10, device="cuda"), layout)

    def step(call: Any) -> list[Tensor]:
        leaf = x.detach().clone().requires_grad_()
        y = call(leaf * 2)
        return [y, *torch.autograd.grad(y.square().sum(), (leaf, *unit.parameters()))]

    for one, other in zip(step(unit), step(torch.compile(unit, fullgraph=True)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_operators_keep_torchs_contract() -> None:
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    for layout in ("contiguous", "channels_last"):
        x = lay_out(torch.randn(2, 4, 3, 3, device="cuda"), layout)
        grid = make_grid(4, 6, exact=True).to("cuda")
        leaves = (x.clone().requires_grad_(), *(table.requires_grad_() for table in grid), 1)
        torch.library.opcheck(torch.ops.actbench.piecewise_linear.default, leaves, test_utils=tests)
        plain = tuple(value.detach() if isinstance(value, Tensor) else value for value in leaves)
        gradient = torch.ops.actbench.piecewise_linear_backward.default
        torch.library.opcheck(gradient, (torch.randn_like(x), *plain), test_utils=tests)
        a, c = torch.randn(2, 4, 5, device="cuda")
        torch.library.opcheck(torch.ops.actbench.rational.default, (x, a, c, True, 1.0, 1), test_utils=tests)
        gradient = torch.ops.actbench.rational_backward.default
        torch.library.opcheck(gradient, (x, x.clone(), a, c, True, 1.0, 1), test_utils=tests)
