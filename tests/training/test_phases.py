"""Phases of activations in anyone's loop."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import actbench
from actbench.activations.base import PhaseChange
from actbench.activations.pwlu import PWLU


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), PWLU(4, phase_epochs=1), nn.Linear(4, 2))


def test_a_loop_of_ones_own_drives_the_phases() -> None:
    torch.manual_seed(0)
    net = _net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    notes = []
    for epoch in range(3):
        changes = actbench.begin_epoch(net, epoch, optimizer)
        notes.append({name: (change.graph_changed, len(change.reset)) for name, change in changes.items()})
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.randn(8, 3)).square().sum().backward()
            optimizer.step()
        unit = net[1]
        assert isinstance(unit, PWLU)
        assert (unit.heights.grad is None) == (epoch == 0)
    assert notes == [{"1": (True, 0)}, {"1": (True, 5)}, {}]


def test_momentum_from_before_the_switch_is_forgotten() -> None:
    net = _net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(8, 3)).sum().backward()
    optimizer.step()  # learns before any phase
    unit = net[1]
    assert isinstance(unit, PWLU)
    assert optimizer.state[unit.heights]
    actbench.begin_epoch(net, 0, optimizer)
    net(torch.randn(8, 3))
    actbench.begin_epoch(net, 1, optimizer)
    assert not optimizer.state.get(unit.heights)
    assert optimizer.state[next(net.parameters())]  # the others keep theirs


def test_wrapped_models_are_looked_into() -> None:
    compiled: nn.Module = torch.compile(_net(), backend="eager")  # type: ignore[assignment]
    assert list(actbench.begin_epoch(compiled, 0)) == ["1"]
    assert list(actbench.begin_epoch(nn.DataParallel(_net()), 0)) == ["1"]


def test_modules_without_phases_and_methods_of_that_name_do_no_harm() -> None:
    class Counter(nn.Module):
        def begin_epoch(self, epoch: int) -> int:
            return epoch

    assert actbench.begin_epoch(nn.Sequential(nn.ReLU(), Counter()), 0) == {}


class _Moves(nn.Linear):
    """Sets its weight at the second epoch and leaves its bias alone."""

    def begin_epoch(self, epoch: int) -> PhaseChange | None:
        if epoch != 1:
            return None
        nn.init.constant_(self.weight, 7.0)
        return PhaseChange((self.get_parameter("weight"),), "moved")


def test_an_average_takes_over_what_a_phase_has_set_and_nothing_else() -> None:
    model, average = nn.Sequential(_Moves(2, 2)), nn.Sequential(_Moves(2, 2))
    before = average.state_dict()["0.bias"].clone()
    assert not torch.equal(before, model.state_dict()["0.bias"])
    assert list(actbench.begin_epoch(model, 1, average=average)) == ["0"]
    assert torch.equal(average.state_dict()["0.weight"], torch.full((2, 2), 7.0))
    assert torch.equal(average.state_dict()["0.bias"], before)


def test_torchs_averaged_model_follows_pwlu_into_phase_two() -> None:
    net = _net()
    actbench.begin_epoch(net, 0)
    average = AveragedModel(net, use_buffers=True)  # made in phase one
    net(torch.randn(64, 3))
    actbench.begin_epoch(net, 1, average=average)
    with torch.no_grad():
        for unit in (net.get_submodule("1"), average.module.get_submodule("1")):
            unit.get_parameter("slope_left").fill_(-1.0)
    x = torch.randn(64, 3) * 10
    assert torch.allclose(average(x), net(x), atol=1e-5)
    assert not torch.allclose(net[1](net[0](x)), net[0](x).relu())
