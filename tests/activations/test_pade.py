"""Rationals against exact arithmetic, the published values, and what their forms promise."""

import math

import pytest
import torch
from torch import Tensor

from actbench.activations.catalog import CurveName, RationalVersion
from actbench.activations.kernels import layout
from actbench.activations.pade import rational
from actbench.activations.rational_coefficients import PUBLISHED
from tests.activations.exact_rational import exact, sizes, to_float

FORMS: tuple[RationalVersion, ...] = ("A", "B", "C")
GRID = [0.0, 1e-30, 1e-3, 0.125, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 50.0, 1023.0, 1025.0, 3e4, 1e10, 1e20, 3e38]
GRID += [-x for x in GRID[1:]]
ROUNDING = {
    torch.float64: 2.0**-53,
    torch.float32: 2.0**-24,
    torch.bfloat16: 2.0**-8,
    torch.float16: 2.0**-11,
}


@pytest.fixture(params=["kernel", "plain"])
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(layout, "takes", lambda _library, _x: False)


def curve(version: RationalVersion, x: Tensor, *tables: Tensor) -> Tensor:
    a, b = tables
    return rational(x, a, b, version=version, num_channels=1, channel_dim=0)


def outcome(
    x: Tensor, a: tuple[float, ...], b: tuple[float, ...], version: RationalVersion
) -> list[list[float]]:
    """For each x: y, dy/dx, dy/da, dy/db as the package computes them."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    tables = [torch.tensor([values], dtype=dtype).requires_grad_() for values in (a, b)]
    rows = []
    for value in x.unbind():
        point = value.view(1).clone().requires_grad_()
        y = curve(version, point, *tables)
        grads = torch.autograd.grad(y.sum(), (point, *tables))
        rows.append([y.item(), *torch.cat([grad.double().flatten() for grad in grads]).tolist()])
    return rows


def draw(version: RationalVersion, orders: tuple[int, int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Random coefficients that float32 holds, the constant b_0 in version C alone."""
    generator = torch.Generator().manual_seed(10 * orders[0] + orders[1])
    a, b = (torch.randn(order + 1, generator=generator).tolist() for order in orders)
    return tuple(a), tuple(b[version != "C" :])


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize("orders", [(5, 4), (7, 6), (2, 5), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_exact_wherever_the_result_is_a_number_of_its_type(
    version: RationalVersion, orders: tuple[int, int], dtype: torch.dtype
) -> None:
    a, b = draw(version, orders)
    x = torch.tensor(GRID).to(dtype)
    x = x[x.isfinite()]
    assert len(x) > 25
    for point, found in zip(x.tolist(), outcome(x, a, b, version), strict=True):
        wanted, scales = exact(point, a, b, version), sizes(point, a, b, version)
        for index, (got, fraction, scale) in enumerate(zip(found, wanted, scales, strict=True)):
            own = dtype if index < 2 else torch.float32  # gradients of coefficients are as these
            # Horner's rule rounds 2 * 7 times, quotient and products a few times more; then comes the type's rounding.
            target, roundings = to_float(fraction), 40 * 2.0**-24 * scale
            if abs(target) + roundings >= torch.finfo(own).max * (1 - ROUNDING[own]):
                continue
            bound = roundings + ROUNDING[own] * (abs(target) + roundings) + torch.finfo(own).tiny
            assert abs(got - target) <= bound, (point, index, got, target)


@pytest.mark.parametrize("version", FORMS)
def test_float64_has_its_own_precision(version: RationalVersion) -> None:
    a, b = draw(version, (5, 4))
    x = torch.tensor(GRID, dtype=torch.float64)
    for point, found in zip(x.tolist(), outcome(x, a, b, version), strict=True):
        wanted, scales = exact(point, a, b, version), sizes(point, a, b, version)
        for got, fraction, scale in zip(found, wanted, scales, strict=True):
            assert abs(got - to_float(fraction)) <= 40 * 2.0**-53 * scale


SETS = [("A", "silu"), ("A", "relu"), ("A", "gelu")]
TABLE = [
    (-3.0, -0.142279, -0.011917, -0.008186),
    (-1, -0.268942, -0.000725, -0.157541),
    (0, 0.000000, 0.029964, -0.001242),
    (1, 0.731058, 1.000790, 0.841576),
    (2, 1.761594, 2.000221, 1.954441),
    (5, 4.96472, 4.873847, 5.096459),
    (-5, -0.035294, -0.365232, -0.216424),
    (10, 9.839748, 9.032551, 12.455506),
]
"""x, then the released silu, relu and gelu_old under form A."""
FURTHER: list[tuple[RationalVersion, CurveName, float, float, float]] = [
    # version, set, x, y, half of the last digit given
    ("A", "silu", 20.0, 17.81, 5e-3),
    ("A", "silu", 50, 34.96, 5e-3),
    ("A", "silu", -20, -2.19, 5e-3),
    ("A", "silu", -50, -15.05, 5e-3),
    ("A", "gelu", 20, 38.5, 5e-2),
    ("A", "gelu", 50, 209.6, 5e-2),
    ("A", "gelu", -50, -150, 0.5),
    ("A", "leaky_relu", 5, 4.8716, 5e-5),
    ("A", "leaky_relu", -5, -0.4125, 5e-5),
    ("A", "tanh", 5, 0.9950, 5e-5),
    ("B", "gelu", 1, 0.841545, 5e-7),
    ("B", "gelu", -1, -0.158455, 5e-7),
    ("B", "gelu", 2, 1.954732, 5e-7),
    ("B", "gelu", -1.5, -0.100619, 5e-7),
    ("B", "gelu", 5, 0.9970, 5e-5),
    ("B", "gelu", -5, 0.9784, 5e-5),
    ("B", "relu", 5, 4.6792, 5e-5),
    ("B", "relu", -5, -0.3208, 5e-5),
    ("B", "leaky_relu", 5, 4.6824, 5e-5),
    ("B", "leaky_relu", -5, -0.3676, 5e-5),
    ("B", "silu", 5, 4.9647, 5e-5),
    ("B", "tanh", -5, -1.0022, 5e-5),
    ("B", "sigmoid", 5, 0.9933, 5e-5),
    ("B", "sigmoid", -5, 0.0067, 5e-5),
    ("C", "relu", 5, 4.6792, 5e-5),
    ("C", "relu", -5, -0.3208, 5e-5),
    ("C", "gelu", 5, 471.4, 5e-2),
    ("C", "gelu", -5, 326.3, 5e-2),
    ("C", "silu", -5, -0.0353, 5e-5),
]


@pytest.mark.usefixtures("_both")
def test_published_values() -> None:
    for x, *row in TABLE:
        for (version, name), value in zip(SETS, row, strict=True):
            assert at(version, name, x)[0] == pytest.approx(value, abs=1e-6)  # type: ignore[arg-type]
    for version, name, x, value, half in FURTHER:
        assert at(version, name, x)[0] == pytest.approx(value, abs=half * 1.01)


@pytest.mark.usefixtures("_both")
def test_published_gradients() -> None:
    published: list[tuple[RationalVersion, CurveName, float, list[float]]] = [
        ("A", "silu", 2, [1.090783, 0.696894, 1.393788, 2.787577, 5.575153, 11.150307, 22.300614,
         2.455289, -4.910578, 9.821157, -19.642314]),
        ("A", "silu", -1.5, [-0.041294, 0.804838, -1.207257, 1.810885, -2.716328, 4.074492, -6.111738,
         -0.330351, 0.495527, -0.743290, 1.114935]),
        ("B", "gelu", 2, [1.086686, 0.680438, 1.360876, 2.721752, 5.443505, 10.887010, 21.774020,
         -2.660148, -5.320297, -10.640594, -21.281188]),
        ("B", "gelu", -1.5, [-0.127526, 0.773145, -1.159717, 1.739575, -2.609363, 3.914044, -5.871067,
         -0.116689, 0.175034, -0.262551, 0.393826]),
    ]  # fmt: skip
    for version, name, x, values in published:
        # Digits as given; then float32's, over terms of up to 22.
        assert at(version, name, x)[1:] == pytest.approx(values, abs=1e-6, rel=4e-6)
    assert at("A", "gelu", 2)[1] == pytest.approx(1.085933, abs=1e-6)


def at(version: RationalVersion, name: CurveName, x: float) -> list[float]:
    return outcome(torch.tensor([float(x)]), *PUBLISHED[version, name], version)[0]


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("version", ["A", "B"])
def test_sgn_of_zero_is_one(version: RationalVersion) -> None:
    # All b = 0 and P = 1 + 2x: y = P, dy/dx = 2 - P * dQ/dx with dQ/dx = 0, and dy/db_j = -x^j P, |x|^j in A. Plain
    # autograd gives db = 0, and such a unit would stay a polynomial for ever.
    for x in (-0.5, 0.0, 2.0, 2048.0):
        z = abs(x) if version == "A" else x
        p = 1 + 2 * x
        found = outcome(torch.tensor([x]), (1.0, 2.0), (0.0, 0.0), version)[0]
        assert found == pytest.approx([p, 2, 1, x, -z * p, -(z**2) * p], abs=1e-6, rel=1e-6)
    # At x = 0 with b_1 = 3: dy/dx = a_1 - a_0 * b_1, the right-hand derivative in A.
    assert outcome(torch.tensor([0.0]), (1.0, 2.0), (3.0, 0.0), version)[0][1] == pytest.approx(-1)


@pytest.mark.parametrize("version", FORMS)
def test_denominators_are_at_least_their_offset(version: RationalVersion) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(4000, generator=generator) * 2 - 1) * torch.logspace(-3, 3, 4000)
    for _ in range(20):
        b = 3 * torch.randn(1, 4 + (version == "C"), generator=generator)
        inverse = curve(version, x, torch.tensor([[1.0, 0.0]]), b)  # 1 / Q
        assert (inverse > 0).all()
        assert (inverse <= (10 if version == "C" else 1)).all()


def test_c_cannot_tell_scales_of_its_coefficients_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, 6 - k, generator=generator).abs() + 1 for k in (0, 1))
    x = torch.linspace(0, 3, 101)
    large, larger = (curve("C", x, k * a, k * b) for k in (2.0**20, 2.0**30))
    # 0.1 beside at least 2^20; the roundings are the same ones.
    torch.testing.assert_close(large, larger, rtol=2.0**-22, atol=0)
    assert not torch.allclose(curve("C", x, a, b), large, rtol=1e-3)


@pytest.mark.usefixtures("_both")
def test_far_out_the_leading_terms_decide_on_both_sides() -> None:
    # a_5 / |b_4|, the same slope at either end whatever the curve near 0 is: 0.500 for silu, 0.725 for relu.
    for name, slope in (("silu", 0.500), ("relu", 0.725)):
        for x in (-1e30, 1e30):
            y, dx = at("A", name, x)[:2]  # type: ignore[arg-type]
            assert y / x == pytest.approx(slope, abs=5e-4)
            assert dx == pytest.approx(slope, abs=5e-4)


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("dtype", list(ROUNDING))
def test_nan_and_infinities(dtype: torch.dtype) -> None:
    tables = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[1.0]])
    x = torch.tensor([math.nan, math.inf, -math.inf, 1.0], dtype=dtype)
    y = curve("A", x, *tables)  # (x + 2 x^2) / (1 + |x|)
    assert y.isnan().tolist() == [True, False, False, False]
    assert y[1:3].tolist() == [math.inf, math.inf]
    slow = curve("A", x, torch.tensor([[0.0, 1e-11]]), torch.tensor([[0.0]]))
    assert slow[1:3].tolist() == [math.inf, -math.inf]  # though 2^140 * 1e-11 is a float32
    level = curve("A", x, torch.tensor([[0.0, 3.0]]), torch.tensor([[1.0]]))  # 3x / (1 + |x|)
    assert level[1:3].tolist() == [3.0, -3.0]
    falling = curve("A", x, torch.tensor([[5.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
    assert falling[1:3].abs().max() <= 2.0**-130


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_once_and_sums_gradients_wide(dtype: torch.dtype) -> None:
    tables = [torch.tensor([values], requires_grad=True) for values in PUBLISHED["A", "silu"]]
    x = torch.full((2**14,), 1.5, dtype=dtype)
    y = curve("A", x, *tables)
    assert torch.equal(y, curve("A", x.float(), *tables).to(dtype))
    grads = torch.autograd.grad(y, tables, torch.ones_like(y))
    a, b = (table.flatten().tolist() for table in tables)
    wanted = exact(1.5, a, b, "A")[2:]
    found = torch.cat(grads, dim=1).flatten().tolist()
    # A sum in the half type would stall near 256 (bfloat16) or 2048 (float16) terms.
    assert found == pytest.approx([2**14 * float(value) for value in wanted], rel=2e-5)


def test_rows_serve_neighbouring_channels() -> None:
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    a, b = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]]), torch.tensor([[0.0]])
    y = rational(x, a, b, version="B", num_channels=6, channel_dim=1)
    torch.testing.assert_close(y, torch.cat((x[:, :2], torch.ones(5, 2), 2 + 3 * x[:, 4:]), dim=1))
