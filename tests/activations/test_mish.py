"""Mish by one exponential against tanh of the softplus."""

import math

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.mish import Mish
from tests.activations.formulas import assert_follows, slopes


def mish(x: float) -> float:
    return x * math.tanh(math.log1p(math.exp(x)) if x < 30 else x)


def test_formula() -> None:
    assert_follows(Mish(1), mish, tiny=1e-30)


def test_slopes_by_the_published_fraction() -> None:
    # e^x w / d^2 with w = 4 (x + 1) + 4 e^2x + e^3x + e^x (4 x + 6) and d = 2 e^x + e^2x + 2
    def slope(x: float) -> float:
        e = math.exp(x)
        w = 4 * (x + 1) + 4 * e**2 + e**3 + e * (4 * x + 6)
        return e * w / (2 * e + e**2 + 2) ** 2

    points = [-30.0, -5.0, -1.0, -0.1, 0.0, 0.1, 1.0, 5.0, 19.0, 20.5, 30.0]
    assert slopes(Mish(1), points) == pytest.approx([slope(x) for x in points], rel=1e-12)
    assert slopes(Mish(1), [0.0]) == [pytest.approx(0.6, rel=1e-15)]


def test_it_is_torchs_to_rounding_in_every_precision() -> None:
    x = torch.linspace(-30, 30, 6001).view(-1, 1)
    torch.testing.assert_close(Mish(1)(x), F.mish(x), rtol=1e-6, atol=1e-8)
    for dtype in (torch.bfloat16, torch.float16):
        half = x.to(dtype)
        assert torch.equal(Mish(1)(half), Mish(1)(half.float()).to(dtype))


def test_far_out_both_ways_are_finite() -> None:
    x = torch.tensor([[-3e38], [3e38]], requires_grad=True)
    y = Mish(1)(x)
    y.sum().backward()
    assert x.grad is not None
    assert y.flatten().tolist() == [0.0, pytest.approx(3e38)]
    assert x.grad.flatten().tolist() == [0.0, 1.0]
