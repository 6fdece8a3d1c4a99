"""Training with kernels and without: the losses of the first 50 steps agree within rounding.

Rounding grows as training goes on, so the bound is measured: by runs without kernels whose initial weights were moved
by one rounding each. What is new with a kernel is a line of `CASES`.
"""

import shutil
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from actbench.activations import batch_norm
from actbench.activations.create import create_activation
from actbench.activations.kernels import layout as layouts
from actbench.models.norm_act import norm_act

STEPS = 50
MOVED_RUNS = 4
FACTOR = 4
"""A kernel rounds at every step, and in several places; the moved weights did so once."""
SOONER = 5
"""Steps. A pixel that changes its side of a kink, or of a maximum, makes two runs jump apart, and which step that comes
at is a matter of rounding too: from 1e-6 to 2e-5 in step 42 of one run, in step 45 of others."""


class Case(NamedTuple):
    library: str
    activation: str
    options: dict[str, Any]
    together: bool = False
    """Batch normalisation and activation in one function."""
    functions: tuple[str, str] = ("forward", "backward")
    """Of the library, one each way."""


CASES = [
    Case("piecewise_linear", "pwlu", {"phase_epochs": 0}, functions=("pwlu", "pwlu_backward")),
    Case("batch_norm", "pwlu", {"phase_epochs": 0}, together=True),
    Case("batch_norm", "relu", {}, together=True),
    Case("batch_norm", "swish", {}, together=True),
    Case("batch_norm", "rational", {}, together=True),
    Case(
        "piecewise_linear",
        "pwlu",
        {"phase_epochs": 0, "sharing": "layer"},
        functions=("pwlu", "pwlu_backward"),
    ),
    Case("prelu", "prelu", {}),
    Case("prelu", "prelu", {"sharing": "layer"}),
    Case("depthwise", "lslu", {}),
    Case("swish", "swish", {}),
    Case("rational", "rational", {}),
    Case("rational", "gr_kan", {}),
]


class Together(nn.Module):
    """Batch normalisation and activation, as the models call them."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(16), act

    def forward(self, x: Tensor) -> Tensor:
        return norm_act(self.norm, self.act, x)


def make_network(case: Case) -> nn.Sequential:
    def act() -> nn.Module:
        made = create_activation(case.activation, 16, **case.options)
        return Together(made) if case.together else nn.Sequential(nn.BatchNorm2d(16), made)

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        act(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1, bias=False),
        act(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


def history(case: Case, memory_format: torch.memory_format, moved_by: int = 0) -> Tensor:
    """The loss of each step, in float64; with `moved_by`, of a run whose initial weights are moved by one rounding."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(case).to(memory_format=memory_format)
        images, classes = torch.randn(STEPS, 16, 3, 8, 8), torch.randint(0, 5, (STEPS, 16))
        if moved_by:
            torch.manual_seed(moved_by)
            with torch.no_grad():
                for weight in network.parameters():
                    weight.mul_(1 + torch.randint(-1, 2, weight.shape) * 2.0**-23)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for x, target in zip(images, classes, strict=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x.contiguous(memory_format=memory_format)), target)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.detach().double())
    return torch.stack(losses)


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    """All but the first two run with the slow tests: a case takes a second or two."""
    return [] if case in CASES[:2] else [pytest.mark.slow]


def _name(case: Case) -> str:
    return " ".join((case.library, case.activation, *map(str, case.options.values())))


@pytest.mark.parametrize(
    "memory_format",
    [torch.contiguous_format, pytest.param(torch.channels_last, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("case", [pytest.param(case, marks=_marks(case), id=_name(case)) for case in CASES])
def test_losses_agree_within_rounding(
    case: Case, memory_format: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        pytest.skip("no C++ compiler on this machine")
    assert layouts.is_available(case.library)
    called: set[str] = set()
    real = layouts._function

    def watched(library: str, name: str, dtype: torch.dtype) -> Any:
        found = real(library, name, dtype)
        called.update([f"{library} {name}"] if found is not None else [])
        return found

    monkeypatch.setattr(layouts, "_function", watched)
    for least in ("LEAST", "LEAST_ROW", "LEAST_LAST"):
        monkeypatch.setattr(batch_norm, least, 0)
    with_kernel = history(case, memory_format)
    assert {f"{case.library} {name}" for name in case.functions} <= called
    called.clear()
    monkeypatch.setattr(layouts, "load_library", lambda _name: None)
    plain = history(case, memory_format)
    assert not called
    moved = [history(case, memory_format, moved_by) for moved_by in range(1, 1 + MOVED_RUNS)]
    # A step's own deviation may be small by chance: what matters is how far runs have moved apart by then.
    apart = torch.stack([(run - plain).abs() for run in moved]).amax(0).cummax(0).values
    apart = torch.cat([apart[SOONER:], apart[-1:].expand(SOONER)])
    assert ((with_kernel - plain).abs() <= FACTOR * (apart + 2.0**-23)).all()
    assert plain[-1] != plain[0]
