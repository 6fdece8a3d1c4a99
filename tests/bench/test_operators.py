"""Operators by themselves: the very one that the module calls, with its backward, and the bytes that are counted."""

from collections.abc import Callable

import pytest
import torch

from actbench.bench import operators
from actbench.bench.activations import Inputs, Setting, prepare
from actbench.bench.operators import TENSORS, measure_operators
from actbench.bench.timing import Clock
from actbench.errors import ActbenchError

SETTING = Setting(shape=(4, 16, 6, 6))
NAMES = ("pwlu", "rational", "gr_kan")


@pytest.mark.parametrize("name", ["relu", "silu", *NAMES])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_an_operator_is_the_modules_function_and_its_gradient(name: str, layout: str) -> None:
    made = prepare(name, {}, Inputs(Setting(shape=(4, 16, 6, 6), layout=layout)))  # type: ignore[arg-type]
    operator = operators._operator(made)
    y = operator.forward(made.x.detach())
    assert isinstance(y, torch.Tensor)
    assert not y.requires_grad
    assert torch.equal(y, made.infer())
    found = operator.backward(made.grad, made.x.detach())
    dx = found if isinstance(found, torch.Tensor) else found[0]  # type: ignore[index]
    made.both()
    assert made.x.grad is not None
    assert torch.equal(dx, made.x.grad)


def test_an_activation_without_a_kernel_has_no_operator() -> None:
    with pytest.raises(ActbenchError, match="gelu is computed by reference here"):
        measure_operators(["gelu"], SETTING, rounds=2)


def test_a_copy_reads_and_writes_as_many_bytes_as_have_to_be_moved() -> None:
    x = torch.randn(4, 16, 6, 6)
    copies = operators._copies(x)
    for way, tensors in {"forward": 2, "backward": 3, "module": 5}.items():
        target = copies["copy", way].call()
        assert isinstance(target, torch.Tensor)
        assert 2 * target.nbytes == tensors * x.nbytes


def test_shares_are_of_a_copy_of_as_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(call: Callable[[], object]) -> float:
        call()
        return 2.0

    monkeypatch.setattr(operators, "clock_for", lambda *_args, **_kwargs: Clock("seconds", seconds))
    rows = measure_operators(NAMES, SETTING, rounds=2)
    assert [(row.activation, row.way) for row in rows] == [
        (name, way) for name in ("copy", "relu", "silu", *NAMES) for way in TENSORS
    ]
    nbytes = 4 * 16 * 6 * 6 * 4
    for row in rows:
        assert row.bytes_per_s == {"forward": 2, "backward": 3, "module": 5}[row.way] * nbytes / 2
        assert row.of_copy == row.over_silu == row.over_relu == (1.0, 1.0, 1.0)
