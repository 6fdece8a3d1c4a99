"""Activations around others: declarations pass through, and the deploy form computes the same."""

from typing import Any

import pytest
import torch

from actbench.activations.base import Activation
from actbench.activations.create import create_activation
from actbench.activations.fixed_gain import FixedGain
from actbench.activations.spare import SpareScalars
from actbench.activations.wrapped import Wrapped


def _wrapped(kind: str, name: str) -> Wrapped:
    inner = create_activation(name, 3)
    if kind == "gain":
        gain = FixedGain(inner, 3)
        gain.gain.fill_(1.5)
        return gain
    return SpareScalars(inner, 4, 3)


@pytest.mark.parametrize("kind", ["gain", "spare"])
@pytest.mark.parametrize("name", ["relu", "swish", "pwlu", "series", "rational"])
def test_declarations_are_the_inner_ones(kind: str, name: str) -> None:
    wrapped = _wrapped(kind, name)
    inner = wrapped.inner
    assert isinstance(inner, Activation)
    assert wrapped.is_pointwise == inner.is_pointwise
    assert wrapped.spatial_dims == inner.spatial_dims
    assert wrapped.backend == inner.backend
    assert wrapped.operations_per_element > inner.operations_per_element
    declared = {id(p) for group in wrapped.param_groups() for p in group["params"]}
    own: list[dict[str, Any]] = getattr(inner, "param_groups", list)()
    assert declared == {id(p) for group in own for p in group["params"]}
    assert inner.log_values().keys() <= wrapped.log_values().keys()
    x = torch.randn(2, 3, 5, 5)
    wrapped.eval()
    with torch.no_grad():
        before = wrapped(x)
        torch.testing.assert_close(wrapped.deploy()(x), before, rtol=1e-5, atol=1e-5)


def test_a_fixed_gain_multiplies_and_never_learns() -> None:
    gain = _wrapped("gain", "relu")
    x = torch.randn(2, 3, 4, requires_grad=True)
    y = gain(x)
    assert torch.equal(y, 1.5 * x.relu())
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, 1.5 * (x > 0))
    assert list(gain.parameters()) == []
    half = torch.full((1, 3, 1), 3.0, dtype=torch.bfloat16)
    assert gain(half).dtype == torch.bfloat16
