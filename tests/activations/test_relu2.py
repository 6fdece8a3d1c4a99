"""ReLU squared against float64, its identities, and the numbers that random initialisation leans on."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from actbench.activations.relu2 import ReLU2

HALVES = (torch.float16, torch.bfloat16)


def test_values_and_gradients_by_hand() -> None:
    x = torch.tensor([-1.0, 0.0, 0.5, 2.0, -math.inf, math.inf], requires_grad=True)
    y = ReLU2(1)(x)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert y.tolist() == [0, 0, 0.25, 4, 0, math.inf]
    assert dx.tolist() == [0, 0, 1, 4, 0, math.inf]


def test_second_derivative_is_two_where_the_input_is_positive() -> None:
    x = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    (dx,) = torch.autograd.grad(ReLU2(1)(x).sum(), x, create_graph=True)
    assert torch.autograd.grad(dx.sum(), x)[0].tolist() == [0, 2, 2]


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
def test_every_value_is_the_float64_result_rounded_once(dtype: torch.dtype) -> None:
    """Over all halves, overflow and all; for float32 over a grid of its normal numbers."""
    if dtype == torch.float32:
        x = torch.logspace(-37, 38, 4001).to(dtype)
    else:
        x = torch.arange(0x8000, dtype=torch.int32).to(torch.int16).view(dtype)
        x = x[x.isfinite()]
    x = torch.cat([x, -x]).requires_grad_()
    y = ReLU2(1)(x)
    (dx,) = torch.autograd.grad(y, x, torch.full_like(y, 0.5))
    wide = x.detach().double().relu()
    assert torch.equal(y, wide.square().to(dtype))
    # 2 * x overflows above half of the largest number, half of it does not: the exact gradient is x itself.
    assert torch.equal(dx, wide.to(dtype))


@pytest.mark.parametrize("c", [0.25, 2.0, 16.0])
def test_homogeneous_of_degree_two_and_the_product_of_relu_and_x(c: float) -> None:
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    relu2 = ReLU2(1)
    assert torch.equal(relu2(c * x), c**2 * relu2(x))  # powers of two round nothing
    assert torch.equal(relu2(x), F.relu(x) * x)


def test_mean_second_moment_and_gain_under_a_standard_normal_input() -> None:
    """Mean 1/2, second moment 3/2, so 2/3 is the gain that keeps the variance of a normal input."""
    # Gauss-Hermite is exact for polynomials; relu2 is half of x^2, relu2^2 half of x^4, by symmetry.
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    y = ReLU2(1)(torch.from_numpy(nodes)).numpy()
    density = weights / math.sqrt(2 * math.pi)
    mean, second = float(density @ y), float(density @ y**2)
    assert (mean, second) == pytest.approx((0.5, 1.5), rel=1e-12)
    assert second - mean**2 == pytest.approx(1.25, rel=1e-12)
    assert 1 / second == pytest.approx(2 / 3, rel=1e-12)
