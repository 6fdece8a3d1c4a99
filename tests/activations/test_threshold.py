"""The step, its amplitude, and the four straight-through gradients."""

import math

import pytest
import torch

from actbench.activations.catalog import Surrogate
from actbench.activations.threshold import Threshold

X = [-2.0, -0.0, 0.0, 0.5, 1.0, 1.5, -1e-30]


def test_zero_counts_as_reached() -> None:
    y = Threshold(1, amplitude=3.0, sharing="layer")(torch.tensor(X))
    assert y.tolist() == [0, 3, 3, 3, 3, 3, 0]


@pytest.mark.parametrize(
    ("surrogate", "slopes"),
    [
        ("identity", [1, 1, 1, 1, 1, 1, 1]),
        ("relu", [0, 1, 1, 1, 1, 1, 0]),
        ("leaky", [0.01, 1, 1, 1, 1, 1, 0.01]),
        ("clipped", [0, 1, 1, 1, 1, 0, 0]),
    ],
)
@pytest.mark.parametrize("amplitude", [1.0, -2.0])
def test_the_surrogates_are_their_formulas(
    surrogate: Surrogate, slopes: list[float], amplitude: float
) -> None:
    module = Threshold(1, amplitude=amplitude, surrogate=surrogate, sharing="layer")
    x = torch.tensor(X, requires_grad=True)
    grad = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    module(x).backward(torch.tensor(grad))
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([amplitude * s * g for s, g in zip(slopes, grad, strict=True)])
    assert module.amplitude.grad is not None
    assert module.amplitude.grad.item() == 2 + 4 + 8 + 16 + 32  # where x >= 0, whatever the surrogate


def test_every_channel_has_its_amplitude_unless_shared() -> None:
    x = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    own, shared = Threshold(2), Threshold(2, sharing="layer")
    with torch.no_grad():
        own.amplitude.copy_(torch.tensor([2.0, 5.0]))
    assert own(x).tolist() == [[2, 0], [2, 5]]
    own(x).sum().backward()
    shared(x).sum().backward()
    assert own.amplitude.grad is not None
    assert shared.amplitude.grad is not None
    assert own.amplitude.grad.tolist() == [2, 1]
    assert shared.amplitude.grad.item() == 3


def test_bfloat16_sums_the_amplitudes_gradient_in_float32() -> None:
    module = Threshold(1, sharing="layer")
    x = torch.ones(2**14 + 1, 1, dtype=torch.bfloat16)  # a number that bfloat16 does not have
    module(x).backward(torch.ones_like(x))
    assert module.amplitude.grad is not None
    assert module.amplitude.grad.item() == 2**14 + 1


@pytest.mark.parametrize("surrogate", ["identity", "relu", "leaky", "clipped"])
def test_scale_of_the_weights_before_it_changes_no_output(surrogate: Surrogate) -> None:
    """Only the sign pattern of what comes in matters: section 2 of the paper starts from this."""
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    module = Threshold(3, surrogate=surrogate)
    assert torch.equal(module(x * 1e6), module(x))


def test_nan_and_infinities_by_hand() -> None:
    module = Threshold(1, amplitude=2.0)
    y = module(torch.tensor([[math.nan], [math.inf], [-math.inf]]))
    assert y[0].isnan()
    assert y[1:].flatten().tolist() == [2, 0]


def test_freezing() -> None:
    module = Threshold(2, freeze=True)
    x = torch.randn(4, 2, requires_grad=True)
    module(x).sum().backward()
    assert module.amplitude.grad is None
    assert x.grad is not None
