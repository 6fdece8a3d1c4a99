"""The C++ kernel of the largest of K lines against float64: layouts, precisions, shapes, threads, ties, no numbers."""

import ctypes
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from actbench.activations.dyrelu import DyReLU, _LargestLine
from actbench.activations.kernels import layout
from actbench.activations.kernels.largest_line import LIBRARY, largest_line
from tests.activations.kernels.portable import build_portable

ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_portable(LIBRARY, tmp_path_factory.mktemp("portable"), "-O1", "-Wno-unused-function")


@pytest.fixture(params=["native", "portable"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library = request.getfixturevalue("portable")  # skips where nothing can be built
    if request.param == "portable":
        monkeypatch.setattr(layout, "load_library", lambda _name: library)
    assert layout.is_available(LIBRARY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def plainly(
    x: Tensor, a: Tensor, b: Tensor, place: Tensor | None, g: Tensor, channel_dim: int
) -> tuple[Tensor, ...]:
    """y and the gradients of x, a, b, place by the plain form, in float64."""
    wide = [t.detach().double().requires_grad_() for t in (x, a, b)]
    beside = [1] * x.ndim
    beside[0], beside[channel_dim] = x.shape[0], a.shape[2]
    share = None
    if place is not None:
        wide.append(place.detach().double().requires_grad_())
        around = list(x.shape)
        around[channel_dim] = 1
        share = wide[3].reshape(around)
    tables = (table.reshape(len(a), *beside) for table in wide[1:3])
    y = _LargestLine.apply(wide[0], *tables, share)
    return (y, *torch.autograd.grad(y, wide, g.double()))


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("name", [*LAYOUTS, "tokens"])
@pytest.mark.parametrize("kind", ["shared", "own", "placed"])
@pytest.mark.parametrize(
    ("lines", "shape"), [(1, (3, 5, 7, 9)), (2, (2, 40, 3, 3)), (2, (70, 17, 1, 1)), (3, (2, 3, 48, 48))]
)
def test_value_and_gradients(
    lines: int, shape: tuple[int, ...], kind: str, name: str, dtype: torch.dtype
) -> None:
    if not layout.is_available(LIBRARY, dtype):
        pytest.skip("this compiler has no _Float16")
    samples, channels, places = shape[0], shape[1], shape[2] * shape[3]
    x, g = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    channel_dim = 1
    if name == "tokens":
        x, g, channel_dim = *(t.flatten(2).movedim(1, 2).contiguous() for t in (x, g)), 2
    else:
        x = x.contiguous(memory_format=LAYOUTS[name])
    x.requires_grad_()
    a, b = (torch.randn(lines, samples, 1 if kind == "shared" else channels) for _ in range(2))
    place = torch.rand(samples, places) if kind == "placed" else None
    learnt = [t.requires_grad_() for t in (x, a, b, place) if t is not None]
    y = largest_line(x, a, b, place, channel_dim)
    found = (y, *torch.autograd.grad(y, learnt, g))
    expected = plainly(x, a, b, place, g, channel_dim)
    assert y.stride() == found[1].stride() == x.stride()
    # A line is a product and a sum, the place another product; wherever rounding could choose another line than
    # float64 does, which is by how little they differ and not by the kernel, gradients are not compared.
    wide = x.detach().double()
    others = [d for d in range(x.ndim) if d not in (0, channel_dim)]
    rows = wide.movedim(channel_dim, 1).reshape(samples, channels, -1)
    each = a.detach().double()[..., None] * rows + b.detach().double()[..., None]
    size = (a.detach().double()[..., None] * rows).abs() + b.detach().double()[..., None].abs()
    share = torch.ones(samples, 1, places) if place is None else place.detach()[:, None]
    share = share.double()
    unit = 2.0**-24
    assert others or places == 1
    values, wanted = (t.movedim(channel_dim, 1).reshape(rows.shape) for t in (y.double(), expected[0]))
    fine = 4 * unit * size.amax(0) * share
    tiny = torch.finfo(dtype).smallest_normal * ROUNDING[dtype]
    assert ((values - wanted).abs() <= ROUNDING[dtype] * (wanted.abs() + fine) + fine + tiny).all()
    top = each.amax(0)
    near = ((each >= top - 8 * unit * size.amax(0)).sum(0) > 1).reshape(samples, -1).any(1)
    assert near.sum() < samples or samples < 4
    g_rows = g.double().movedim(channel_dim, 1).reshape(rows.shape).abs()
    slopes, wanted = (t.movedim(channel_dim, 1).reshape(rows.shape) for t in (found[1].double(), expected[1]))
    fine = 4 * unit * g_rows * share * a.detach().double().abs().amax(0)[..., None]
    fits = ((slopes - wanted).abs() <= ROUNDING[dtype] * (wanted.abs() + fine) + fine + tiny).reshape(
        samples, -1
    )
    assert fits.all(1)[~near].all()
    # Sums in float32 over 256 terms at most, then in float64.
    for got, right, term in (
        (found[2], expected[2], g_rows * share * rows.abs()),
        (found[3], expected[3], g_rows * share),
    ):
        summed = term.sum(2) if kind != "shared" else term.sum((1, 2))[:, None]
        assert ((got - right).abs() <= (256 + 8) * unit * summed)[:, ~near].all()
    if place is not None:
        summed = (g_rows * size.amax(0)).sum(1)
        assert ((found[4] - expected[4]).abs() <= (channels + 8) * unit * summed).all()


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("placed", [False, True])
def test_sums_are_the_same_for_any_number_of_threads(name: str, placed: bool) -> None:
    x = torch.randn(16, 24, 12, 12).contiguous(memory_format=LAYOUTS[name])
    g, (a, b) = torch.randn_like(x), torch.randn(2, 2, 16, 24).unbind()
    place = torch.rand(16, 144) if placed else None
    before, outcomes = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaves = [t.clone().requires_grad_() for t in (x, a, b, place) if t is not None]
            y = largest_line(*leaves[:3], leaves[3] if placed else None, 1)
            outcomes.append((y, *torch.autograd.grad(y, leaves, g)))
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        assert all(torch.equal(found, first) for found, first in zip(other, outcomes[0], strict=True))


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (2.0, 1.0), (1.0, -1.0), (0.5, 0.5)])
def test_ties_infinities_and_no_numbers_are_those_of_the_plain_form(slopes: tuple[float, float]) -> None:
    x = torch.tensor([[[math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, -2.0, 3e38, 1.0]]])
    a, b = torch.tensor(slopes).view(2, 1, 1), torch.tensor([0.0, 0.0]).view(2, 1, 1)
    outcomes = []
    for fast in (True, False):
        leaves = [t.clone().requires_grad_() for t in (x, a, b)]
        if fast:
            y = largest_line(*leaves, None, 1)
        else:
            y = _LargestLine.apply(leaves[0], *(t.view(2, 1, 1, 1) for t in leaves[1:]), None)
        outcomes.append((y, *torch.autograd.grad(y, leaves, torch.ones_like(x))))
    for found, wanted in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("variant", ["A", "B", "C"])
@pytest.mark.parametrize(
    ("shape", "channel_dim"), [((3, 5, 4, 4), 1), ((3, 7, 5), -1), ((5,), 0), ((3, 5), 1), ((0, 5, 2, 2), 1)]
)
def test_the_module_is_computed_by_it(
    variant: str, shape: tuple[int, ...], channel_dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = DyReLU(5, channel_dim, variant=variant, reduction=1)  # type: ignore[arg-type]
    torch.nn.init.normal_(module.fc2.weight)
    x = torch.randn(shape)
    assert module.backend == "cpp"
    monkeypatch.setattr(_LargestLine, "apply", None)
    y = module(x)
    monkeypatch.undo()
    wanted = DyReLU(5, channel_dim, variant=variant, reduction=1).double()  # type: ignore[arg-type]
    wanted.load_state_dict({name: value.double() for name, value in module.state_dict().items()})
    torch.testing.assert_close(y.double(), wanted(x.double()), rtol=1e-5, atol=1e-5)


def test_the_operators_keep_their_promises_to_the_compiler() -> None:
    x = torch.randn(2, 4, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    a, b = (torch.randn(2, 2, 4).requires_grad_() for _ in range(2))
    place = torch.rand(2, 9).requires_grad_()
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    for share in (None, place):
        torch.library.opcheck(torch.ops.actbench.largest_line.default, (x, a, b, share, 1), test_utils=tests)
    gradient = (torch.randn_like(x), *(t.detach() for t in (x, a, b, place)), 1)
    torch.library.opcheck(torch.ops.actbench.largest_line_backward.default, gradient, test_utils=tests)
