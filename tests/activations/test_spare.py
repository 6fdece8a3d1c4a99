"""Spare scalars: the start is the activation itself, and every scalar moves the gain or the shift of its channels."""

import pytest
import torch

from actbench.activations.create import create_activation
from actbench.activations.spare import SpareScalars


def _spare(count: int, channels: int, channel_dim: int = 1) -> SpareScalars:
    return SpareScalars(create_activation("relu", channels), count, channels, channel_dim)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 21 * 3 + 2])
def test_it_starts_as_the_activation_and_counts_as_asked(count: int) -> None:
    spare, x = _spare(count, 3), torch.randn(2, 3, 5, 5)
    assert torch.equal(spare(x), x.relu())
    assert sum(p.numel() for p in spare.parameters()) == count
    assert all(p.ndim == 1 for p in spare.parameters())


@pytest.mark.parametrize("channel_dim", [1, -1])
def test_rows_take_turns_at_gain_and_shift_and_the_rest_is_for_all_channels(channel_dim: int) -> None:
    spare = _spare(11, 3, channel_dim)
    # rows 0, 1, 2 of three channels, and two scalars left
    values = [0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 0.01, 0.02, 0.03, 0.5, 7.0]
    with torch.no_grad():
        spare.scalars.copy_(torch.tensor(values))
    x = torch.randn(2, 3, 4) if channel_dim == 1 else torch.randn(2, 4, 3)
    gain = 1 + torch.tensor([0.1 + 0.01, 0.2 + 0.02, 0.3 + 0.03]) + 0.5
    shift = torch.tensor([1.0, 2.0, 3.0]) + 7.0
    shape = (3, 1) if channel_dim == 1 else (3,)
    # float32: two roundings of numbers below 8 * 4
    torch.testing.assert_close(
        spare(x), x.relu() * gain.view(shape) + shift.view(shape), rtol=1e-6, atol=4e-6
    )


def test_each_scalar_gets_the_gradient_of_what_it_adds_to() -> None:
    spare = _spare(7, 3).double()
    with torch.no_grad():
        spare.scalars.copy_(torch.linspace(-0.3, 0.3, 7, dtype=torch.float64))
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, s: torch.func.functional_call(spare, {"scalars": s}, (x,)), (x, spare.scalars)
    )
    spare(x).sum().backward()
    per_channel = x.detach().relu().sum((0, 2))
    assert spare.scalars.grad is not None
    expected = torch.cat((per_channel, torch.full((3,), 8.0, dtype=torch.float64), per_channel.sum()[None]))
    torch.testing.assert_close(spare.scalars.grad, expected)


def test_half_numbers_are_computed_in_float32() -> None:
    spare = _spare(6, 3)
    with torch.no_grad():
        spare.scalars.copy_(torch.tensor([1e-3, 1e-3, 1e-3, 0.0, 0.0, 0.0]))
    x = torch.full((1, 3, 1), 100.0, dtype=torch.bfloat16)
    wide = spare(x.float())
    assert spare(x).dtype == torch.bfloat16
    assert torch.equal(spare(x), wide.to(torch.bfloat16))
