"""Blocks change nothing but the order of sums, keep layouts, and only the input is kept."""

import pytest
import torch
from torch import Tensor

from actbench.activations import pointwise_function as module
from actbench.activations.pointwise_function import pointwise_function


def _value(x: Tensor, p: Tensor, factor: float) -> Tensor:
    return factor * p * x * x


def _partials(x: Tensor, p: Tensor, factor: float) -> tuple[Tensor, tuple[Tensor]]:
    return 2 * factor * p * x, (factor * x * x,)


square = pointwise_function(_value, _partials)


def outcome(x: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, p = x.detach().requires_grad_(), p.detach().requires_grad_()
    y = square(x, p, constants=(3.0,))
    dx, dp = torch.autograd.grad(y, (x, p), torch.ones_like(y))
    return y.detach(), dx, dp


# Small whole numbers, so that every sum is exact in any order.
def numbers(*shape: int) -> Tensor:
    return torch.randint(-8, 9, shape, generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("shape", [(7, 3, 5, 5), (1, 3, 40), (9, 3), (150,)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_blocks_change_no_value(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], per_channel: bool
) -> None:
    x = numbers(*shape)
    channels = [-1 if i == 1 else 1 for i in range(len(shape))] if len(shape) > 1 else [-1]
    p = (
        torch.arange(1.0, (shape[1] if len(shape) > 1 else shape[0]) + 1).view(channels)
        if per_channel
        else torch.tensor(2.0)
    )
    whole = outcome(x, p)
    monkeypatch.setattr(module, "_BLOCK", 32)
    for got, wanted in zip(outcome(x, p), whole, strict=True):
        assert torch.equal(got, wanted)
    assert torch.equal(whole[0], 3 * p * x * x)


def test_blocks_are_cut_where_they_can_be() -> None:
    x = torch.zeros(2**9, 2**9)
    assert len(list(module._blocks((torch.zeros(()),), x, x))) == 4
    assert len(list(module._blocks((torch.zeros(1, 2**9),), x, x))) == 4
    # A parameter along the first dimension can't be cut with it.
    assert len(list(module._blocks((torch.zeros(2**9, 1),), x, x))) == 1
    assert len(list(module._blocks((), torch.zeros(2**16)))) == 1


def test_channels_last_and_strides_are_kept() -> None:
    x = numbers(64, 16, 9, 9).contiguous(memory_format=torch.channels_last)
    y, dx, _ = outcome(x, torch.tensor(2.0))
    assert x.numel() > module._BLOCK
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert dx.is_contiguous(memory_format=torch.channels_last)


def test_a_parameters_gradient_is_summed_in_float32_for_half_input() -> None:
    x = torch.ones(2**12, dtype=torch.bfloat16)
    p = torch.tensor(1.0, requires_grad=True)
    (dp,) = torch.autograd.grad(square(x, p, constants=(1.0,)), p, torch.ones_like(x))
    assert dp.item() == 2**12  # bfloat16 would stall at 256


def test_second_derivatives_go_through_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 4)
    x = numbers(4, 3).double().requires_grad_()
    p = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x, p: square(x, p, constants=(3.0,)), (x, p))
