"""The C++ pointwise functions against their plain forms in float64: values, layouts, precisions, numbers of threads.

Error bounds are derived, U = 2^-24 a rounding. A gate at z = c * x errs by a few U and by what z is wrong by: a few
U |z| times the gate's slope, and |z| * slope stays below 1. So a value errs by a few U times (1 + |x|) and the size P
of its parameters, dy/dx by a few U times P, dy/dparameter, at most x^2 times a bounded curve, by a few U times
(1 + x^2) and P. Sums go through at most 256 float32 additions before float64 takes over.
"""

import ctypes
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench.activations import acon, apalu, linear_combination, mish, smu, sqish, swish, talu
from actbench.activations.create import create_activation
from actbench.activations.kernels import build
from actbench.activations.kernels import layout as layouts
from actbench.activations.kernels.pointwise import pointwise, pointwise_backward
from actbench.activations.relu2 import ReLU2

U = 2.0**-24
ROUNDING = {torch.float32: 0.0, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
FEW = 32
TERMS = 256 + 16
TINY = 2.0**-118
"""Below 2^-126 exp is taken as 0; a few hundred times that."""
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Case(NamedTuple):
    form: Callable[..., Tensor]
    """Takes x and parameters as they broadcast; the kernel serves for float32, the plain form for float64."""
    ranges: tuple[tuple[float, float], ...] = ()
    """Of the parameters."""
    constants: tuple[tuple[float, ...], ...] = ((),)
    start: tuple[float, ...] = ()
    """Of the parameters, where no value is a difference of larger ones; all the terms below have one sign there."""

    def value(self, x: Tensor, parameters: list[Tensor], constants: tuple[float, ...]) -> Tensor:
        return (
            self.form(x, *parameters, constants=constants)
            if self.constants != ((),)
            else self.form(x, *parameters)
        )


CASES = {
    "acon_c": Case(acon._acon_c, ((-2, 2), (-2, 2), (-2, 2)), start=(1.0, 0.25, 1.0)),
    "apalu": Case(apalu._apalu, ((0.1, 2), (0.01, 2)), start=(0.55, 0.065)),
    "linear_combination": Case(linear_combination._linear_combination, ((-1, 1),) * 4),
    "mish": Case(mish._mish),
    "relu2": Case(ReLU2(1)),
    "smu": Case(smu._smu, ((-3, 3),), ((0.01,), (0.25,)), (2.5,)),
    "sqish": Case(sqish._sqish, ((-0.5, 1.5), (0.1, 3), (0.1, 3)), ((0.5,), (1.0,)), (0.05, 1.0, 1.0)),
    "swish": Case(swish._swish, ((-3, 3),), start=(1.0,)),
    "talu": Case(talu._talu, (), ((1.0, -math.inf), (0.25, -0.5))),
}
every_function = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """All sources in one library, as any processor runs them."""
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    folder = tmp_path_factory.mktemp("portable")
    (folder / "all.cpp").write_text("".join(f'#include "{name}.cpp"\n' for name in CASES))
    command = [compiler, "-O0", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wno-unknown-pragmas", "-Werror"]
    command += [
        "-Wno-unused-function",
        f"-I{build._FOLDER}",
        str(folder / "all.cpp"),
        "-o",
        str(folder / "all.so"),
    ]
    subprocess.run(command, check=True, timeout=300)
    return ctypes.CDLL(str(folder / "all.so"))


@pytest.fixture(params=["native", "portable"], autouse=True, scope="module")
def _library(request: pytest.FixtureRequest) -> Iterator[None]:
    library = request.getfixturevalue("portable")  # skips where nothing can be built
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        if request.param == "portable":
            patch.setattr(layouts, "load_library", lambda _name: library)
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Outcome(NamedTuple):
    y: Tensor
    dx: Tensor
    parameters: tuple[Tensor, ...]


def outcome(
    case: Case, x: Tensor, parameters: list[Tensor], constants: tuple[float, ...], g: Tensor
) -> Outcome:
    x, leaves = x.detach().requires_grad_(), [p.detach().requires_grad_() for p in parameters]
    y = case.value(x, leaves, constants)
    dx, *rest = torch.autograd.grad(y, (x, *leaves), g)
    return Outcome(y.detach(), dx, tuple(rest))


def agree(name: str, x: Tensor, parameters: list[Tensor], constants: tuple[float, ...], g: Tensor) -> Outcome:
    """Runs the kernel and holds it against the plain form in float64."""
    assert layouts.takes(name, x)
    case = CASES[name]
    found = outcome(case, x, parameters, constants, g)
    exact = outcome(case, x.double(), [p.double() for p in parameters], constants, g.double())
    size = (1 + sum(p.detach().double().abs().max() for p in parameters if p.numel())) ** 2
    wide, wide_g = x.double().abs(), g.double().abs()
    reach = wide.square() if name == "relu2" else wide  # the one that is not linear far out
    for got, wanted, bound in (
        (found.y, exact.y, FEW * U * size * (1 + reach)),
        (found.dx, exact.dx, FEW * U * size * wide_g * (1 + (wide if name == "relu2" else 0))),
    ):
        assert got.dtype == x.dtype
        allowed = (
            bound + ROUNDING[x.dtype] * (wanted.abs() + bound) + TINY + 2.0**-25 * (x.dtype == torch.float16)
        )
        assert ((got.double() - wanted).abs() <= allowed).all()
    terms = (wide_g * (1 + wide.square())).sum() if x.numel() else 0
    for got, wanted in zip(found.parameters, exact.parameters, strict=True):
        assert ((got.double() - wanted).abs() <= (FEW + TERMS) * U * size * terms + TINY).all()
    return found


@st.composite
def situations(draw: st.DrawFn) -> tuple[str, Tensor, list[Tensor], tuple[float, ...], Tensor]:
    name = draw(st.sampled_from(sorted(CASES)))
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 8, 17, 40]), min_size=1, max_size=4))
    while math.prod(shape) > 20_000:
        shape[shape.index(max(shape))] = 2
    channel_dim = draw(st.integers(0, len(shape) - 1))
    shape[channel_dim] = max(shape[channel_dim], 1)  # no module has no channels
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([d for d in ROUNDING if layouts.is_available(name, d)]))
    scale = draw(st.sampled_from([0.01, 1.0, 30.0]))
    x = scale * torch.randn(shape, generator=generator)
    if draw(st.booleans()):
        x = torch.where(torch.rand(shape, generator=generator) < 0.2, 0.0, x)
    order = draw(st.sampled_from(["contiguous", "channels_last", "strided", "expanded"]))
    if order == "channels_last" and len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    elif order == "strided":
        x = torch.stack((x, x), -1)[..., 0].transpose(0, -1)
        channel_dim = (len(shape) - 1 - channel_dim) if channel_dim in (0, len(shape) - 1) else channel_dim
    x = x.to(dtype)
    g = torch.randn(x.shape, generator=generator).to(dtype)
    if order == "expanded":
        g = torch.ones((), dtype=dtype).expand(x.shape)
    shared = draw(st.booleans())
    view = [1] * x.ndim
    view[channel_dim] = -1
    parameters = [
        low + (high - low) * torch.rand(() if shared else x.shape[channel_dim], generator=generator)
        for low, high in CASES[name].ranges
    ]
    if not shared:
        parameters = [p.view(view) for p in parameters]
    return name, x, parameters, draw(st.sampled_from(CASES[name].constants)), g


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(situations())
def test_values_and_gradients_for_any_input(
    situation: tuple[str, Tensor, list[Tensor], tuple[float, ...], Tensor],
) -> None:
    agree(*situation)


@every_function
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shared", [False, True])
def test_threads_and_repetition_change_no_bit(name: str, layout: str, shared: bool) -> None:
    case, channels = CASES[name], 24
    x = torch.randn(4, channels, 19, 19).contiguous(memory_format=LAYOUTS[layout])
    assert x.numel() >= layouts._WORTH_THREADS
    shape = () if shared else (1, channels, 1, 1)
    parameters = [low + (high - low) * torch.rand(shape) for low, high in case.ranges]
    g, before, found = torch.randn_like(x), torch.get_num_threads(), []
    try:
        for threads in (1, 3, 1):
            torch.set_num_threads(threads)
            found.append(outcome(case, x, parameters, case.constants[0], g))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert torch.equal(other.y, found[0].y)
        assert torch.equal(other.dx, found[0].dx)
        assert all(torch.equal(a, b) for a, b in zip(other.parameters, found[0].parameters, strict=True))
    assert found[0].y.stride() == found[0].dx.stride() == x.stride()
    agree(name, x, parameters, case.constants[0], g)


@pytest.mark.parametrize("name", [name for name in CASES if name != "linear_combination"])
def test_every_value_has_its_digits(name: str) -> None:
    """Over eighty powers of ten on both sides, each output to 8 roundings, where its terms do not cancel."""
    x = torch.logspace(-40, 1.9, 4001)
    x = torch.cat((x, -x))
    case = CASES[name]
    parameters = [torch.tensor(start) for start in case.start]
    ones = torch.ones_like(x)
    y, dx, _ = outcome(case, x, parameters, case.constants[0], ones)
    exact, slope, _ = outcome(
        case, x.double(), [p.double() for p in parameters], case.constants[0], ones.double()
    )
    # The argument of the exponential has a rounding or two, which count as often as it is large.
    argument = 3 * x.double().abs() if case.start else 0
    allowed = (8 + 4 * argument) * U * exact.abs() + 2.0**-118
    assert ((y.double() - exact).abs() <= allowed).all()
    assert exact.abs().min() < 1e-38
    # A slope has terms of both signs, none of them above 2 but for x^2, whose slope is a product.
    assert ((dx.double() - slope).abs() <= 16 * U * slope.abs().clamp(min=1)).all()


@pytest.mark.parametrize("beta", [1e-30, 1e-20, 1e20, 1e30])
@pytest.mark.parametrize("power", [0.5, 1.0])
def test_sqish_at_the_ends_of_beta(beta: float, power: float) -> None:
    x, parameters = torch.linspace(-60, 60, 241), [torch.tensor(value) for value in (0.05, beta, 1.0)]
    y, dx, _ = outcome(CASES["sqish"], x, parameters, (power,), torch.ones_like(x))
    exact = CASES["sqish"].value(x.double(), [p.double() for p in parameters], (power,))
    # A rounding of the exponential's argument, at most 114, counts as often as it is large, and twice in its square.
    torch.testing.assert_close(y.double(), exact, rtol=(8 + 2 * 114) * U, atol=0)
    assert dx.isfinite().all()


@every_function
def test_far_out_and_not_a_number(name: str) -> None:
    case = CASES[name]
    x = torch.tensor([math.nan, 3e38, -3e38, 1e5, -1e5, 200.0, -200.0, 0.0, -0.0])
    if name == "relu2":
        x[1] = 1e19
    parameters = [torch.tensor(start) for start in case.start or [0.2] * len(case.ranges)]
    found = outcome(case, x, parameters, case.constants[0], torch.ones_like(x))
    exact = outcome(
        case, x.double(), [p.double() for p in parameters], case.constants[0], torch.ones_like(x).double()
    )
    for got, wanted in ((found.y, exact.y), (found.dx, exact.dx)):
        assert got[0].isnan()
        torch.testing.assert_close(got[1:], wanted[1:].float(), rtol=16 * U, atol=TINY)
    assert all(p.isnan() for p in found.parameters[:1])


@every_function
def test_the_values_at_infinity_are_those_of_the_plain_form(name: str) -> None:
    case, x = CASES[name], torch.tensor([math.inf, -math.inf])
    parameters = [torch.tensor(start) for start in case.start or [0.2] * len(case.ranges)]
    for constants in case.constants:
        y, wanted = (
            case.value(wide, [p.to(wide.dtype) for p in parameters], constants) for wide in (x, x.double())
        )
        torch.testing.assert_close(y, wanted.float(), equal_nan=True)


@every_function
def test_the_operator_is_whole_for_torch_library(name: str) -> None:
    case = CASES[name]
    for x in (torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)):
        table = torch.rand(len(case.ranges), 3) + 0.1
        arguments = (x.requires_grad_(), table.requires_grad_(), name, list(case.constants[0]), 1)
        checks = ("test_schema", "test_autograd_registration", "test_faketensor")
        torch.library.opcheck(pointwise, arguments, test_utils=checks)
        back = (torch.randn_like(x), x.detach(), table.detach(), *arguments[2:])
        torch.library.opcheck(pointwise_backward, back, test_utils=checks)


@every_function
@pytest.mark.parametrize("shape", [(), (1, 3, 1)])
def test_second_derivatives_are_those_of_the_plain_form(name: str, shape: tuple[int, ...]) -> None:
    case, x, g = CASES[name], torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    parameters = [(low + high) / 2 + 0.1 * torch.rand(shape) for low, high in case.ranges]
    found = []
    for dtype in (torch.float32, torch.float64):
        leaves = [tensor.to(dtype).requires_grad_() for tensor in (x, *parameters)]
        y = case.value(leaves[0], leaves[1:], case.constants[0])
        first = torch.autograd.grad(y, leaves, g.to(dtype), create_graph=True)
        found.append(torch.autograd.grad(sum(part.sin().sum() for part in first), leaves))  # type: ignore[arg-type]
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-5)


def test_a_frozen_parameter_gets_none_and_a_constant_input_asks_for_none() -> None:
    x, beta = torch.randn(4, 3), torch.ones(3)
    assert not swish._swish(x, beta).requires_grad
    frozen = swish._swish(x.requires_grad_(), beta)
    (dx,) = torch.autograd.grad(frozen.sum(), x)
    learnt = beta.requires_grad_()
    (beta_grad,) = torch.autograd.grad(swish._swish(x.detach(), learnt).sum(), learnt)
    assert dx.shape == x.shape
    assert beta_grad.shape == beta.shape


@every_function
def test_the_kernel_serves_float32_and_halves_alone(name: str) -> None:
    module = create_activation(name, 3)
    assert module.backend == "cpp"
    x = torch.randn(2, 3)
    assert layouts.takes(name, x)
    assert not layouts.takes(name, x.double())
    module.double()(x.double())
