"""PReLU's C++ kernel against its formula in float64: layouts, precisions, shapes, numbers of threads.

One rounding makes each product, and sums go through at most 256 float32 additions before float64 takes over, and
through the 16 lanes of a vector: those are the bounds.
"""

import ctypes
import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.activations.kernels import layout as layouts
from actbench.activations.kernels.prelu import LIBRARY, prelu
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


def check(x: Tensor, slope: Tensor, channel_dim: int, g: Tensor) -> None:
    """Holds value and gradients within their bounds of the formula's in float64."""
    x, slope = x.detach().requires_grad_(), slope.detach().requires_grad_()
    y = prelu(x, slope, channel_dim)
    dx, dslope = torch.autograd.grad(y, (x, slope), g)
    wide, wide_g = x.detach().double(), g.double()
    shape = [1] * x.ndim
    shape[channel_dim] = len(slope)
    wide_slope = slope.detach().double().view(shape)
    below = wide.clamp(max=0)
    assert y.dtype == dx.dtype == x.dtype
    for found, wanted in (
        (y, wide.clamp(min=0) + wide_slope * below),
        (dx, wide_g * torch.where(wide > 0, 1.0, wide_slope)),
    ):
        allowed = (U + ROUNDING[x.dtype]) * wanted.abs() + LEAST[x.dtype]
        assert ((found.double() - wanted).abs() <= allowed).all()
    others = [dim for dim in range(x.ndim) if len(slope) == 1 or dim != channel_dim % x.ndim]
    terms = wide_g * below
    error = (dslope.double() - terms.sum(others).view(-1)).abs() if others else torch.zeros(1)
    size = terms.abs().sum(others).view(-1) if others else torch.ones(1)
    assert (error <= (256 + 16 + 2) * U * size + 2.0**-140).all()


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**16),
    sizes=st.lists(st.integers(1, 19), min_size=1, max_size=5),
    channel=st.integers(-5, 4),
    shared=st.booleans(),
    dtype=st.sampled_from(list(ROUNDING)),
    layout=st.sampled_from(LAYOUTS),
    grad_layout=st.sampled_from(LAYOUTS),
)
@example(0, [2, 17, 3, 5], 1, False, torch.float32, "channels_last", "contiguous")
@example(1, [2, 3, 70, 61], 1, False, torch.float32, "contiguous", "channels_last")
@example(2, [700, 20], -1, False, torch.bfloat16, "contiguous", "expanded")
@example(3, [9000], 0, True, torch.float32, "contiguous", "contiguous")
def test_within_derived_bounds_of_the_formula(
    seed: int,
    sizes: list[int],
    channel: int,
    shared: bool,
    dtype: torch.dtype,
    layout: str,
    grad_layout: str,
) -> None:
    if not layouts.is_available(LIBRARY, dtype):
        return
    torch.manual_seed(seed)
    shape = tuple(sizes) if math.prod(sizes) <= 40_000 else tuple(min(size, 6) for size in sizes)
    channel_dim = channel % len(shape) - (len(shape) if channel < 0 else 0)
    x = (4 * torch.randn(shape)).round() / 2 if seed % 2 else torch.randn(shape)  # or many exact zeros
    slope = torch.randn(1 if shared else shape[channel_dim])
    g = lay_out(torch.randn(shape).to(dtype), grad_layout)
    check(lay_out(x.to(dtype), layout), slope, channel_dim, g)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", list(ROUNDING))
def test_far_out_and_not_a_number(layout: str, dtype: torch.dtype) -> None:
    if not layouts.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    special = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 6e4, -6e4]).to(dtype)
    x = lay_out(special.view(1, 1, 7, 1).repeat(3, 20, 1, 5), layout).requires_grad_()
    y = prelu(x, torch.full((20,), 0.5), 1)
    assert y[1, 3, :, 2].tolist()[1:] == [math.inf, -math.inf, 0.0, 0.0, *y.new_tensor([6e4, -3e4]).tolist()]
    assert torch.equal(y.isnan(), x.isnan())
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert dx[1, 3, :, 2].tolist() == [0.5, 1.0, 0.5, 0.5, 0.5, 1.0, 0.5]
    assert prelu(x[:0], torch.full((20,), 0.5), 1).shape == (0, 20, 7, 5)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("units", [1, 24])
def test_the_slopes_gradient_is_the_same_for_any_number_of_threads(layout: str, units: int) -> None:
    x, g = lay_out(torch.randn(16, 24, 20, 20), layout), torch.randn(16, 24, 20, 20)
    assert x.numel() >= layouts._WORTH_THREADS
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 1):
            torch.set_num_threads(threads)
            slope = torch.linspace(-1, 2, units).requires_grad_()
            found.append(torch.autograd.grad(prelu(x, slope, 1), slope, g)[0])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(grad, found[0]) for grad in found)


@pytest.mark.parametrize("sharing", ["channel", "layer"])
def test_the_module_uses_it_and_keeps_one_input(sharing: str) -> None:
    unit = create_activation("prelu", 8, sharing=sharing)
    assert unit.backend == "cpp"
    x = torch.randn(4, 8, 16, 16).requires_grad_()
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = unit(x)
    assert "prelu" in str(y.grad_fn).lower()
    assert kept.pop(x.data_ptr()) == 4 * x.numel()
    assert sum(kept.values()) <= 8 * 4
