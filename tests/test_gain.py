"""The variance-preserving gain against its exact values."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.errors import ActbenchError
from actbench.gain import second_moment_gain


def test_exact_values() -> None:
    assert second_moment_gain(lambda x: x) == pytest.approx(1, rel=1e-12)
    assert second_moment_gain(F.relu) == pytest.approx(2, rel=1e-12)
    # E[x^2k] = (2k - 1)!!: the tails of high powers are inside the reach.
    assert second_moment_gain(lambda x: x**3) == pytest.approx(1 / 15, rel=1e-12)
    assert second_moment_gain(lambda x: x**5) == pytest.approx(1 / 945, rel=1e-12)
    # E[exp(2x)] = exp(2)
    assert second_moment_gain(torch.exp) == pytest.approx(math.exp(-2), rel=1e-12)
    # Twice by parts, E[x^2 Phi(x)^2] = E[Phi^2] + 2 E[x Phi phi] = 1/3 + E[phi^2].
    assert second_moment_gain(F.gelu) == pytest.approx(
        1 / (1 / 3 + 1 / (2 * math.pi * math.sqrt(3))), rel=1e-12
    )
    # E[relu(x)^4] = 3/2
    assert second_moment_gain(lambda x: F.relu(x).square()) == pytest.approx(2 / 3, rel=1e-12)


def test_published_digits() -> None:
    assert second_moment_gain(create_activation("gelu", 1)) == pytest.approx(2.351716, abs=5e-7)
    assert second_moment_gain(create_activation("silu", 1)) == pytest.approx(2.810761, abs=5e-7)
    # x * gelu(x) and x * silu(x), four digits
    assert second_moment_gain(lambda x: x * F.gelu(x)) == pytest.approx(0.7152, abs=5e-5)
    assert second_moment_gain(lambda x: x * F.silu(x)) == pytest.approx(0.8402, abs=5e-5)


def test_a_kink_off_the_panels_costs_seven_digits_at_most() -> None:
    # E[relu(x - c)^2] = (1 + c^2) Phi(-c) - c phi(c)
    c = 1 / math.pi
    tail, density = math.erfc(c / math.sqrt(2)) / 2, math.exp(-c * c / 2) / math.sqrt(2 * math.pi)
    exact = (1 + c * c) * tail - c * density
    assert second_moment_gain(lambda x: F.relu(x - c)) == pytest.approx(1 / exact, rel=1e-6)


def test_channels_are_averaged_and_parameters_left_alone() -> None:
    module = create_activation("prelu", 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.0, 1.0]))  # type: ignore[operator]
    assert second_moment_gain(module, num_channels=2) == pytest.approx(1 / 0.75, rel=1e-7)
    assert all(p.grad is None for p in module.parameters())


def test_what_is_zero_or_infinite_is_told() -> None:
    def infinite(x: Tensor) -> Tensor:
        return x * math.inf

    for function in (torch.zeros_like, infinite):
        with pytest.raises(ActbenchError, match="no weights can keep the variance"):
            second_moment_gain(function)
