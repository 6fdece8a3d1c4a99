"""The C++ kernel of the depthwise convolution against float64: layouts, precisions, shapes, threads, the ramp."""

import ctypes
import math
import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.activations.kernels import build, layout
from actbench.activations.kernels.depthwise import LIBRARY, depthwise_convolution
from actbench.activations.ramp import Ramp, RampPass

ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
TERMS = 1024
"""As many are summed in float at most."""
BUILDS = {
    "portable": ("-mtune=generic",),
    "sixteen": ("-march=native", "-DACTBENCH_LANES=16", "-Wno-psabi"),  # as many lanes as with AVX-512
}


def built(name: str, folder: str) -> ctypes.CDLL:
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    command = [compiler, "-O0", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wno-unknown-pragmas", "-Werror"]
    source = build._FOLDER / "depthwise.cpp"
    subprocess.run(
        [*command, "-Wno-unused-function", *BUILDS[name], str(source), "-o", folder], check=True, timeout=300
    )
    return ctypes.CDLL(folder)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ctypes.CDLL]:
    folder = tmp_path_factory.mktemp("depthwise")
    return {name: built(name, str(folder / f"{name}.so")) for name in BUILDS}


@pytest.fixture(params=["native", *BUILDS], autouse=True)
def _library(
    request: pytest.FixtureRequest, others: dict[str, ctypes.CDLL], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    if request.param in others:
        monkeypatch.setattr(layout, "load_library", lambda _name: others[request.param])
    assert layout.is_available(LIBRARY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Outcome(NamedTuple):
    y: Tensor
    dx: Tensor
    weight: Tensor
    bias: Tensor
    ramp: Tensor


def convolved(u: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(u, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))


def by_kernel(x: Tensor, weight: Tensor, bias: Tensor, ramp: Ramp | None, g: Tensor) -> Outcome:
    bounds, values = (None, None) if ramp is None else (ramp.bounds, ramp.values.clone().requires_grad_())
    leaves = [t.detach().clone().requires_grad_() for t in (weight, bias)]
    leaf = x.detach().requires_grad_()
    y = depthwise_convolution(leaf, *leaves, bounds, values, "cpp")
    grads = torch.autograd.grad(y, [leaf, *leaves, *([] if values is None else [values])], g)
    return Outcome(y.detach(), *grads, *([] if values is not None else [torch.zeros(4)]))


def exact(x: Tensor, weight: Tensor, bias: Tensor, ramp: Ramp | None, g: Tensor) -> Outcome:
    """F.conv2d of `RampPass`, in float64."""
    leaf, weight, bias = (t.detach().double().requires_grad_() for t in (x, weight, bias))
    values = (torch.zeros(4) if ramp is None else ramp.values).double().requires_grad_()
    u = leaf + 0 * values.sum() if ramp is None else RampPass.apply(leaf, ramp.bounds.double(), values)
    y = convolved(u, weight, bias)
    return Outcome(y.detach(), *torch.autograd.grad(y, (leaf, weight, bias, values), g.double()))


def sizes(x: Tensor, weight: Tensor, bias: Tensor, ramp: Ramp | None, g: Tensor) -> Outcome:
    """What rounding errors are relative to: the same sums over magnitudes."""
    x, g = x.double().abs(), g.double().abs()
    if ramp is None:
        return exact(x, weight.abs(), bias.abs(), None, g)
    # |p| + |q| clip(x, ...) is at most |p| + |q| (|x| + the finite bounds), so that a product rounds by less.
    p, q = ramp.values.abs()[:2].tolist()
    shift = ramp.bounds[ramp.bounds.isfinite()].abs().sum().item()
    lifted = exact(p + q * (x + shift), weight.abs(), bias.abs(), None, g)
    du = lifted.dx
    terms = torch.stack((du.sum(), (du * x).sum(), du.sum(), du.sum()))
    return lifted._replace(dx=q * du, ramp=terms)


RAMPS = {
    "none": None,
    "relu": Ramp(torch.tensor([0.0, math.inf]), torch.tensor([0.0, 1.0, 0.0, 0.0])),
    "clip": Ramp(torch.tensor([0.25, 1.5]), torch.tensor([0.3, -0.7, 0.125, -0.75])),
    "dead": Ramp(torch.tensor([0.0, math.inf]), torch.tensor([0.7, 0.0, 0.7, 0.7])),
}
CASES: list[tuple[tuple[int, ...], int]] = [
    ((3, 5, 7, 9), 3),
    ((2, 40, 3, 5), 2),
    ((5, 17, 1, 1), 3),
    ((4, 16, 2, 2), 4),
    ((2, 16, 8, 8), 3),
    ((2, 24, 5, 16), 1),
    ((1, 9, 70, 33), 2),
    ((2, 3, 1, 20), 4),
    ((0, 4, 3, 3), 1),
]


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize(("shape", "n"), CASES)
def test_value_and_gradients(shape: tuple[int, ...], n: int, name: str, dtype: torch.dtype) -> None:
    if not layout.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    x, g = (torch.randn(shape).to(dtype).contiguous(memory_format=LAYOUTS[name]) for _ in range(2))
    weight, bias = torch.randn(shape[1], 1, 2 * n + 1, 2 * n + 1), torch.randn(shape[1])
    places = (CASES.index((shape, n)), list(LAYOUTS).index(name), list(ROUNDING).index(dtype))
    for ramp in (None, list(RAMPS.values())[1 + sum(places) % 3]):
        found, expected = (f(x, weight, bias, ramp, g) for f in (by_kernel, exact))
        size = sizes(x, weight, bias, ramp, g)
        assert found.y.stride() == found.dx.stride() == x.stride()
        assert found.y.dtype == found.dx.dtype == dtype
        products = (2 * n + 1) ** 2
        for got, wanted, scale in zip(found[:2], expected[:2], size[:2], strict=True):
            roundings = (products + 6) * 2.0**-24 * scale
            bound = ROUNDING[dtype] * (wanted.abs() + roundings) + roundings + torch.finfo(dtype).tiny
            assert ((got.double() - wanted).abs() <= bound).all()
        for got, wanted, scale in zip(found[2:], expected[2:], size[2:], strict=True):
            assert ((got - wanted).abs() <= (TERMS + products + 10) * 2.0**-24 * scale + 1e-30).all()


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("shape", [(2, 19, 6, 8), (2, 10, 12, 13)])
def test_what_is_not_finite_stays_in_its_window(shape: tuple[int, ...], name: str) -> None:
    x, g = (torch.randn(shape).contiguous(memory_format=LAYOUTS[name]) for _ in range(2))
    weight, bias = torch.randn(shape[1], 1, 5, 5), torch.randn(shape[1])
    x[0, 0, 0, 0], x[0, 1, 2, 3], x[1, -1, -1, -1] = math.nan, math.inf, -math.inf
    g[0, 2, 0, 1], g[1, 3, 5, 5] = math.nan, math.inf
    for ramp in RAMPS.values():
        found, expected = (f(x, weight, bias, ramp, g) for f in (by_kernel, exact))
        for got, wanted in zip(found[:2], expected[:2], strict=True):
            torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-4, equal_nan=True)
        finite = expected.weight.isfinite().flatten(1).all(dim=1)
        assert torch.equal(found.weight.isfinite().flatten(1).all(dim=1), finite)


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("shape", [(64, 24, 8, 8), (40, 40, 12, 12), (500, 70, 2, 2)])
def test_sums_are_the_same_for_any_number_of_threads(shape: tuple[int, ...], name: str) -> None:
    x, g = (torch.randn(shape).contiguous(memory_format=LAYOUTS[name]) for _ in range(2))
    weight, bias = torch.randn(shape[1], 1, 7, 7), torch.randn(shape[1])
    before, outcomes = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            outcomes.append(by_kernel(x, weight, bias, RAMPS["clip"], g))
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        assert torch.equal(other.y, outcomes[0].y)
        assert torch.equal(other.dx, outcomes[0].dx)
        assert torch.equal(other.weight, outcomes[0].weight)
        assert torch.equal(other.ramp, outcomes[0].ramp)


@pytest.mark.parametrize("side", [1, 8, 64])
def test_long_sums_lose_nothing(side: int) -> None:
    # 2^20 equal terms at the centre tap: float32 alone drifts 1e-4 off, and does not get beyond 2^24 of them.
    x, g = torch.full((2**20 // side**2, 1, side, side), 0.3), torch.full((1, 1, 1, 1), 1.7)
    weight = torch.zeros(1, 1, 3, 3, requires_grad=True)
    y = depthwise_convolution(x, weight, None, None, None, "cpp")
    (found,) = torch.autograd.grad(y, weight, g.expand_as(y))
    term = x[0, 0, 0, 0].item() * g.item()
    assert found[0, 0, 1, 1].item() == pytest.approx(2**20 * term, rel=TERMS * 2.0**-24)


def test_strided_inputs_and_gradients() -> None:
    weight = torch.randn(6, 1, 5, 5)
    x = torch.randn(6, 9, 8, 4).permute(3, 0, 2, 1)
    assert x.shape == (4, 6, 8, 9)
    g = torch.randn(6, 1, 1).expand(4, 6, 8, 9)
    found = by_kernel(x, weight, torch.zeros(6), None, g)
    expected = by_kernel(x.contiguous(), weight, torch.zeros(6), None, g.contiguous())
    assert torch.equal(found.y, expected.y)
    assert torch.equal(found.dx, expected.dx)
    assert torch.equal(found.weight, expected.weight)
    assert found.bias.tolist() == pytest.approx(expected.bias.tolist(), rel=300 * 2.0**-24)  # torch's sum


def test_the_operators_keep_their_promises_to_the_compiler() -> None:
    x = torch.randn(2, 4, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight, bias, ramp = torch.randn(4, 1, 5, 5, requires_grad=True), torch.randn(4), RAMPS["clip"]
    assert ramp is not None
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    for form in ("cpp", "matrix", "channels_last"):
        given = ramp if form == "cpp" else (None, None)
        torch.library.opcheck(
            torch.ops.actbench.depthwise_convolution.default,
            (x, weight, bias, *given, form),
            test_utils=tests,
        )
        gradient = (torch.randn_like(x), x.detach(), weight.detach(), *given, form)
        for needs in ((True, True), (True, False), (False, True)):
            torch.library.opcheck(
                torch.ops.actbench.depthwise_convolution_backward.default,
                (*gradient, *needs),
                test_utils=tests,
            )
