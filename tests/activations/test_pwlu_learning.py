"""PWLU's learning method: properties P17 to P22 and P27, the two phases and what they leave behind."""

import copy
import io
import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.activations.base import PhaseChange
from actbench.activations.create import create_activation
from actbench.activations.pwlu import PWLU
from actbench.recipe.schema import ArmTrain, EMASettings, TrainSettings
from actbench.training.ema import EMA
from actbench.training.optim import forget, make_optimizer, parameter_groups
from actbench.training.phases import begin_epoch

F64 = torch.float64
NAMES = ("heights", "bound_left", "bound_right", "slope_left", "slope_right")


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make(channels: int = 3, dtype: torch.dtype = F64, **options: Any) -> PWLU:
    unit = create_activation("pwlu", channels, **options)
    assert isinstance(unit, PWLU)
    return unit.to(dtype)


def after_phase_one(batches: list[Tensor], channels: int = 3, **options: Any) -> tuple[PWLU, PhaseChange]:
    unit = make(channels, **options)
    assert unit.begin_epoch(0) is not None
    for batch in batches:
        unit(batch)
    change = unit.begin_epoch(unit.phase_epochs)
    assert change is not None
    return unit, change


def values(unit: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in unit.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_p17_phase_one_is_relu_and_parameters_rest(dtype: torch.dtype, training: bool) -> None:
    unit = make(4, torch.float32).train(training)
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.add_(torch.rand(parameter.shape))
    before = {name: value.detach().clone() for name, value in unit.named_parameters()}
    # An optimiser with everything that moves a parameter by itself.
    optimizer = torch.optim.AdamW(unit.parameters(), lr=0.1, weight_decay=0.5)
    change = unit.begin_epoch(0)
    assert change is not None
    assert (change.reset, change.graph_changed) == ((), True)
    for _ in range(3):
        x = torch.randn(8, 4, 3, 3).to(dtype).requires_grad_()
        expected = x.detach().requires_grad_()
        y = unit(x)
        y.square().sum().backward()
        expected.relu().square().sum().backward()  # type: ignore[no-untyped-call]
        assert torch.equal(y, expected.relu())
        assert x.grad is not None
        assert expected.grad is not None
        assert torch.equal(x.grad, expected.grad)
        assert all(p.grad is None and not p.requires_grad for p in unit.parameters())
        optimizer.step()
    assert same(before, {name: value.detach() for name, value in unit.named_parameters()})


@pytest.mark.parametrize("sharing", ["channel", "layer"])
def test_p18_averages_of_constant_statistics(sharing: str) -> None:
    unit = make(2, sharing=sharing)
    unit.begin_epoch(0)
    x = torch.tensor([[1.0, 1.0], [4.0, 4.0], [4.0, 4.0], [7.0, 7.0]], dtype=F64)
    mean, std = 4.0, math.sqrt(4.5)  # the deviation of the population, not its variance, not n - 1
    for k in range(1, 30):
        unit(x)
        for average, m in ((unit.running_mean, mean), (unit.running_std, std)):
            expected = torch.full_like(average, m + 0.9**k * (0 - m))
            torch.testing.assert_close(average, expected, rtol=0, atol=1e-12)
        assert unit.batches == k
        for corrected, m in zip(unit.statistics(), (mean, std), strict=True):
            torch.testing.assert_close(corrected, torch.full_like(corrected, m), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 2, 5), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize("sharing", ["channel", "layer"])
@pytest.mark.parametrize("last", [False, True])
def test_p18_sigma_averages_each_batchs_deviation(shape: tuple[int, ...], sharing: str, last: bool) -> None:
    unit = make(3, sharing=sharing)
    unit.begin_epoch(0)
    mean = std = torch.zeros(3 if sharing == "channel" else 1, dtype=F64)
    for scale in (0.1, 5.0, 1.0):  # a root of an averaged variance would be far from this
        x = scale * torch.randn(shape, dtype=F64) + scale
        rows = x.movedim(1, -1).reshape(-1, 3).T if sharing == "channel" else x.reshape(1, -1)
        centred = rows - rows.mean(1, keepdim=True)
        mean = 0.9 * mean + 0.1 * rows.mean(1)
        std = 0.9 * std + 0.1 * centred.square().mean(1).sqrt()
        unit(x.movedim(1, -1).contiguous().movedim(-1, 1) if last else x)
    torch.testing.assert_close(unit.running_mean, mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(unit.running_std, std, rtol=0, atol=1e-12)


def test_p18_half_inputs_are_averaged_in_float32_and_a_batch_of_one_counts() -> None:
    unit = make(1, torch.float32)
    unit.begin_epoch(0)
    x = (100 + torch.randn(4096, 1)).bfloat16()
    unit(x)
    mean, std = unit.statistics()
    assert mean.item() == pytest.approx(x.double().mean().item(), rel=1e-5)
    assert std.item() == pytest.approx(x.double().std(correction=0).item(), rel=1e-4)
    single = make(2)
    single.begin_epoch(0)
    single(torch.tensor([[3.0, -2.0]], dtype=F64))
    assert [value.tolist() for value in single.statistics()] == [
        [pytest.approx(3), pytest.approx(-2)],
        [0, 0],
    ]


@pytest.mark.parametrize("intervals", [2, 16])
@pytest.mark.parametrize("sharing", ["channel", "layer"])
def test_p19_the_switch_sets_the_range_to_the_input(intervals: int, sharing: str) -> None:
    batches = [
        torch.randn(50, 3, dtype=F64) * torch.tensor([1.3, 0.7, 1.0]) + torch.tensor([0.37, -1.0, 4.0])
    ]
    unit, change = after_phase_one(batches * 20, intervals=intervals, sharing=sharing)
    x = batches[0] if sharing == "channel" else batches[0].reshape(-1, 1)
    mean, std = x.mean(0), (x - x.mean(0)).square().mean(0).sqrt()
    torch.testing.assert_close(unit.bound_left.detach(), mean - 3 * std, rtol=0, atol=1e-12)
    torch.testing.assert_close(unit.bound_right.detach(), mean + 3 * std, rtol=0, atol=1e-12)
    assert torch.equal(unit.slope_left, torch.zeros_like(mean))
    assert torch.equal(unit.slope_right, torch.ones_like(mean))
    share = torch.arange(intervals + 1, dtype=F64) / intervals
    knots = unit.bound_left[:, None] + (unit.bound_right - unit.bound_left)[:, None] * share
    torch.testing.assert_close(unit.heights, knots.relu(), rtol=0, atol=1e-12)
    probe = torch.linspace(-12, 12, 2001, dtype=F64)[:, None].expand(-1, 3)
    deviation = (unit(probe) - probe.relu()).abs()
    inside = (probe >= unit.bound_left) & (probe < unit.bound_right)
    assert (deviation <= 1.5 * std / intervals + 1e-12)[inside].all()
    covered = mean.abs() <= 3 * std
    assert (deviation <= 1e-12)[~inside & covered].all()
    if sharing == "channel":
        assert covered.tolist() == [True, True, False]
        # The unit whose range excludes 0: its left tail is the constant B_L.
        far_left = probe[:, 2] < unit.bound_left[2]
        assert torch.equal(unit(probe)[far_left, 2], unit.bound_left[2].expand(int(far_left.sum())))
        assert "of 3 units 1 have 0 outside it, 0 are at the least width" in change.note
    assert "mean -+ 3 deviations, averaged over 20 batches" in change.note


@pytest.mark.parametrize("freeze", ["none", "heights", "all"])
def test_p20_the_switch_happens_in_place(freeze: str) -> None:
    unit = make(3, freeze=freeze)
    before = {name: (id(value), value.data_ptr()) for name, value in unit.named_parameters()}
    learnt = {"none": set(NAMES), "heights": set(NAMES) - {"heights"}, "all": set()}[freeze]
    trainable = [value for value in unit.parameters() if value.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1) if trainable else None
    assert {name for name, value in unit.named_parameters() if value.requires_grad} == learnt
    unit.begin_epoch(0)
    assert not any(value.requires_grad for value in unit.parameters())
    unit(torch.randn(64, 3, dtype=F64))
    change = unit.begin_epoch(5)
    assert change is not None
    assert {id(value) for value in change.reset} == {id(value) for value in unit.parameters()}
    assert {name: (id(value), value.data_ptr()) for name, value in unit.named_parameters()} == before
    assert {name for name, value in unit.named_parameters() if value.requires_grad} == learnt
    assert not any(value.grad_fn for value in unit.parameters())
    realigned = values(unit)
    assert (unit.bound_right < 4).all(), "frozen parameters move to the input too"
    if optimizer:
        unit(3 * torch.randn(64, 3, dtype=F64)).sum().backward()
        optimizer.step()
    moved = {name for name in NAMES if not torch.equal(realigned[name], getattr(unit, name))}
    assert moved == learnt


def test_p20_momentum_of_before_is_forgotten_where_the_switch_resets() -> None:
    unit = make(2)
    optimizer = torch.optim.SGD(unit.parameters(), lr=0.1, momentum=0.9)
    unit(torch.randn(32, 2, dtype=F64)).sum().backward()  # learns before it is told of phases
    optimizer.step()
    assert all(optimizer.state[value]["momentum_buffer"].any() for value in (unit.heights, unit.bound_right))
    optimizer.zero_grad()
    unit.begin_epoch(0)
    unit(torch.randn(32, 2, dtype=F64))
    change = unit.begin_epoch(5)
    assert change is not None
    forget(optimizer, change.reset)
    assert not any(value in optimizer.state for value in unit.parameters())
    before = values(unit)
    unit(torch.zeros(1, 2, dtype=F64)).sum().mul(0).backward()
    optimizer.step()
    assert same(values(unit), before), "a gradient of zero moves nothing"


def test_p21_state_round_trips_in_either_phase() -> None:
    reference = make(3, torch.float32)
    batches = [torch.randn(16, 3) + 0.5 for _ in range(6)]
    for step, batch in enumerate(batches):
        if step == 0:
            reference.begin_epoch(0)
        if step == 4:
            reference.begin_epoch(5)
        reference(batch)
        stored = io.BytesIO()
        torch.save(reference.state_dict(), stored)
        stored.seek(0)
        restored = make(3, torch.float32)
        restored.load_state_dict(torch.load(stored, weights_only=True))
        assert same(values(restored), values(reference))
        assert {n: p.requires_grad for n, p in restored.named_parameters()} == {
            n: p.requires_grad for n, p in reference.named_parameters()
        }
        for follower in (restored, copy.deepcopy(reference)):
            ahead = copy.deepcopy(reference)
            for epoch in (1, 5):  # what is left of phase one, then the switch
                assert (follower.begin_epoch(epoch) is None) == (ahead.begin_epoch(epoch) is None)
                for batch in batches:
                    assert torch.equal(follower(batch), ahead(batch))
            assert same(values(follower), values(ahead))
            assert all(p.requires_grad for p in follower.parameters())


def test_p21_copies_share_nothing() -> None:
    unit = make(2)
    unit.begin_epoch(0)
    copied = copy.deepcopy(unit)
    unit(torch.randn(8, 2, dtype=F64))
    assert (unit.batches.item(), copied.batches.item()) == (1, 0)
    unit.begin_epoch(5)
    assert copied.begin_epoch(3) is None, "still in phase one"
    assert torch.equal(copied(torch.tensor([[-1.0, 2.0]], dtype=F64)), torch.tensor([[0.0, 2.0]], dtype=F64))


def test_p22_evaluation_changes_no_statistic() -> None:
    unit = make(3)
    unit.begin_epoch(0)
    unit(torch.randn(8, 3, dtype=F64))
    before = values(unit)
    unit.eval()
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            unit(100 + torch.randn(8, 3, dtype=F64))
    assert same(values(unit), before)


def test_p22_evaluation_follows_newly_loaded_weights() -> None:
    unit, x = make(3).eval(), torch.randn(8, 3, dtype=F64)
    unit(x)
    other, _ = after_phase_one([torch.randn(64, 3, dtype=F64)])
    with torch.no_grad():
        other.heights.add_(torch.rand_like(other.heights))
    unit.load_state_dict(other.state_dict())
    assert torch.equal(unit(x), other(x))
    with torch.no_grad():
        unit.heights.mul_(2)
    assert not torch.equal(unit(x), other(x))


# ---- sequences of begin_epoch -----------------------------------------------------------------------------------


def test_epochs_in_order_change_phase_twice() -> None:
    unit = make(2, phase_epochs=3)
    changed = []
    for epoch in range(7):
        change = unit.begin_epoch(epoch)
        if change is not None:
            assert change.graph_changed
            changed.append(epoch)
        unit(torch.randn(8, 2, dtype=F64))
    assert changed == [0, 3]
    assert unit.batches == 3


@pytest.mark.parametrize(
    ("epochs", "changes", "tracking"),
    [
        ([0, 0, 1, 1], [True, False, False, False], True),  # called twice
        ([0, 9], [True, True], False),  # skipped past the switch
        ([3, 5, 5], [True, True, False], False),  # begun late, within phase one
        ([7, 8], [False, False], False),  # begun after it: learns from its start
        ([0, 5, 1], [True, True, True], True),  # trained again from the beginning
    ],
)
def test_other_sequences(epochs: list[int], changes: list[bool], tracking: bool) -> None:
    unit = make(2)
    found = []
    for epoch in epochs:
        found.append(unit.begin_epoch(epoch) is not None)
        unit(torch.randn(8, 2, dtype=F64))
    assert found == changes
    assert (unit.phase == 1) == tracking
    assert all(p.requires_grad is not tracking for p in unit.parameters())


def test_calling_twice_loses_no_statistic_and_a_new_phase_one_starts_from_none() -> None:
    unit = make(2)
    unit.begin_epoch(0)
    unit(torch.randn(8, 2, dtype=F64) + 50)
    unit.begin_epoch(0)
    assert unit.batches == 1
    unit.begin_epoch(5)
    unit.begin_epoch(0)
    assert unit.batches == 0
    unit(torch.randn(64, 2, dtype=F64))
    unit.begin_epoch(5)
    assert (unit.bound_right < 5).all()


def test_without_phases_it_learns_from_the_first_step() -> None:
    unit = make(2, phase_epochs=0, bound=1.0)
    assert [unit.begin_epoch(epoch) for epoch in range(3)] == [None] * 3
    unit(torch.randn(8, 2, dtype=F64)).square().sum().backward()
    assert unit.batches == 0
    assert all(p.grad is not None for p in unit.parameters())
    assert unit.bound_right.tolist() == [1, 1]


@pytest.mark.parametrize("way", ["realign", "begin_epoch"])
def test_realignment_without_statistics_warns_and_does_nothing(way: str) -> None:
    unit = make(2)
    if way == "begin_epoch":
        unit.begin_epoch(0)
    unit.eval()(torch.randn(4, 2, dtype=F64))
    parameters = {name: value.detach().clone() for name, value in unit.named_parameters()}
    with pytest.warns(UserWarning, match="no statistics of the input were gathered"):
        change = unit.realign() if way == "realign" else unit.begin_epoch(5)
    assert same(parameters, {name: value.detach() for name, value in unit.named_parameters()})
    if way == "realign":
        assert change is None
    else:
        assert change is not None
        assert change.reset == ()
        assert change.note == "phase two without realignment: no statistics"
    assert all(p.requires_grad for p in unit.parameters())
    unit(torch.randn(4, 2, dtype=F64)).sum().backward()


def test_empty_batches_are_no_statistics() -> None:
    unit = make(2)
    unit.begin_epoch(0)
    unit(torch.zeros(0, 2, dtype=F64))
    assert unit.batches == 0
    with pytest.warns(UserWarning, match="no statistics"):
        unit.begin_epoch(5)


def test_deployed_in_phase_one_it_is_relu_and_knows_no_epochs() -> None:
    unit = make(2)
    with torch.no_grad():
        unit.heights.add_(1)
    unit.begin_epoch(0)
    x = torch.linspace(-5, 5, 101, dtype=F64)[:, None].expand(-1, 2)
    unit(x)
    unit.eval()
    torch.testing.assert_close(unit.deploy()(x), x.relu(), rtol=0, atol=1e-14)
    assert unit.begin_epoch(0) is None
    assert unit.begin_epoch(9) is None
    torch.testing.assert_close(unit(x), x.relu(), rtol=0, atol=1e-14)


# ---- what else follows ------------------------------------------------------------------------------------------


class Small(nn.Module):
    """One site behind a layer with weights."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.act = make(3, torch.float32, **options)
        self.last = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.act(self.first(x)))
        return y


def test_an_averaged_copy_follows_every_phase() -> None:
    model = Small()
    ema = EMA(model, EMASettings(decay=0.5), total_steps=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(32, 4)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        ema.update(model)

    step()  # an average that has already moved
    for epoch, phase in ((0, 1), (1, 1), (5, 0), (6, 0)):
        for change in begin_epoch(model, epoch, optimizer, ema.model).values():
            if change.reset:
                for mine, theirs in zip(ema.model.act.parameters(), model.act.parameters(), strict=True):
                    assert torch.equal(mine, theirs)
        step()
        assert ema.model.act.phase == phase
        assert torch.equal(ema.model.act.batches, model.act.batches)
        probe = torch.randn(50, 3) * 3
        if phase == 1:
            assert torch.equal(ema.model.act(probe), probe.relu())
        assert not any(p.requires_grad for p in ema.model.parameters())
    assert not torch.equal(ema.model.act.heights, model.act.heights), "then it lags again"


@pytest.mark.parametrize("sharing", ["channel", "layer"])
@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("freeze", ["none", "heights", "all"])
def test_parameter_groups_hold_everything_once_and_decay_heights_at_most(
    decay: bool, freeze: str, sharing: str
) -> None:
    model = Small(decay=decay, freeze=freeze, sharing=sharing)
    settings = TrainSettings.model_validate({"epochs": 1, "lr": 0.1, "weight_decay": 0.05})
    groups = parameter_groups(
        model,
        {"act": model.act},
        settings,
        ArmTrain.model_validate({"lr_factor": 0.5, "weight_decay_factor": 2}),
    )
    decays: dict[str, float] = {}
    factors: dict[str, float] = {}
    for group in groups.records:
        for name in group.tensors:
            assert name not in decays
            decays[name], factors[name] = group.weight_decay, group.lr_factor
    learnt = {f"act.{name}" for name, value in model.act.named_parameters() if value.requires_grad}
    others = {"first.weight": 0.05, "first.bias": 0.0, "last.weight": 0.05, "last.bias": 0.0}
    assert decays == {**others, **{name: 0.1 if decay and name == "act.heights" else 0.0 for name in learnt}}
    assert {name for name, factor in factors.items() if factor == 0.5} == learnt
    held = [id(p) for group in groups.groups for p in group["params"]]  # type: ignore[attr-defined]
    assert len(held) == len(set(held)) == sum(p.requires_grad for p in model.parameters())
    make_optimizer(groups.groups, settings)


def test_logged_values_tell_the_shape() -> None:
    unit = make(2, intervals=4)
    assert set(unit.log_values()) == {
        "bound_left", "bound_right", "slope_left", "slope_right", "bend", "units_v_shaped", "units_at_least_width",
    }  # fmt: skip
    assert unit.log_values()["bend"].tolist() == [pytest.approx(1 / 3)] * 2, (
        "slopes 0, 0, 1, 1: one step of three"
    )
    unit.begin_epoch(0)
    assert unit.log_values() == {}
    unit(torch.tensor([[1.0, -1.0], [3.0, -3.0]], dtype=F64))
    logged = unit.log_values()
    assert set(logged) == {"input_mean", "input_std"}
    torch.testing.assert_close(logged["input_mean"], torch.tensor([2.0, -2.0], dtype=F64))
    torch.testing.assert_close(logged["input_std"], torch.tensor([1.0, 1.0], dtype=F64))
    unit.begin_epoch(5)
    with torch.no_grad():
        unit.slope_left[0] = -0.5
        unit.bound_right[1] = unit.bound_left[1]
    logged = unit.log_values()
    assert (logged["units_v_shaped"].item(), logged["units_at_least_width"].item()) == (1, 1)
    assert unit.deploy().log_values() == {}


def recover(left: float, right: float, *, realign: bool) -> float:
    """The mean square error after fitting a hidden function on [-2, 2] from a start on [left, right]."""
    x = torch.linspace(-2.5, 2.5, 301, dtype=F64)[:, None]
    hidden = make(1, intervals=4)
    unit = make(1, intervals=4)
    with torch.no_grad():
        for value, number in ((hidden.bound_left, -2), (hidden.bound_right, 2)):
            value.fill_(number)
        hidden.heights.copy_(torch.tensor([[1.0, -0.5, 0.3, 0.2, 1.4]]))
        hidden.slope_left.fill_(-0.7)
        hidden.slope_right.fill_(0.4)
        unit._start_as_relu(torch.tensor([left], dtype=F64), torch.tensor([right], dtype=F64))
        target = hidden(x)
    if realign:
        unit.begin_epoch(0)
        unit(x * (2 / 3) / x.std(correction=0))  # three deviations of this input reach to 2
        unit.begin_epoch(5)
    optimizer = torch.optim.LBFGS(
        unit.parameters(),
        max_iter=400,
        tolerance_grad=1e-12,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss: Tensor = (unit(x) - target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return closure()


def test_p27_a_hidden_function_is_recovered_only_from_an_aligned_start() -> None:
    assert recover(-2.0, 2.0, realign=False) < 1e-8
    misaligned = recover(4.0, 8.0, realign=False)  # all inputs lie to the left: only one line is ever learnt
    assert misaligned > 1e-2
    assert recover(4.0, 8.0, realign=True) < 1e-8


def test_every_option_makes_a_unit_that_can_learn() -> None:
    for sharing, intervals in itertools.product(("channel", "layer"), (2, 16, 64)):
        unit = make(3, torch.float32, sharing=sharing, intervals=intervals)
        units = 3 if sharing == "channel" else 1
        assert sum(p.numel() for p in unit.parameters()) == units * (intervals + 5)


def test_a_unit_that_met_an_infinite_input_keeps_its_range_and_the_note_says_so() -> None:
    unit = PWLU(2, phase_epochs=1)
    unit.begin_epoch(0)
    x = torch.randn(64, 2)
    x[3, 0] = -math.inf
    assert unit(x).isfinite().all()
    change = unit.begin_epoch(1)
    assert change is not None
    assert "1 met infinite inputs and keep their range" in change.note
    assert (unit.bound_left[0].item(), unit.bound_right[0].item()) == (-3.0, 3.0)
    assert unit.bound_right[1] < 5
    assert all(value.isfinite().all() for value in unit.parameters())


@pytest.mark.parametrize("name", ["pwlu", "swish"])
def test_gradients_do_not_hang_on_the_default_dtype(name: str) -> None:
    unit, x = create_activation(name, 3), torch.randn(50, 3)
    unit(x).square().sum().backward()
    expected = [p.grad.clone() for p in unit.parameters() if p.grad is not None]
    unit.zero_grad()
    torch.set_default_dtype(torch.float64)
    try:
        unit(x).square().sum().backward()
    finally:
        torch.set_default_dtype(torch.float32)
    found = [p.grad for p in unit.parameters() if p.grad is not None]
    assert len(found) == len(expected) > 0
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
