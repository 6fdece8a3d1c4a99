"""The backend that an activation names is the code that computes it: seen by the operators that are called."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from actbench.activations.base import backend_of
from actbench.activations.catalog import ENTRIES
from actbench.activations.create import create_activation
from actbench.activations.plugins import load_plugin
from actbench.contract.subject import Subject

SHAPE = (2, 16, 16, 16)
WRAPPING = '''
from torch import nn
from actbench.activations.swish import Swish

class Wrapping(nn.Module):
    """A kernel of actbench inside plain PyTorch."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.inner = Swish(num_channels)

    def forward(self, x):
        return self.inner(x) + 1

class Own(nn.Module):
    """Plain PyTorch."""

    def forward(self, x):
        return x.relu()
'''


class _Ours(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator of actbench's own."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if func.namespace == "actbench":
            self.names.add(str(func))
        return func(*args, **(kwargs or {}))


def _operators(module: nn.Module, *, is_gated: bool = False) -> set[str]:
    """Those of actbench's own that forward and backward call."""
    batch, channels, *places = SHAPE
    x = torch.randn(batch, 2 * channels if is_gated else channels, *places).requires_grad_()
    ours = _Ours()
    with ours:
        module(x).sum().backward()
    names: set[str] = ours.names
    return names


def _told(name: str, **options: Any) -> tuple[str, set[str]]:
    module = Subject(make=lambda channels: create_activation(name, channels, **options), shape=SHAPE).learnt(
        training=True
    )
    return backend_of(module), _operators(module, is_gated=ENTRIES[name].gated)


@pytest.mark.parametrize("name", list(ENTRIES))
def test_a_compiled_kernel_is_named_where_one_is_called_and_nowhere_else(name: str) -> None:
    backend, operators = _told(name)
    assert ("cpp" in backend) == bool(operators), (backend, operators)


@pytest.mark.parametrize("base", ["relu", "silu", "swish"])
def test_a_part_tells_of_its_kernel(base: str) -> None:
    backend, operators = _told("series", base=base)
    assert ("cpp" in backend) == bool(operators), (backend, operators)
    if base == "swish":
        assert backend in ("cpp", "reference + cpp")


@pytest.mark.usefixtures("catalogue")
def test_a_users_own_code_is_plain_and_what_it_wraps_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(WRAPPING)
    load_plugin(path)
    assert _told("Wrapping")[0] == "reference + cpp"
    assert _told("Own") == ("reference", set())


def test_a_bare_module_is_plain() -> None:
    assert backend_of(nn.ReLU()) == "reference"
    assert backend_of(nn.Sequential(nn.ReLU(), create_activation("swish", 4))) == "reference + cpp"
