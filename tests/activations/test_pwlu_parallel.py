"""PWLU under data parallelism: two gloo processes agree on statistics and ranges, and those are the joined batch's."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from actbench.activations.create import create_activation
from actbench.activations.pwlu import PWLU

STEPS = 8
WORLD = 2
STATISTICS = ("running_mean", "running_std", "batches")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = create_activation("pwlu", 3)
        self.shared = create_activation("pwlu", 3, sharing="layer", intervals=4)
        self.scale = nn.Parameter(torch.ones(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shared(self.scale * self.act(x))
        return y


def units(net: nn.Module) -> list[PWLU]:
    return [module for module in net.modules() if isinstance(module, PWLU)]


def joined(step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(12, 3, 2, generator=generator) * torch.tensor([[1.0], [3.0], [0.1]]) + 1.0


def share(step: int, rank: int) -> Tensor:
    """Equal, uneven and empty parts of the joined batch."""
    cut = (6, 9, 12, 0)[step % 4]
    return joined(step)[:cut] if rank == 0 else joined(step)[cut:]


def train(rank: int, folder: str) -> None:
    """One process: phase one, switch, phase two; its states go to a file."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    try:
        torch.manual_seed(rank)  # ranks differ where they can
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
        states = []
        wrapped = None
        for epoch in range(3):
            changes = [unit.begin_epoch(5 * (epoch == 2)) for unit in units(net)]
            if wrapped is None or any(change is not None and change.graph_changed for change in changes):
                wrapped = DistributedDataParallel(net)
            for change in changes:
                for parameter in change.reset if change else ():
                    optimizer.state.pop(parameter, None)
            if any(change and change.reset for change in changes):
                states.append(copy.deepcopy(net.state_dict()))
            for step in range(STEPS // 2):
                optimizer.zero_grad()
                wrapped(share(step + epoch * STEPS // 2, rank)).square().sum().backward()
                optimizer.step()
            states.append(copy.deepcopy(net.state_dict()))
        torch.save(states, f"{folder}/rank{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Tensor]]]:
    """Of each rank, the states after each epoch of phase one, right after the switch, and an epoch later."""
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("this PyTorch has no gloo")
    folder: Path = tmp_path_factory.mktemp("ranks")
    mp.spawn(train, args=(str(folder),), nprocs=WORLD)  # type: ignore[attr-defined, no-untyped-call]
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(WORLD)]


def test_ranks_agree_bitwise_in_both_phases(states: list[list[dict[str, Tensor]]]) -> None:
    first, second = states
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_statistics_are_those_of_the_joined_batch(states: list[list[dict[str, Tensor]]]) -> None:
    alone = create_activation("pwlu", 3)
    assert isinstance(alone, PWLU)
    alone.double().begin_epoch(0)
    for step in range(STEPS):
        alone(joined(step).double())
    after = states[0][1]
    assert after["act.batches"] == STEPS
    for name in STATISTICS:
        torch.testing.assert_close(
            after[f"act.{name}"].double(), getattr(alone, name).double(), rtol=1e-6, atol=1e-7
        )


def test_the_switch_and_what_is_learnt_after_it(states: list[list[dict[str, Tensor]]]) -> None:
    before, switched, after = states[0][1:]
    mean, std = (before[f"act.{name}"] / (1 - 0.9**STEPS) for name in STATISTICS[:2])
    for name, expected in (("bound_left", mean - 3 * std), ("bound_right", mean + 3 * std)):
        torch.testing.assert_close(switched[f"act.{name}"], expected, rtol=1e-6, atol=1e-6)
    for name in ("heights", "bound_left", "bound_right"):  # few inputs, if any, lie in the tails
        assert not torch.equal(switched[f"act.{name}"], after[f"act.{name}"])
        assert not torch.equal(switched[f"shared.{name}"], after[f"shared.{name}"])
    for name in STATISTICS:
        assert torch.equal(before[f"act.{name}"], after[f"act.{name}"])
