"""The C++ kernel of p + q * clip(x, t0, t1) against its formula in float64.

The value has two roundings, relative to |p| + |q clip|; dx has one. Sums go through at most 256 float32 additions
before float64 takes over, and their terms have one rounding.
"""

import ctypes
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench.activations.kernels import layout as layouts
from actbench.activations.kernels.ramp import LIBRARY, ramp, ramp_backward
from actbench.activations.ramp import RampPass, clip_pass, collapse
from tests.activations.kernels.portable import build_portable
from tests.activations.kernels.test_piecewise_linear import LAYOUTS, LEAST, ROUNDING, U, lay_out


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_portable(LIBRARY, tmp_path_factory.mktemp("portable"))


@pytest.fixture(params=["native", "portable"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library = request.getfixturevalue("portable")  # skips where nothing can be built
    if request.param == "portable":
        monkeypatch.setattr(layouts, "load_library", lambda _name: library)
    assert layouts.is_available(LIBRARY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def check(x: Tensor, numbers: Tensor, g: Tensor) -> None:
    """Holds value, dx and the four sums within their bounds."""
    y, (dx, sums) = ramp(x, numbers), ramp_backward(g, x, numbers)
    wide, wide_g = x.double(), g.double()
    t0, t1, p, q = numbers.double().unbind()
    clipped = wide.clamp(t0, t1)
    wanted = p + q * clipped
    size = p.abs() + (q * clipped).abs()
    rounding, least = ROUNDING[x.dtype], LEAST[x.dtype]
    assert y.dtype == dx.dtype == x.dtype
    assert (
        (y.double() - wanted).abs() <= 2 * U * size + rounding * (wanted.abs() + 2 * U * size) + least
    ).all()
    is_left, is_right = wide <= t0, (wide > t0) & (wide >= t1)
    inside = torch.where(is_left | is_right, 0, wide_g)
    assert ((dx.double() - q * inside).abs() <= (U + rounding) * (q * inside).abs() + least).all()
    for found, terms in zip(
        sums, (inside, inside * clipped, wide_g * is_left, wide_g * is_right), strict=True
    ):
        assert (found.double() - terms.sum()).abs() <= (256 + 2) * U * terms.abs().sum() + 2.0**-140


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**16),
    sizes=st.lists(st.integers(1, 19), min_size=1, max_size=5),
    is_bounded=st.booleans(),
    is_level=st.booleans(),
    dtype=st.sampled_from(list(ROUNDING)),
    layout=st.sampled_from(LAYOUTS),
    grad_layout=st.sampled_from(LAYOUTS),
)
@example(0, [9001], True, False, torch.float32, "contiguous", "expanded")
@example(1, [3, 5, 40, 41], False, False, torch.bfloat16, "channels_last", "contiguous")
def test_within_derived_bounds_of_the_formula(
    seed: int,
    sizes: list[int],
    is_bounded: bool,
    is_level: bool,
    dtype: torch.dtype,
    layout: str,
    grad_layout: str,
) -> None:
    if not layouts.is_available(LIBRARY, dtype):
        return
    torch.manual_seed(seed)
    shape = tuple(sizes) if math.prod(sizes) <= 40_000 else tuple(min(size, 6) for size in sizes)
    t0 = torch.rand(1) if seed % 3 else torch.tensor([0.5])
    t1 = t0 + (torch.rand(1) if seed % 3 else 1.0) if is_bounded else torch.full((1,), math.inf)
    numbers = torch.cat((t0, t1, torch.randn(1), torch.zeros(1) if is_level else torch.randn(1)))
    x = torch.randn(shape) if seed % 3 else torch.randint(-4, 7, shape) / 4  # or many exactly at a bound
    check(lay_out(x.to(dtype), layout), numbers, lay_out(torch.randn(shape).to(dtype), grad_layout))


@pytest.mark.parametrize("q", [0.0, 2.0])
@pytest.mark.parametrize("t1", [1.0, math.inf])
@pytest.mark.parametrize("dtype", list(ROUNDING))
def test_far_out_and_not_a_number_as_the_plain_form(q: float, t1: float, dtype: torch.dtype) -> None:
    if not layouts.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    x = torch.tensor([math.inf, -math.inf, 0.0, -0.0, 1.0, 0.5, 2e4, -2e4, math.nan]).to(dtype).repeat(7)
    for some in (x.view(7, 9)[:, :-1], x):  # without NaN, which sums do not survive, and with it
        here, g = some.flatten(), torch.linspace(-1, 2, some.numel()).to(dtype)
        outcomes = []
        for wide in (here, here.double()):  # the kernel, and the plain form
            leaf = wide.detach().requires_grad_()
            values = torch.tensor([1.0, q, 1.0, 1 + q], dtype=torch.promote_types(wide.dtype, torch.float32))
            values.requires_grad_()
            bounds = torch.tensor([0.0, t1], dtype=values.dtype)
            y = RampPass.apply(leaf, bounds, values)
            dx, dvalues = torch.autograd.grad(y, (leaf, values), g.to(y.dtype))
            if q == 0 and t1 == math.inf:
                dvalues[1] = 0  # infinity stands for the largest number of the format there
            outcomes.append((y, dx, dvalues))
        for found, wanted in zip(*outcomes, strict=True):
            torch.testing.assert_close(
                found.double(), wanted.double(), rtol=2 * ROUNDING[dtype], atol=1e-6, equal_nan=True
            )
    assert ramp(x[:0], torch.tensor([0.0, t1, 1.0, q])).shape == (0,)


def test_the_sums_are_the_same_for_any_number_of_threads() -> None:
    x, g = torch.randn(2, 300_001)
    numbers = torch.tensor([0.1, 1.2, 0.3, 0.7])
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 1):
            torch.set_num_threads(threads)
            found.append(ramp_backward(g, x, numbers)[1])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(sums, found[0]) for sums in found)


@pytest.mark.parametrize("has_kernel", [True, False])
def test_the_pass_uses_it_and_the_numbers_learn(has_kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployed ramp has a gradient for x; where its numbers learn without the pass, the plain form serves."""
    called: list[str] = []
    real = layouts._function

    def watched(library: str, name: str, dtype: torch.dtype) -> Any:
        found = real(library, name, dtype)
        called.extend([name] if found is not None else [])
        return found

    monkeypatch.setattr(layouts, "_function", watched)
    if not has_kernel:
        monkeypatch.setattr(layouts, "load_library", lambda _name: None)
    theta, omega = torch.tensor([1.1, -0.9, 1.2]), torch.tensor([0.1, 1.5, -0.1])
    x = torch.randn(1000)
    leaves = [leaf.requires_grad_() for leaf in (x, theta, omega)]
    y = RampPass.apply(x, *collapse(theta, omega))
    grads = torch.autograd.grad(y.square().sum(), leaves)
    assert set(called) == ({"forward", "backward"} if has_kernel else set())
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    h = wide[0]
    for scale, shift in zip(wide[1], wide[2], strict=True):
        h = scale * torch.relu(h) + shift
    wanted = torch.autograd.grad(torch.relu(h).square().sum(), wide)
    for found, true in zip(grads, wanted, strict=True):
        torch.testing.assert_close(found.double(), true, rtol=1e-5, atol=1e-3)
    bounds, p, q = torch.tensor([0.0, 1.0]), torch.tensor(0.5), torch.tensor(2.0, requires_grad=True)
    (dx,) = torch.autograd.grad(clip_pass(x, bounds, p, q.detach()).sum(), x)
    assert torch.equal(dx, 2.0 * ((x > 0) & (x < 1)))
    (dq,) = torch.autograd.grad(clip_pass(x, bounds, p, q).sum(), q)
    torch.testing.assert_close(dq, x.detach().clamp(0, 1).sum())
