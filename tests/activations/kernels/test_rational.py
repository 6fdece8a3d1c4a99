"""The C++ kernel of rationals against exact arithmetic and the plain form: layouts, precisions, shapes, threads."""

import ctypes
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from actbench.activations.kernels import layout
from actbench.activations.kernels.rational import LIBRARY, rational
from actbench.activations.pade import _Pade
from tests.activations.kernels.portable import build_portable

ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
FORMS = [(True, 1.0), (False, 1.0), (False, 0.1)]


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_portable(LIBRARY, tmp_path_factory.mktemp("portable"), "-Wno-unused-function")


@pytest.fixture(params=["native", "portable"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library = request.getfixturevalue("portable")  # skips where nothing can be built
    if request.param == "portable":
        monkeypatch.setattr(layout, "load_library", lambda _name: library)
    assert layout.is_available(LIBRARY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def tables(rows: int, of_magnitude: bool, orders: tuple[int, int] = (5, 4)) -> tuple[Tensor, Tensor]:
    a, c = (torch.randn(rows, order + 1) for order in orders)
    return a.requires_grad_(), (c.abs() if of_magnitude else c).requires_grad_()


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize(
    "shape", [(3, 5, 7, 9), (2, 40, 3, 3), (600, 17, 1, 1), (2, 3, 40, 40), (2, 1030, 5, 1), (0, 4, 3, 3)]
)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_value_and_gradients(
    shape: tuple[int, ...], name: str, dtype: torch.dtype, shared: bool, form: tuple[bool, float]
) -> None:
    if not layout.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    a, c = tables(1 if shared else shape[1], form[0])
    x = torch.randn(shape)
    x.view(-1)[::97] *= 1e4  # some that are computed in double
    x = x.to(dtype).contiguous(memory_format=LAYOUTS[name]).requires_grad_()
    g = torch.randn(shape).to(dtype)
    y = rational(x, a, c, *form, 1)
    found = (y, *torch.autograd.grad(y, (x, a, c), g))
    wide = [t.detach().double().requires_grad_() for t in (x, a, c)]
    plain = _Pade.apply(*wide, *form, 1)
    expected = (plain, *torch.autograd.grad(plain, wide, g.double()))
    assert y.stride() == found[1].stride() == x.stride()
    value, slope, *terms = _sizes(x.detach().double(), wide[1], wide[2], *form)
    tiny = torch.finfo(dtype).smallest_normal * ROUNDING[dtype]
    for got, wanted, size in zip(found[:2], expected[:2], (value, slope * g.double().abs()), strict=True):
        roundings = 40 * 2.0**-24 * size
        bound = ROUNDING[dtype] * (wanted.abs() + roundings) + roundings + tiny
        fits = wanted.abs() + bound < torch.finfo(dtype).max
        assert ((got.double() - wanted).abs() <= bound)[fits].all()
    # Sums in float32 over 256 terms at most, then in float64; every term is as exact as above.
    for got, wanted, size in zip(found[2:], expected[2:], terms, strict=True):
        summed = (
            (g.double().abs() * size).sum(dim=(1, 2, 3, 4) if shared else (1, 3, 4)).view(size.shape[0], -1).T
        )
        assert got.shape == wanted.shape == summed.shape
        assert ((got - wanted).abs() <= (256 + 40) * 2.0**-24 * summed).all()


def _sizes(x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float) -> list[Tensor]:
    """What rounding errors of y, dx, and of the terms of da and dc are relative to, as in `exact_rational.sizes`.

    The terms have a row per power of x: (degree + 1, N, C, H, W).
    """
    z = x.abs()
    one = torch.ones(len(a), 1, dtype=torch.float64)
    inverse: Tensor = _Pade.apply(x, one, c.detach(), of_magnitude, offset, 1)

    def powers(table: Tensor) -> Tensor:
        return torch.stack([z**i for i in range(table.shape[1])])

    def columns(table: Tensor, derived: int) -> Tensor:
        sizes = table.detach().abs().T[:, None, :, None, None]
        return sizes * torch.stack([i**derived * z ** max(i - derived, 0) for i in range(table.shape[1])])

    p, dp, s, ds = (columns(table, derived).sum(dim=0) for table in (a, c) for derived in (0, 1))
    worse = (offset + s) * inverse
    y = p * inverse * worse
    slope = (dp * inverse + y * ds * inverse) * worse
    return [y, slope, powers(a) * (inverse * worse), powers(c) * (y * inverse * worse)]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_sums_are_the_same_for_any_number_of_threads(channels_last: bool, shared: bool) -> None:
    x = torch.randn(64, 24, 12, 12)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    g = torch.randn_like(x)
    a, c = tables(1 if shared else 24, True)
    before, outcomes = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaf = x.clone().requires_grad_()
            y = rational(leaf, a, c, True, 1.0, 1)
            outcomes.append((y, *torch.autograd.grad(y, (leaf, a, c), g)))
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        assert all(torch.equal(found, first) for found, first in zip(other, outcomes[0], strict=True))


def test_huge_coefficients_are_computed_in_double() -> None:
    # a_5 x^5 / (b_4 x^4) with both near the end of float32: x^5 a_5 is no float32, the quotient is.
    a, c = torch.zeros(1, 6), torch.zeros(1, 5)
    a[0, 5], c[0, 4] = 1e30, 1e30
    x = torch.tensor([500.0, -3.0, 0.0], requires_grad=True)
    y = rational(x, a, c, True, 1.0, 0)
    y.sum().backward()
    assert y.tolist() == pytest.approx([500.0, -3.0, 0.0])
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([1.0, 1.0, 0.0])


def test_long_sums_lose_nothing() -> None:
    # 2^21 pixels of two channels, 32768 in a block: float32 alone drifts 1e-4 off over that many equal terms.
    a, c = torch.zeros(2, 2, requires_grad=True), torch.zeros(2, 2)
    x = torch.full((2**21, 2), 0.3)
    (da,) = torch.autograd.grad(rational(x, a, c, False, 1.0, 1).sum(), a)
    for column, term in enumerate((1.0, x[0, 0].item())):
        assert da[:, column].tolist() == pytest.approx([2**21 * term] * 2, rel=256 * 2.0**-24)


def test_the_operators_keep_their_promises_to_the_compiler() -> None:
    a, c = tables(4, False)
    x = torch.randn(2, 4, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.actbench.rational.default, (x, a, c, False, 1.0, 1), test_utils=tests)
    gradient = (torch.randn_like(x), x.detach(), a.detach(), c.detach(), False, 1.0, 1)
    torch.library.opcheck(torch.ops.actbench.rational_backward.default, gradient, test_utils=tests)
