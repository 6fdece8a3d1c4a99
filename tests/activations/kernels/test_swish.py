"""Swish's C++ kernel against its formula in float64: layouts, precisions, shapes, numbers of threads."""

import ctypes
import math
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from actbench.activations.kernels import build, layout
from actbench.activations.kernels.swish import LIBRARY, swish

ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The same source for any processor."""
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    made = tmp_path_factory.mktemp("portable") / "swish.so"
    command = [compiler, "-O2", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wno-unknown-pragmas", "-Werror"]
    source = build._FOLDER / "swish.cpp"
    subprocess.run([*command, "-Wno-unused-function", str(source), "-o", str(made)], check=True, timeout=300)
    return ctypes.CDLL(str(made))


@pytest.fixture(params=["native", "portable"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library = request.getfixturevalue("portable")  # skips where nothing can be built
    if request.param == "portable":
        monkeypatch.setattr(layout, "load_library", lambda _name: library)
    assert layout.is_available(LIBRARY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def reference(x: Tensor, beta: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """y, dx and beta's gradient by autograd through the formula in float64; beta as it broadcasts."""
    wide, slope = x.detach().double().requires_grad_(), beta.detach().double().requires_grad_()
    y = wide / (1 + torch.exp(-slope * wide))
    torch.autograd.backward(y, g.double())
    assert wide.grad is not None
    assert slope.grad is not None
    return y.detach(), wide.grad, slope.grad


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize(
    "shape", [(3, 5, 7, 9), (2, 40, 3, 3), (600, 17, 1, 1), (2, 3, 40, 40), (0, 4, 3, 3)]
)
@pytest.mark.parametrize("shared", [False, True])
def test_value_and_gradients(shape: tuple[int, ...], name: str, dtype: torch.dtype, shared: bool) -> None:
    if not layout.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    beta = torch.randn(1 if shared else shape[1]).requires_grad_()
    x = (3 * torch.randn(shape)).to(dtype).contiguous(memory_format=LAYOUTS[name]).requires_grad_()
    g = torch.randn(shape).to(dtype)
    y = swish(x, beta, 1)
    y.backward(g)
    expected = reference(x, beta.detach().view(1, -1, 1, 1), g)
    assert x.grad is not None
    assert beta.grad is not None
    assert y.stride() == x.grad.stride() == x.stride()
    # |beta x| is below 40, so exp(-beta x) is off by 40 roundings of its argument and the sigmoid by no more,
    # relatively; the factors beside it have a few roundings each. Then comes the rounding to dtype.
    tolerance = 64 * 2.0**-24
    for found, wanted in ((y, expected[0]), (x.grad, expected[1])):
        bound = ROUNDING[dtype] * wanted.abs() + tolerance * (1 + wanted.abs()) + 2.0**-24
        assert ((found.double() - wanted).abs() <= bound).all()
    # Sums in float32 over 256 terms at most, then in float64.
    size = (g.double() * x.detach().double() ** 2).abs().sum().item()
    assert ((beta.grad.double() - expected[2].flatten()).abs() <= (64 + 256) * 2.0**-24 * (1 + size)).all()


def test_far_out_and_not_a_number() -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, 3e38, -3e38, 200.0, -200.0, 0.0])
    y = swish(x, torch.ones(1), 0)
    assert y[0].isnan()
    assert y[1] == math.inf
    assert y[2].isnan()  # -inf * 0, as the plain form has it
    assert y[3:].tolist() == [x[3].item(), 0.0, 200.0, 0.0, 0.0]


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_beta_has_the_same_gradient_for_any_number_of_threads(name: str) -> None:
    x = torch.randn(16, 24, 20, 20).contiguous(memory_format=LAYOUTS[name])
    assert x.numel() >= layout._WORTH_THREADS
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 1):
            torch.set_num_threads(threads)
            beta = torch.linspace(-1, 2, 24).requires_grad_()
            swish(x, beta, 1).square().sum().backward()
            assert beta.grad is not None
            found.append(beta.grad)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(grad, found[0]) for grad in found)
