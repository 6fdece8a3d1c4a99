"""Each check of the contract catches its fault and only that, and what is sound passes whatever it declares."""

import math
import re

import pytest
import torch
from torch import Tensor, nn

from actbench.contract.result import CheckResult
from actbench.contract.suite import CHECKS, run_checks
from tests.contract.broken import ZOO, Sound

SMALL = (2, 4, 2, 2)
BROKEN = [(check, broken) for check, classes in ZOO.items() for broken in classes]


def statuses(results: tuple[CheckResult, ...]) -> dict[str, str]:
    return {result.name: result.status for result in results}


def failing(results: tuple[CheckResult, ...]) -> dict[str, str]:
    return {result.name: result.detail for result in results if result.status == "fail"}


def test_every_check_has_something_to_catch() -> None:
    assert list(ZOO) == [check.name for check in CHECKS]
    assert all(ZOO.values())


@pytest.mark.parametrize(
    ("check", "broken"), BROKEN, ids=[f"{check}-{broken.__name__}" for check, broken in BROKEN]
)
def test_a_fault_fails_its_check_and_no_other(check: str, broken: type[nn.Module]) -> None:
    results = run_checks(broken, shape=SMALL)
    assert list(failing(results)) == [check]
    assert failing(results)[check], "a failure says what was seen"


def test_what_is_sound_and_declares_all_passes_all() -> None:
    assert set(statuses(run_checks(Sound)).values()) == {"pass"}


def test_a_bare_function_passes_what_applies() -> None:
    results = run_checks(lambda num_channels: nn.Softsign(), shape=SMALL)  # noqa: ARG005
    assert failing(results) == {}
    found = statuses(results)
    lacking = {name for name, status in found.items() if status != "pass"}
    assert {name for name in lacking if found[name] == "not declared"} == {
        "own places", "infinities", "parameter groups", "deploy",
    }  # fmt: skip
    assert lacking - {name for name in lacking if found[name] == "not declared"} == {
        "fresh parameters",
        "parameters learn",
    }


class BareNormalised(nn.Module):
    """Declares nothing; has parameters, statistics, and a window over its neighbours."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.window = nn.Conv2d(num_channels, num_channels, 3, padding=1, groups=num_channels, bias=False)
        self.norm = nn.BatchNorm2d(num_channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.norm(self.window(x)))


def test_a_bare_module_with_parameters_passes_what_applies() -> None:
    results = run_checks(BareNormalised)
    assert failing(results) == {}
    assert {name for name, status in statuses(results).items() if status != "pass"} == {
        "own places", "infinities", "parameter groups", "deploy",
    }  # fmt: skip


class Gated(nn.Module):
    """Takes gates and values, twice the channels that it gives."""

    is_gated = True
    is_pointwise = True

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__()
        self.num_channels, self.channel_dim = num_channels, channel_dim

    def forward(self, x: Tensor) -> Tensor:
        gate, value = x.chunk(2, self.channel_dim)
        assert gate.shape[self.channel_dim] == self.num_channels
        return torch.relu(gate) * value


class GatedOverflow(Gated):
    """The product of three overflows where that of two does not."""

    def forward(self, x: Tensor) -> Tensor:
        gate, value = x.chunk(2, self.channel_dim)
        return torch.relu(gate) * 3 * value / 3


def test_a_gated_one_gets_gates_and_values() -> None:
    assert failing(run_checks(Gated)) == {}
    assert failing(run_checks(lambda n: Gated(n, -1), shape=(2, 5, 4), channel_dim=-1)) == {}
    assert "at gate" in failing(run_checks(GatedOverflow, shape=SMALL))["finite"]


class Staircase(nn.Module):
    """Piecewise linear with a corner every 0.05: 40 of a hundred samples of this size have one nearby."""

    def forward(self, x: Tensor) -> Tensor:
        return (x / 0.05).floor().detach() * 0.01 + x


class Corners(nn.Module):
    """Corners every 0.02, continuous, of slopes 0.5 and 1.5."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.5 * 0.02 * (0.5 - ((x / 0.02) % 1 - 0.5).abs())


def test_samples_near_kinks_are_left_out() -> None:
    result = next(r for r in run_checks(lambda _: Corners(), shape=(2, 16, 6, 6)) if r.name == "gradcheck")
    assert result.status == "pass", result.detail
    # 4 samples of 1152 values, each within half of 2e-5 of a corner with probability 2e-5 / 0.01: most have one.
    left_out = int(result.detail.split(",")[1].split()[0])
    assert left_out > 4
    # A jump is no kink that could be left out for ever: its slope differs by more the nearer one looks.
    assert failing(run_checks(lambda _: Staircase(), shape=(2, 2, 2, 2))).get("gradcheck") is None


def test_a_declared_surrogate_needs_no_derivative() -> None:
    (surrogate,) = (broken for broken in ZOO["gradcheck"] if broken.__name__ == "UndeclaredSurrogate")

    def make(num_channels: int) -> nn.Module:
        module = surrogate(num_channels)
        module.surrogate_gradient = True  # type: ignore[assignment]
        return module

    results = run_checks(make, shape=SMALL)
    assert failing(results) == {}
    assert statuses(results)["gradcheck"] == "not applicable"


def test_a_declared_reach_is_kept_to_and_told() -> None:
    (overflowing,) = (broken for broken in ZOO["finite"] if broken.__name__ == "OverflowsBetween")

    def make(num_channels: int) -> nn.Module:
        module = overflowing(num_channels)
        module.finite_to = 4000.0  # type: ignore[assignment]  # a sixteenth of the largest float16
        return module

    finite = next(result for result in run_checks(make, shape=SMALL) if result.name == "finite")
    assert finite.status == "pass"
    assert "as declared by finite_to = 4e+03" in finite.detail


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError(f"slope of {x.shape} at {hex(id(x))}")


def test_what_a_module_raises_is_a_failure_without_addresses() -> None:
    results = run_checks(lambda _: Raises(), shape=SMALL)
    told = failing(results)
    # One cause is told once.
    assert set(told) == {"shape"}
    assert set(statuses(results).values()) == {"fail", "not applicable"}
    assert told["shape"].startswith("KeyError: 'slope of torch.Size([2, 4, 2, 2]) at 0x...")


def test_a_constructor_that_raises_is_told_once() -> None:
    def make(num_channels: int) -> nn.Module:
        raise ValueError(f"{num_channels} channels")

    results = run_checks(make, shape=SMALL)
    assert failing(results) == {"shape": "ValueError: 4 channels"}
    assert {result.detail for result in results[1:]} == {"not run, as the first check failed"}


def test_a_wrong_gradient_is_shown_where_it_is_worst() -> None:
    (broken, *_) = ZOO["gradcheck"]
    detail = failing(run_checks(broken, shape=SMALL))["gradcheck"]
    found = re.fullmatch(
        r"wrong gradient with respect to the input: (\S+) at x = (\S+), where differences give (\S+)", detail
    )
    assert found, detail
    mine, _, theirs = map(float, found.groups())
    assert abs(mine - theirs) > 1e-3


def test_results_are_the_same_every_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = run_checks(lambda _: nn.RReLU(), shape=SMALL)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert run_checks(lambda _: nn.RReLU(), shape=SMALL) == first
    assert failing(first) == {}, "random slopes are drawn alike for every call that is compared"


def test_magnitudes_cover_a_dtype_from_its_least_subnormal_to_its_largest() -> None:
    from actbench.contract.values import _magnitudes

    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        values, info = _magnitudes(dtype, 1.0, 1.25), torch.finfo(dtype)
        assert values[0] == 0
        assert values[1] == info.smallest_normal * info.eps
        assert values[-1] == info.max
        assert (values[2:] / values[1:-1]).max() <= 2
        assert torch.equal(values.to(dtype).double(), values)
        assert math.isfinite(float(values.to(dtype).max()))
