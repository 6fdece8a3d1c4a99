"""PWLU as a function: properties P1 to P16 and P23 to P26 of its definition, held against the hinge form.

The hinge form (slopes summed at their knots) is written here from the definition alone, in float64, and shares no
step with the implementation, which interpolates. Tolerances are the definition's own or derived beside the test.
"""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.activations.kernels import layout
from actbench.activations.pwlu import LEAST_WIDTH, PWLU
from actbench.errors import ActbenchError

F64 = torch.float64
U32, U16, UB16 = 2.0**-24, 2.0**-11, 2.0**-8
"""Unit roundoffs of float32, float16 and bfloat16."""


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(params=["kernel", "plain"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """float32 and half inputs by the compiled kernel, and by plain PyTorch."""
    chosen: str = request.param
    if chosen == "plain":
        monkeypatch.setattr(layout, "takes", lambda *_: False)
    return chosen


both_forms = pytest.mark.usefixtures("_form")


class Parts(NamedTuple):
    """The parameters of a unit as the definition names them."""

    heights: Tensor
    left: Tensor
    right: Tensor
    slope_left: Tensor
    slope_right: Tensor

    @property
    def knots(self) -> Tensor:
        """B_0 .. B_N per unit."""
        intervals = self.heights.shape[1] - 1
        share = torch.arange(intervals + 1, dtype=self.left.dtype) / intervals
        return self.left[:, None] + (self.right - self.left)[:, None] * share

    @property
    def slopes(self) -> Tensor:
        """K_L, K_0 .. K_{N-1}, K_R per unit."""
        step = (self.right - self.left)[:, None] / (self.heights.shape[1] - 1)
        inner = self.heights.diff(dim=1) / step
        return torch.cat((self.slope_left[:, None], inner, self.slope_right[:, None]), dim=1)


def hinge(x: Tensor, parts: Parts) -> Tensor:
    """f = Y_0 + K_L (x - B_L) + sum_j (s_{j+1} - s_j) max(0, x - B_j), for x of shape (..., units)."""
    beyond = (x[..., None] - parts.knots).clamp(min=0)
    tail = parts.heights[:, 0] + parts.slope_left * (x - parts.left)
    return tail + (parts.slopes.diff(dim=1) * beyond).sum(dim=-1)


def parts_of(unit: PWLU) -> Parts:
    return Parts(unit.heights, unit.bound_left, unit.bound_right, unit.slope_left, unit.slope_right)


def start(channels: int, channel_dim: int = 1, **options: Any) -> PWLU:
    """One as it is made."""
    unit = create_activation("pwlu", channels, channel_dim=channel_dim, **options)
    assert isinstance(unit, PWLU)
    return unit


def make(channels: int = 3, dtype: torch.dtype = F64, **options: Any) -> PWLU:
    """A unit with every parameter moved: slopes of order 4, each range its own, none symmetric."""
    unit = start(channels, **options)
    unit.to(dtype)
    with torch.no_grad():
        unit.heights.copy_(torch.randn(unit.heights.shape, dtype=F64))
        for value, middle in (
            (unit.bound_left, -2.5),
            (unit.bound_right, 3.0),
            (unit.slope_left, -1.0),
            (unit.slope_right, 1.5),
        ):
            value.copy_(middle + torch.rand(value.shape, dtype=F64) - 0.5)
    return unit


def away_from_knots(unit: PWLU, count: int = 200, least: float = 1e-3) -> Tensor:
    """(count, channels) float64 inputs in all three regions, each at least `least` steps from every knot."""
    parts = Parts(*(value.detach().double() for value in parts_of(unit)))
    steps = unit.intervals * (2 * torch.rand(count, len(parts.left), dtype=F64) - 0.5)
    near = (steps - steps.round()).abs() <= least
    steps = torch.where(near, steps.floor() + 0.5, steps)
    x = parts.left + (parts.right - parts.left) / unit.intervals * steps
    assert ((x < parts.left).any() and (x > parts.right).any()) or count < 20
    return x.expand(count, unit.num_channels).contiguous()


def gradients(unit: PWLU, x: Tensor, g: Tensor | None = None) -> tuple[Tensor, Parts]:
    """dx and the parameters' gradients for the upstream gradient g (default 1 everywhere)."""
    x = x.detach().requires_grad_()
    y = unit(x)
    dx, *rest = torch.autograd.grad(y, (x, *parts_of(unit)), torch.ones_like(y) if g is None else g)
    return dx, Parts(*rest)


def every_region(unit: PWLU) -> Iterator[tuple[Tensor, Tensor, Parts]]:
    """Single inputs of one channel: x, dx, gradients of the parameters."""
    for x in away_from_knots(unit, 40)[:, :1]:
        dx, parts = gradients(unit, x[None])
        yield x, dx, parts


@pytest.mark.parametrize("intervals", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("bound", [0.7, 1.0, 3.0, 10.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-12), (torch.float32, 1e-6)])
@both_forms
def test_p01_the_start_is_relu(dtype: torch.dtype, tolerance: float, intervals: int, bound: float) -> None:
    torch.set_default_dtype(dtype)
    try:
        unit = start(2, intervals=intervals, bound=bound)
    finally:
        torch.set_default_dtype(torch.float32)
    # float32: u = (x + bound) / d is off by 3 roundings of itself and d y / d u = d, so y by 3 U32 (x + bound).
    x = torch.linspace(-1.3 * bound, 1.3 * bound, 401, dtype=dtype)[:, None].expand(-1, 2)
    assert ((unit(x) - x.relu()).abs() <= tolerance * max(1.0, bound)).all()
    assert torch.equal(unit(torch.zeros(1, 2, dtype=dtype)), torch.zeros(1, 2, dtype=dtype)), "0 is a knot"
    assert torch.equal(unit(x[x[:, 0] < 0]), torch.zeros_like(x[x[:, 0] < 0]))


def exact_grid(dtype: torch.dtype) -> PWLU:
    """One whose knots, -2, -1.75 .. 2, and heights are exact in any format, and so is u."""
    unit = make(2, dtype, intervals=16)
    with torch.no_grad():
        unit.bound_left.fill_(-2)
        unit.bound_right.fill_(2)
        unit.heights.copy_(torch.randint(-8, 9, unit.heights.shape) / 4)
    return unit


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.float16, torch.bfloat16])
@both_forms
def test_p02_knots_have_their_heights_and_belong_to_the_piece_on_their_right(dtype: torch.dtype) -> None:
    unit = exact_grid(torch.float32 if dtype != F64 else F64)
    parts = parts_of(unit)
    knots = parts.knots.T.contiguous().to(dtype)
    assert torch.equal(unit(knots), parts.heights.T.to(dtype))
    dx, found = gradients(unit, knots)
    right = parts.slopes[:, 1:].T
    assert torch.equal(dx, right.to(dtype)), "closed on the left, open on the right"
    assert torch.equal(found.heights, torch.ones_like(found.heights)), "r is 0 at each knot"
    assert torch.equal(found.slope_right, torch.zeros(2, dtype=found.slope_right.dtype))
    # From below, as near as u still tells apart: off by no more than the distance times the slope there.
    if dtype == F64:
        below = knots - 2.0**-48
        left = parts.slopes[:, :-1].T
        # Beside the distance there is the rounding of u (at most 18 steps) and of the sum.
        slack = 2.0**-53 * (18 * left.abs() * 0.25 * 2 + 4)
        assert ((unit(below) - parts.heights.T).abs() <= left.abs() * (knots - below) + slack).all()
        assert torch.equal(gradients(unit, below)[0], left)


def test_p02_at_the_right_bound_the_right_branch_begins() -> None:
    unit = exact_grid(F64)
    dx, parts = gradients(unit, unit.bound_right.detach()[None])
    assert torch.equal(dx[0], unit.slope_right)
    assert torch.equal(parts.right, -unit.slope_right)
    assert torch.equal(parts.left, torch.zeros(2, dtype=F64))


def test_p03_continuous_at_every_knot() -> None:
    unit = make(4, intervals=8)
    parts = parts_of(unit)
    for eps in (1e-3, 1e-6, 1e-9):
        above, below = unit((parts.knots + eps).T), unit((parts.knots - eps).T)
        allowed = eps * (parts.slopes[:, 1:].abs() + parts.slopes[:, :-1].abs()).T
        assert ((above - below).abs() <= allowed + 1e-14).all()


@pytest.mark.parametrize("sharing", ["channel", "layer"])
@pytest.mark.parametrize("intervals", [2, 16])
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 2)])
def test_p04_gradcheck_in_all_regions(sharing: str, intervals: int, shape: tuple[int, ...]) -> None:
    unit = make(3, sharing=sharing, intervals=intervals)
    rows = math.prod(shape) // 3
    x = away_from_knots(unit, max(rows, 20))[-rows:]
    x = x.reshape(shape[0], -1, 3).movedim(-1, 1).reshape(shape)
    for region in (x, x * 0 - 5, x * 0 + 6):  # mixed, and each tail alone
        inputs = (region.clone().requires_grad_(), *parts_of(unit))
        assert torch.autograd.gradcheck(lambda x, *_: unit(x), inputs)


def test_p05_gradients_are_the_closed_forms() -> None:
    unit = make(1, intervals=6)
    parts = Parts(*(value.detach() for value in parts_of(unit)))
    left, right = parts.left, parts.right
    regions = set()
    for x, dx, found in every_region(unit):
        heights = torch.zeros(1, 7, dtype=F64)
        zero = torch.zeros(1, dtype=F64)
        if x < left:
            regions.add("left")
            heights[0, 0] = 1
            expected = (parts.slope_left, heights, -parts.slope_left, zero, x - left, zero)
        elif x >= right:
            regions.add("right")
            heights[0, -1] = 1
            expected = (parts.slope_right, heights, zero, -parts.slope_right, zero, x - right)
        else:
            t = (x - left) / (right - left) * 6
            i = int(t.floor())
            regions.add(str(i))
            slope = parts.slopes[:, i + 1]
            heights[0, i], heights[0, i + 1] = 1 - (t - i), t - i
            expected = (slope, heights, slope * (t - 6) / 6, -slope * t / 6, zero, zero)
        for got, want in zip((dx[0], *found), expected, strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=1e-14)
    assert regions == {"left", "right", "0", "1", "2", "3", "4", "5"}


def test_p06_partition_of_unity() -> None:
    for _, _, parts in every_region(make(1)):
        assert abs(parts.heights.sum() - 1) <= 1e-15


def test_p07_translation_identities() -> None:
    unit = make(1)
    for _, dx, parts in every_region(unit):
        assert (dx + parts.left + parts.right).abs() <= 1e-14
    moved, x = copy.deepcopy(unit), away_from_knots(unit)
    with torch.no_grad():
        moved.bound_left.add_(0.75)
        moved.bound_right.add_(0.75)
    torch.testing.assert_close(moved(x + 0.75), unit(x), rtol=0, atol=1e-14)


def test_p08_scale_identities() -> None:
    unit = make(1)
    own = parts_of(unit)
    for x, dx, parts in every_region(unit):
        terms = (x * dx, own.left * parts.left, own.right * parts.right)
        tails = (own.slope_left * parts.slope_left, own.slope_right * parts.slope_right)
        difference = sum(term.item() for term in terms) - sum(tail.item() for tail in tails)
        assert abs(difference) <= 1e-14
    x = away_from_knots(unit)
    for scale in (0.5, 1.7):
        scaled = copy.deepcopy(unit)
        with torch.no_grad():
            scaled.bound_left.mul_(scale)
            scaled.bound_right.mul_(scale)
            scaled.slope_left.div_(scale)
            scaled.slope_right.div_(scale)
        torch.testing.assert_close(scaled(x * scale), unit(x), rtol=0, atol=1e-14)


def test_p09_linearity_identities() -> None:
    unit = make(1)
    own = parts_of(unit)
    for x, _, parts in every_region(unit):
        tails = own.slope_left * parts.slope_left + own.slope_right * parts.slope_right
        assert ((own.heights * parts.heights).sum() + tails - unit(x[None])).abs() <= 1e-14
    x, other = away_from_knots(unit), copy.deepcopy(unit)
    with torch.no_grad():
        other.heights.mul_(-1.5).add_(0.25)
        other.slope_left.mul_(-1.5)
        other.slope_right.mul_(-1.5)
    torch.testing.assert_close(other(x), -1.5 * unit(x) + 0.25, rtol=0, atol=1e-14)


def test_p10_refinement_changes_nothing() -> None:
    coarse, fine = make(3, intervals=8), make(3, intervals=16)
    with torch.no_grad():
        for mine, theirs in zip(parts_of(fine)[1:], parts_of(coarse)[1:], strict=True):
            mine.copy_(theirs)
        fine.heights[:, ::2] = coarse.heights
        fine.heights[:, 1::2] = (coarse.heights[:, 1:] + coarse.heights[:, :-1]) / 2
    x = away_from_knots(coarse)
    torch.testing.assert_close(fine(x), coarse(x), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("function", "bounds", "slopes"),
    [
        (torch.abs, (-3.0, 3.0), (-1.0, 1.0)),
        (lambda x: x, (-3.0, 3.0), (1.0, 1.0)),
        (lambda x: torch.where(x < 0, 0.01 * x, x), (-3.0, 3.0), (0.01, 1.0)),
        (lambda x: x.clamp(0, 6), (-6.0, 6.0), (0.0, 0.0)),
        (lambda x: x.clamp(-1, 1), (-2.0, 2.0), (0.0, 0.0)),
    ],
    ids=["abs", "identity", "leaky_relu", "relu6", "hardtanh"],
)
def test_p11_piecewise_linear_functions_are_exact(
    function: Callable[[Tensor], Tensor], bounds: tuple[float, float], slopes: tuple[float, float]
) -> None:
    unit = make(1)
    with torch.no_grad():
        for value, number in zip(parts_of(unit)[1:], (*bounds, *slopes), strict=True):
            value.fill_(number)
        unit.heights.copy_(function(parts_of(unit).knots))
    x = torch.linspace(-12, 12, 1001, dtype=F64)[:, None]
    torch.testing.assert_close(unit(x), function(x), rtol=0, atol=1e-12)


def test_p12_interpolation_error_of_swish() -> None:
    unit = make(1)
    with torch.no_grad():
        unit.bound_left.fill_(-3)
        unit.bound_right.fill_(3)
        unit.heights.copy_(torch.nn.functional.silu(parts_of(unit).knots))
    x = torch.linspace(-3, 3, 6_001, dtype=F64)[:, None]
    error = (unit(x) - torch.nn.functional.silu(x)).abs().max().item()
    assert error <= (6 / 16) ** 2 / 8 * 0.5  # |swish''| is greatest at 0, where it is 1/2
    assert error == pytest.approx(0.00861, abs=1e-5)


@pytest.mark.parametrize("sharing", ["channel", "layer"])
@pytest.mark.parametrize("intervals", [2, 6, 16, 32, 64])
def test_p13_equal_to_the_hinge_form(intervals: int, sharing: str) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        unit = make(4, intervals=intervals, sharing=sharing)
        x = torch.cat(
            (away_from_knots(unit), 3 * torch.randn(200, 4, dtype=F64), parts_of(unit).knots.T.expand(-1, 4))
        )
        mine, hinged = unit(x), hinge(x, parts_of(unit))
        # The hinge form sums N + 2 terms of up to |s| |x - B|: with 64 intervals slopes reach some 40.
        parts = parts_of(unit)
        size = (parts.slopes.diff(dim=1).abs().max() * 10).item()
        torch.testing.assert_close(mine, hinged, rtol=0, atol=max(1e-13, intervals * size * 2.0**-53))
        g = torch.randn(x.shape, dtype=F64)
        inside = away_from_knots(unit)
        _, found = gradients(unit, inside, g[:200])
        expected = torch.autograd.grad(hinge(inside, parts), tuple(parts), g[:200])
        for got, want in zip(found, expected, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("intervals", [2, 16, 64])
@pytest.mark.parametrize("dtype", [F64, torch.float32])
@both_forms
def test_p14_the_deploy_form_is_equal(dtype: torch.dtype, intervals: int) -> None:
    unit = make(3, dtype, intervals=intervals).eval()
    x = torch.cat((away_from_knots(unit), parts_of(unit).knots.double().T)).to(dtype)
    expected, knots, slopes = unit(x).detach(), parts_of(unit).knots, parts_of(unit).slopes.abs()
    # y = O + S x: O, S and both operations are rounded, each term at most |S| (|x| + |B|) + |y|; so is the other.
    size = slopes.amax(1) * (x.abs().amax(0) + knots.abs().amax(1)) + expected.abs().amax(0)
    rounding = U32 if dtype == torch.float32 else 2.0**-53
    assert unit.deploy() is unit
    assert ((unit(x) - expected).abs() <= 8 * rounding * size).all()
    if dtype == F64 and intervals == 16:
        torch.testing.assert_close(unit(x), expected, rtol=0, atol=1e-14)
    tables = {name: tuple(value.shape) for name, value in unit.state_dict().items() if value.ndim > 1}
    assert tables == {"offset": (3, intervals + 2), "slope": (3, intervals + 2)}
    assert {value.dtype for value in unit.state_dict().values() if value.is_floating_point()} == {dtype}
    assert not list(unit.parameters())


@both_forms
def test_p14_minus_infinity_and_nan_in_the_deploy_form() -> None:
    unit = make(1, torch.float32)
    with torch.no_grad():
        unit.slope_left.zero_()
    x = torch.tensor([[-math.inf], [math.nan], [math.inf]])
    expected = unit(x)
    torch.testing.assert_close(unit.deploy()(x), expected, equal_nan=True)
    assert expected[0] == unit.offset[0, 0]


def test_p15_a_layer_unit_is_equal_channel_units() -> None:
    layer, channel = make(5, sharing="layer"), make(5)
    with torch.no_grad():
        for mine, theirs in zip(channel.parameters(), layer.parameters(), strict=True):
            assert mine.shape[0] == 5
            assert theirs.shape[0] == 1
            mine.copy_(theirs.expand(mine.shape))
    x = away_from_knots(layer)
    g = torch.randn(x.shape, dtype=F64)
    assert torch.equal(layer(x), channel(x))
    (dx, shared), (dx_channel, own) = gradients(layer, x, g), gradients(channel, x, g)
    assert torch.equal(dx, dx_channel)
    for whole, parts in zip(shared, own, strict=True):
        torch.testing.assert_close(whole, parts.sum(0, keepdim=True), rtol=1e-12, atol=1e-12 * x.numel())


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(7, 4), (3, 4, 5), (2, 4, 3, 5), (2, 4, 2, 3, 2)])
@both_forms
def test_p16_channels_permute_with_their_units(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    unit = make(4, F64 if dtype == F64 else torch.float32)
    order = torch.tensor([2, 0, 3, 1])
    other = copy.deepcopy(unit)
    with torch.no_grad():
        for mine, theirs in zip(other.parameters(), unit.parameters(), strict=True):
            mine.copy_(theirs[order])
    x = (2 * torch.randn(shape)).to(dtype)
    y = unit(x)
    assert torch.equal(other(x[:, order]), y[:, order])
    spread = torch.empty(*shape, 2, dtype=dtype)[..., 0].copy_(x)
    last = x.movedim(1, -1).contiguous().movedim(-1, 1)
    backwards = x.permute(*range(len(shape))[::-1]).contiguous().permute(*range(len(shape))[::-1])
    for same in (spread, last, backwards):
        assert not same.is_contiguous() or shape == (7, 4)
        assert torch.equal(unit(same), y)
    token = start(4, channel_dim=-1).to(unit.heights.dtype)
    token.load_state_dict(unit.state_dict())
    assert torch.equal(token(x.movedim(1, -1)).movedim(-1, 1), y)


@pytest.mark.parametrize("sharing", ["channel", "layer"])
@pytest.mark.parametrize("tracking", [False, True])
@both_forms
def test_p16_one_dimension_and_nothing_at_all(sharing: str, tracking: bool) -> None:
    unit = start(4, channel_dim=0, sharing=sharing)
    if tracking:
        unit.begin_epoch(0)
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0])
    torch.testing.assert_close(unit(x), x.relu())
    for shape in ((4, 0), (4, 0, 3), (4, 3, 0)):
        empty = torch.zeros(shape, requires_grad=not tracking)
        y = unit(empty)
        assert y.shape == shape
        if not tracking:
            y.sum().backward()
            assert empty.grad is not None
            assert not any(p.grad.any() for p in unit.parameters() if p.grad is not None)


@pytest.mark.parametrize(("channels", "shape"), [(4, (2, 3)), (4, (4,)), (1, (2, 3)), (1, (5, 2, 4, 4))])
@pytest.mark.parametrize("phase", ["one", "two"])
def test_other_channels_than_announced_are_an_error(
    channels: int, shape: tuple[int, ...], phase: str
) -> None:
    unit = start(channels)
    if phase == "one":
        unit.begin_epoch(0)
    with pytest.raises(ActbenchError, match=f"{channels} channels along dimension 1 got an input of shape"):
        unit(torch.zeros(shape))
    shared = start(channels, sharing="layer")
    assert shared(torch.zeros(shape)).shape == shape, "a unit for all takes any input"


@pytest.mark.parametrize(
    ("dtype", "rounding", "largest"), [(torch.bfloat16, UB16, 0.0039 * 4), (torch.float16, U16, 0.0005 * 4)]
)
@both_forms
def test_p23_half_inputs_are_computed_in_float32(dtype: torch.dtype, rounding: float, largest: float) -> None:
    unit = make(4, torch.float32)
    exact = copy.deepcopy(unit).double()
    x = (2 * torch.randn(2000, 4)).to(dtype)
    y = unit(x)
    assert y.dtype == dtype
    truth = exact(x.double())
    parts = parts_of(exact)
    # One rounding of the result; before it float32's: u off by 3 roundings, each worth |s| (|x| + |B|), and the sum.
    before = 4 * U32 * (parts.slopes.abs().amax(1) * (x.double().abs() + 4) + truth.abs())
    assert ((y.double() - truth).abs() <= rounding * truth.abs() + before).all()
    assert (y.double() - truth).abs().max() <= largest  # all in half precision would be off by some 0.1
    # A unit that is itself half precision computes in float32 too.
    half = copy.deepcopy(unit).to(dtype)
    wide = copy.deepcopy(half).float()
    assert torch.equal(half(x), wide(x.float()).to(dtype))
    g = torch.randn(2000, 4).to(dtype)
    x = away_from_knots(unit, 2000, 0.05)  # further than half precision moves them, and moved onto that grid
    x = x.to(dtype)
    dx, found = gradients(half, x, g)
    wide_dx, wide_found = gradients(wide, x.float(), g.float())
    assert torch.equal(dx, wide_dx.to(dtype))
    for got, want in zip(found, wide_found, strict=True):
        assert got.dtype == dtype
        torch.testing.assert_close(got.float(), want, rtol=2 * rounding, atol=1e-3)


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("sharing", ["channel", "layer"])
@both_forms
def test_p24_nan_and_infinities(dtype: torch.dtype, sharing: str) -> None:
    unit = make(4, F64 if dtype == F64 else torch.float32, sharing=sharing)
    with torch.no_grad():
        unit.slope_left.zero_()
        unit.slope_right.fill_(-0.5)
    special = torch.tensor([math.nan, -math.inf, math.inf, 0.25], dtype=dtype)
    for x in (
        special[:, None].expand(4, 4).contiguous(),
        special[None, :, None].expand(3, 4, 37).contiguous(),
    ):
        if sharing == "channel" and x.ndim == 3:
            x = x.transpose(1, 2).reshape(3 * 37, 4)[:, :, None].expand(-1, -1, 21).contiguous()
        y = unit(x)
        assert torch.equal(y.isnan(), x.isnan()), "NaN stays NaN and spreads nowhere"
        assert (y[x == math.inf] == -math.inf).all()
        shown = unit.heights[:, 0].to(dtype).tolist()
        assert set(y[x == -math.inf].tolist()) <= set(shown), "-inf with K_L = 0 gives Y_0"
    with torch.no_grad():
        unit.slope_right.zero_()
        unit.slope_left.fill_(2)
    x = special[1:3, None].expand(2, 4)
    y = unit(x)
    assert (y[0] == -math.inf).all()
    assert torch.equal(y[1], unit.heights[:, -1].to(dtype).expand(4))


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.float16, torch.bfloat16])
@both_forms
def test_p24_backward_reaches_no_index_out_of_range(dtype: torch.dtype) -> None:
    unit = start(20, intervals=2).to(F64 if dtype == F64 else torch.float32)
    x = torch.zeros(40, 20, dtype=dtype)
    x[::4], x[1::4], x[2::4] = math.nan, -math.inf, math.inf
    x.requires_grad_()
    y = unit(x)
    # Nothing comes back for the elements that are no numbers; they must still fall on some piece of their own row.
    y.backward(torch.where(x.isfinite(), 1.0, 0.0).to(dtype))
    assert x.grad is not None
    assert torch.equal(x.grad, torch.where(x.isfinite(), 1, 0).to(dtype))
    assert unit.heights.grad is not None
    assert torch.equal(unit.heights.grad, torch.tensor([0.0, 10, 0]).to(unit.heights.dtype).expand(20, 3))
    largest = torch.tensor([[-3e38, 3e38]]).T.expand(2, 20)
    assert unit(largest).shape == (2, 20)


DEGENERATE = {
    "equal": (1.0, 1.0),
    "crossed": (2.0, -1.0),
    "nearly equal": (0.5, 0.5 + 1e-6),
    "far out": (1e6, 1e6),
    "further out": (-1e9, -1e9),
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.bfloat16])
@both_forms
def test_p25_degenerate_bounds_stay_finite(case: str, dtype: torch.dtype) -> None:
    unit = make(2, F64 if dtype == F64 else torch.float32)
    left, right = DEGENERATE[case]
    with torch.no_grad():
        unit.bound_left.fill_(left)
        unit.bound_right.fill_(right)
    middle = (left + right) / 2
    x = (middle + torch.linspace(-2, 2, 101)).to(dtype)[:, None].repeat(1, 2).requires_grad_()
    y = unit(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    for gradient in (x.grad, *(p.grad for p in unit.parameters())):
        assert gradient is not None
        assert gradient.isfinite().all()
    assert unit.at_least_width.all()
    values = unit.log_values()
    assert values["units_at_least_width"] == 2
    assert all(value.isfinite().all() for value in values.values())
    acting_left, acting_right = unit.bounds()
    slack = 4 * (U32 if dtype != F64 else 2.0**-53) * max(abs(middle), 1)
    assert (acting_right - acting_left - LEAST_WIDTH).abs().max() <= slack
    assert ((acting_left + acting_right) / 2 - middle).abs().max() <= slack
    deployed = copy.deepcopy(unit).deploy()
    assert deployed(x.detach()).isfinite().all()


def test_p25_a_dead_channel_is_realigned_to_the_least_width() -> None:
    unit = start(3)
    unit.begin_epoch(0)
    for _ in range(3):
        unit(torch.stack((torch.randn(64), torch.full((64,), 0.5), torch.zeros(64)), dim=1))
    change = unit.begin_epoch(5)
    assert change is not None
    assert "2 are at the least width" in change.note
    assert unit.at_least_width.tolist() == [False, True, True]
    assert unit.log_values()["units_at_least_width"] == 2
    y = unit(torch.tensor([[0.5, 0.5, 0.0], [-1.0, -1.0, -1.0], [2.0, 2.0, 2.0]]))
    assert y.isfinite().all()
    torch.testing.assert_close(y[:, 1], torch.tensor([0.5, 0.5 - LEAST_WIDTH / 2, 2.0]))


@pytest.mark.parametrize(("left", "right"), [(0.0, 0.0), (0.3, -0.3), (0.0, LEAST_WIDTH), (5.0, -9.0)])
def test_p25_a_degenerate_unit_recovers_where_gradients_widen_it(left: float, right: float) -> None:
    unit = start(1, intervals=2).double()
    with torch.no_grad():
        unit.bound_left.fill_(left)
        unit.bound_right.fill_(right)
        unit.heights.copy_(torch.tensor([[-1.0, 0.0, 1.0]]))
        unit.slope_left.fill_(1)
    assert unit.at_least_width.all()
    optimizer = torch.optim.SGD([unit.bound_left, unit.bound_right], lr=0.2)
    x = torch.tensor([[-9.0], [9.0]], dtype=F64)
    # Fitted to the identity from the tails alone: Y_0 + x - B_L = x at B_L = -1, and likewise B_R = 1.
    for _ in range(200):
        optimizer.zero_grad()
        (unit(x) - x).square().sum().backward()
        optimizer.step()
    assert not unit.at_least_width.any()
    assert (unit.bound_left.item(), unit.bound_right.item()) == pytest.approx((-1, 1), abs=1e-6)


@pytest.mark.parametrize(("left", "right"), [(0.0, 0.0), (0.3, -0.3), (-LEAST_WIDTH / 2, LEAST_WIDTH / 2)])
def test_p25_gradients_that_narrow_stop_at_the_least_width_but_the_middle_still_moves(
    left: float, right: float
) -> None:
    unit = start(1, intervals=2).double()
    with torch.no_grad():
        unit.bound_left.fill_(left)
        unit.bound_right.fill_(right)
    acting = unit.bounds()
    for upstream, expected in (
        ((-1.0, 1.0), (0.0, 0.0)),  # a descent would narrow
        ((1.0, -1.0), (1.0, -1.0)),  # widen
        ((1.0, 1.0), (1.0, 1.0)),  # move
        ((0.0, 1.0), (0.5, 0.5)),  # narrow and move: move alone
    ):
        loss = upstream[0] * acting[0].sum() + upstream[1] * acting[1].sum()
        got = torch.autograd.grad(loss, (unit.bound_left, unit.bound_right), retain_graph=True)
        assert (got[0].item(), got[1].item()) == pytest.approx(expected, abs=1e-12)


@both_forms
def test_p26_empty_intervals_get_no_gradient() -> None:
    unit = make(2, torch.float32)
    knots = parts_of(unit).knots.detach()
    x = ((knots[:, 3] + knots[:, 4]) / 2).expand(9, 2)  # in the piece between the heights 3 and 4
    _, parts = gradients(unit, x)
    assert (parts.heights != 0).nonzero()[:, 1].tolist() == [3, 4, 3, 4]
    assert not parts.slope_left.any()
    assert not parts.slope_right.any()


@pytest.mark.parametrize("sharing", ["channel", "layer"])
@pytest.mark.parametrize(
    "shape", [(8, 4, 32, 32), (1, 4, 1 << 18), (1 << 15, 4)], ids=["maps", "long", "vectors"]
)
@both_forms
def test_p26_large_batches_agree_with_float64(shape: tuple[int, ...], sharing: str) -> None:
    unit = make(4, torch.float32, sharing=sharing, intervals=4)
    exact = copy.deepcopy(unit).double()
    # Nearly all on one piece and of one sign and size: sums grow large, and float32 would lose what comes late.
    steps = torch.where(torch.rand(math.prod(shape) // 4, 4) < 0.9, 1.3, 0.5 + torch.randint(-2, 6, (1, 4)))
    left, right = unit.bound_left.detach(), unit.bound_right.detach()
    x = (left + (right - left) / 4 * steps).view(shape[0], -1, 4).movedim(-1, 1).reshape(shape)
    g = torch.full(shape, 0.1)
    dx, parts = gradients(unit, x, g)
    exact_dx, exact_parts = gradients(exact, x.double(), g.double())
    torch.testing.assert_close(dx.double(), exact_dx, rtol=4 * U32, atol=0)
    for name, got, want in zip(Parts._fields, parts, exact_parts, strict=True):
        scale = want.abs().max()
        assert ((got.double() - want).abs() <= 1e-5 * scale).all(), name


@both_forms
def test_second_derivatives_are_refused_not_wrong() -> None:
    unit = make(2, torch.float32)
    x = torch.randn(3, 2, requires_grad=True)
    (dx,) = torch.autograd.grad(unit(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        dx.sum().backward()  # type: ignore[no-untyped-call]
