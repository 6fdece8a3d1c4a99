"""Batch normalisation and activation in one function, against both one after the other.

Bounds. A lane sums at most FLUSH_ROWS = 256 terms in float32 before they go on in float64, so a sum is off by at most
256 e of the sum of magnitudes, e = 2^-24; with a few roundings more, GAMMA = 264 e. So mean and deviation are off by
GAMMA deviations, and z = xhat * weight + bias by

    dz = GAMMA * |weight| * (1 + |xhat|) + 8 e * (|xhat * weight| + |bias|)

A value is then off by dz times the steepest slope, a gradient by what follows from that in its own formula.
"""

import copy
import ctypes
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.batch_norm import activate_after
from actbench.activations.create import create_activation
from actbench.activations.kernels import layout
from actbench.activations.kernels.batch_norm import LIBRARY
from tests.activations.kernels.portable import build_portable

E = 2.0**-24
GAMMA = 264 * E
FUSED: dict[str, dict[str, Any]] = {
    "relu": {},
    "silu": {},
    "swish": {},
    "swish by layer": {"sharing": "layer"},
    "mish": {},
    "relu2": {},
    "talu": {},
    "smu": {},
    "sqish": {},
    "apalu": {},
    "acon_c": {},
    "linear_combination": {},
    "prelu": {},
    "pwlu": {"phase_epochs": 0},
    "pwlu by layer": {"phase_epochs": 0, "sharing": "layer"},
    "rational": {},
    "rational by channel": {"sharing": "channel"},
    "gr_kan": {"groups": 3},
}
# Rows of one channel shorter and longer than a vector, parts and chunks; channels that fill vectors and do not.
SHAPES = [(3, 3, 5, 7), (2, 12, 1, 1), (5, 9, 2, 2), (6, 36, 8, 8), (3, 6, 90, 100)]

pytestmark = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("c++", "g++", "clang++")), reason="no C++ compiler"
)


def make(name: str, channels: int) -> Activation:
    made = create_activation(name.split()[0], channels, **FUSED[name])
    assert isinstance(made, Activation)
    return made


def normal(shape: tuple[int, ...], seed: int, *, last: bool = False) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last) if last else x


def together(act: Activation, norm: nn.Module, x: Tensor) -> Tensor:
    y = activate_after(act, norm, x, of_any_size=True)
    assert y is not None
    return y


def identity(channels: int) -> nn.BatchNorm2d:
    """In evaluation, with numbers that change nothing."""
    norm = nn.BatchNorm2d(channels, eps=2.0**-10).eval()
    assert norm.running_var is not None
    norm.running_var.fill_(1 - 2.0**-10)
    return norm


class Outcome(NamedTuple):
    y: Tensor
    dx: Tensor
    tables: list[Tensor]
    norm: list[Tensor]


def run(call: Callable[[Tensor], Tensor], x: Tensor, g: Tensor, act: nn.Module, norm: nn.Module) -> Outcome:
    given = x.clone(memory_format=torch.preserve_format).requires_grad_()
    act.zero_grad()
    norm.zero_grad()
    y = call(given)
    torch.autograd.backward(y, g)
    assert given.grad is not None
    assert y.stride() == given.grad.stride() == x.stride()
    grads = [[p.grad for p in module.parameters() if p.grad is not None] for module in (act, norm)]
    return Outcome(y.detach(), given.grad, *grads)


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("name", FUSED)
def test_a_norm_that_changes_nothing_leaves_the_activations_own_numbers(name: str, last: bool) -> None:
    for seed, shape in enumerate(SHAPES):
        x, g = 2 * normal(shape, seed, last=last), normal(shape, seed + 9, last=last)
        act, norm = make(name, shape[1]), identity(shape[1])
        want = run(act, x, g, act, norm)
        got = run(lambda x: together(act, norm, x), x, g, act, norm)  # noqa: B023
        if name == "silu":  # by Swish's kernel, not PyTorch's
            assert (got.y - want.y).abs().max() <= 8 * E * x.abs().max()
            assert (got.dx - want.dx).abs().max() <= 16 * E * g.abs().max()
        else:
            assert torch.equal(got.y, want.y)
            assert torch.equal(got.dx, want.dx)
        # The same terms in another order; of each parameter's share in y none is steeper than 12 on these inputs.
        for mine, theirs in zip(got.tables, want.tables, strict=True):
            assert (mine - theirs).abs().max() <= 2 * GAMMA * 12 * g.abs().sum()


class Smooth(NamedTuple):
    """Bounds of a function's first and second derivative."""

    name: str
    first: float
    second: float


SMOOTH = [Smooth("relu", 1, 0), Smooth("swish", 1.1, 0.5), Smooth("pwlu", 1, 0), Smooth("mish", 1.1, 0.7)]


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("training", [True, False], ids=["batch", "running"])
@pytest.mark.parametrize("smooth", SMOOTH, ids=lambda smooth: smooth.name)
def test_equals_float64_within_derived_bounds(smooth: Smooth, training: bool, last: bool) -> None:
    for seed, shape in enumerate(SHAPES[:4]):
        channels = shape[1]
        offset = 5 * normal((1, channels, 1, 1), seed + 3)
        x, g = 3 * normal(shape, seed, last=last) + offset, normal(shape, seed + 9, last=last)
        act, norm = make(smooth.name, channels), nn.BatchNorm2d(channels).train(training)
        with torch.no_grad():
            norm.weight.copy_(normal((channels,), seed + 1))
            norm.bias.copy_(normal((channels,), seed + 2))
        wide, dims = x.double(), (0, 2, 3)
        mean = wide.mean(dims, keepdim=True) if training else torch.zeros(1, channels, 1, 1)
        rstd = (wide.var(dims, keepdim=True, correction=0) + norm.eps).rsqrt() if training else 1.0
        xhat = (wide - mean) * rstd
        weight, bias = (value.detach().double().view(1, -1, 1, 1) for value in (norm.weight, norm.bias))
        z = xhat * weight + bias
        dz = GAMMA * weight.abs() * (1 + xhat.abs()) + 8 * E * ((xhat * weight).abs() + bias.abs())
        if smooth.second == 0:  # what may fall on another piece gets no gradient
            step = 6 / 16 if smooth.name == "pwlu" else torch.inf
            away = (z - step * (z / step).round()).abs() if smooth.name == "pwlu" else z.abs()
            g = torch.where(away > 2 * dz, g, 0)
            assert (g == 0).double().mean() < 2e-3

        exact_act, exact_norm = copy.deepcopy(act).double(), copy.deepcopy(norm).double()
        want = run(lambda x: exact_act(exact_norm(x)), x.double(), g.double(), exact_act, exact_norm)  # noqa: B023
        got = run(lambda x: together(act, norm, x), x, g, act, norm)  # noqa: B023
        room = smooth.first * dz + 8 * E * z.abs()
        assert ((got.y - want.y).abs() <= room).all()

        d, dd = smooth.first * g.abs().double(), g.abs() * (smooth.second * dz + 8 * E * smooth.first)
        dxhat = GAMMA * (1 + xhat.abs())
        by_bias = dd.sum(dims) + GAMMA * d.sum(dims)
        by_weight = (dd * xhat.abs() + d * dxhat).sum(dims) + GAMMA * (d * xhat.abs()).sum(dims)
        assert ((got.norm[1] - want.norm[1]).abs() <= by_bias).all()
        assert ((got.norm[0] - want.norm[0]).abs() <= by_weight).all()

        count = x.numel() / channels
        bound, size = dd, d
        if training:
            first, second = (of.view(1, -1, 1, 1) / count for of in (by_bias, by_weight))
            moment = (d * xhat.abs()).mean(dims, keepdim=True)
            bound = dd + first + xhat.abs() * second + dxhat * moment
            size = d + d.mean(dims, keepdim=True) + xhat.abs() * moment
        assert ((got.dx - want.dx).abs() <= (weight * rstd).abs() * (bound + 2 * GAMMA * size)).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": None},
        {"momentum": 0.3, "eps": 1e-2},
        {"affine": False},
        {"track_running_stats": False},
    ],
    ids=str,
)
def test_the_norms_state_moves_as_pytorchs_does(options: dict[str, object]) -> None:
    act = make("swish", 6)
    mine, theirs = (nn.BatchNorm2d(6, **options) for _ in range(2))  # type: ignore[arg-type]
    for step in range(4):
        x = 2 * normal((3, 6, 4, 5), step) + 1
        assert torch.allclose(together(act, mine, x), act(theirs(x)), rtol=1e-5, atol=1e-6)
    mine.eval()
    theirs.eval()
    assert torch.allclose(together(act, mine, x), act(theirs(x)), rtol=1e-5, atol=1e-6)
    assert mine.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.allclose(mine.state_dict()[name], value, rtol=1e-6, atol=1e-7), name


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_types_are_rounded_once(dtype: torch.dtype, last: bool) -> None:
    x, g = (normal((4, 12, 6, 6), seed, last=last).to(dtype) for seed in (0, 1))
    act, norm = make("pwlu", 12), nn.BatchNorm2d(12)
    wide = run(lambda x: together(act, norm, x), x.float(), g.float(), act, norm)
    half = run(lambda x: together(act, norm, x), x, g, act, norm)
    assert half.y.dtype == half.dx.dtype == dtype
    assert torch.equal(half.y, wide.y.to(dtype))
    for mine, theirs in zip(half.tables, wide.tables, strict=True):
        assert (mine - theirs).abs().max() <= 2 * GAMMA * g.float().abs().sum()
    # Across channels the gradient of z is kept as dx, and rounded, before dx itself is.
    unit = torch.finfo(dtype).eps / 2
    assert (half.dx - wide.dx).abs().max() <= 4 * unit * g.float().abs().max()


def test_sums_are_the_same_for_any_number_of_threads_and_from_run_to_run() -> None:
    before = torch.get_num_threads()
    try:
        for last in (False, True):
            x, g = (normal((16, 12, 20, 20), seed, last=last) for seed in (0, 1))
            outcomes = []
            for threads in (1, 2, 3, 1):
                torch.set_num_threads(threads)
                act, norm = make("pwlu", 12), nn.BatchNorm2d(12)
                outcomes.append(run(lambda x: together(act, norm, x), x, g, act, norm))  # noqa: B023
            one, *others = [[got.y, got.dx, *got.tables, *got.norm] for got in outcomes]
            for other in others:
                assert all(map(torch.equal, one, other))
    finally:
        torch.set_num_threads(before)


def test_a_far_mean_costs_nothing() -> None:
    # Sums of squares about 0 would leave no digit of the deviation at 1e5 deviations from it.
    for last in (False, True):
        x = (normal((8, 8, 16, 16), 0, last=last) * 2.0**-6 + 1000).contiguous(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )
        norm, exact = nn.BatchNorm2d(8), nn.BatchNorm2d(8).double()
        want = torch.relu(exact(x.double()))
        assert (together(make("relu", 8), norm, x) - want).abs().max() <= 5 * GAMMA


def test_strided_inputs_and_gradients() -> None:
    act, norm = make("pwlu", 6), nn.BatchNorm2d(6)
    x, g = normal((4, 5, 6, 7), 0).permute(0, 2, 3, 1), normal((6, 4, 5, 7), 1).permute(1, 0, 3, 2)
    want = run(lambda x: together(act, norm, x), x.contiguous(), g.contiguous(), act, norm)
    given = x.clone(memory_format=torch.contiguous_format).requires_grad_()
    y = together(act, norm, given.transpose(2, 3).contiguous().transpose(2, 3))
    torch.autograd.backward(y, g)
    assert given.grad is not None
    assert torch.equal(y, want.y)
    assert torch.equal(given.grad, want.dx)


def test_nan_stays_in_its_channel_and_infinity_becomes_nan() -> None:
    for bad in (torch.nan, torch.inf):
        for last in (False, True):
            x = normal((2, 9, 3, 3), 0, last=last)
            x[1, 4, 1, 1] = bad
            y = together(make("relu", 9), nn.BatchNorm2d(9), x)
            assert y[:, 4].isnan().all()
            assert y[:, torch.arange(9) != 4].isfinite().all()


def test_keeps_its_input_and_small_tables_alone() -> None:
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    for name in FUSED:
        kept.clear()
        x = normal((8, 12, 16, 16), 0).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            together(make(name, 12), nn.BatchNorm2d(12), x)
        assert kept.pop(x.untyped_storage().data_ptr()) == 4 * x.numel()
        assert sum(kept.values()) < 0.1 * 4 * x.numel(), name


def test_what_it_declines() -> None:
    class Other(type(make("swish", 6))):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            return -x

    x, norm, act = normal((3, 6, 4, 4), 0), nn.BatchNorm2d(6), make("swish", 6)
    assert activate_after(act, norm, x, of_any_size=True) is not None
    phased = create_activation("pwlu", 6)
    assert isinstance(phased, Activation)
    phased.begin_epoch(0)
    declined: list[tuple[Activation, nn.Module, Tensor]] = [
        (act, nn.Identity(), x),
        (act, nn.SyncBatchNorm(6), x),
        (act, nn.BatchNorm1d(6), x),
        (act, copy.deepcopy(norm).double(), x.double()),
        (act, norm, x[0]),
        (act, norm, x[:, :5]),
        (act, norm, x[:0]),
        (act, norm, x[:1, :, :1, :1]),
        (make("swish", 5), norm, x),
        (create_activation("swish", 6, channel_dim=-1), norm, x),  # type: ignore[list-item]
        (create_activation("gelu", 6), norm, x),  # type: ignore[list-item]
        (Other(6), norm, x),
        (phased, norm, x),
    ]
    for case in declined:
        assert activate_after(*case, of_any_size=True) is None, case
    assert int(norm.num_batches_tracked or 0) == 1


def test_small_inputs_and_other_layouts_and_types_are_left_to_two() -> None:
    act, norm = make("relu", 64), nn.BatchNorm2d(64)
    large = torch.zeros(64, 64, 16, 16)
    assert activate_after(act, norm, large) is not None
    for x in (large[1:], large.bfloat16(), large.contiguous(memory_format=torch.channels_last)):
        assert activate_after(act, norm, x) is None


@pytest.mark.parametrize("training", [True, False], ids=["batch", "running"])
@pytest.mark.parametrize("name", ["relu", "swish"])
def test_a_second_derivative_is_the_twos(name: str, training: bool) -> None:
    def second(call: Callable[[Tensor], Tensor]) -> list[Tensor]:
        x = normal((3, 6, 4, 4), 0).requires_grad_()
        act.zero_grad()
        norm.zero_grad()
        (dx,) = torch.autograd.grad(call(x).square().sum(), x, create_graph=True)
        torch.autograd.backward(dx.pow(3).sum())
        return [
            tensor.grad for tensor in (x, *norm.parameters(), *act.parameters()) if tensor.grad is not None
        ]

    act, norm = make(name, 6), nn.BatchNorm2d(6).train(training)
    with torch.no_grad():
        norm.weight.mul_(2)
    want = second(lambda x: act(norm(x)))
    got = second(lambda x: together(act, norm, x))
    assert len(got) == len(want) == 3 + len(list(act.parameters()))
    for mine, theirs in zip(got, want, strict=True):
        assert (mine - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ctypes.CDLL]:
    folder = tmp_path_factory.mktemp("portable")
    return {name: build_portable(name, folder) for name in (LIBRARY, "swish")}


def test_the_portable_form_computes_the_same(
    portable: dict[str, ctypes.CDLL], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(name: str) -> ctypes.CDLL:
        asked.append(name)
        return portable[name]

    for last in (False, True):
        x, g = (normal((5, 12, 9, 7), seed, last=last) for seed in (0, 1))
        act, norm = make("swish", 12), nn.BatchNorm2d(12)
        want = run(lambda x: together(act, norm, x), x, g, act, norm)  # noqa: B023
        with monkeypatch.context() as patch:
            patch.setattr(layout, "load_library", load)
            got = run(lambda x: together(act, norm, x), x, g, act, norm)  # noqa: B023
        assert (got.y - want.y).abs().max() <= 4 * GAMMA
        assert (got.dx - want.dx).abs().max() <= 8 * GAMMA * g.abs().max()
    assert {"swish", LIBRARY} <= set(asked)
