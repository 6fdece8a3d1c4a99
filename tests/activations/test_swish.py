"""Swish in closed form, its relatives, and what its backward keeps and sums."""

import math

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.swish import Swish


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("beta", [-2.0, 0.0, 0.5, 1.0, 3.0])
def test_values_and_gradients_at_zero_and_at_log_three(beta: float) -> None:
    module = Swish(1, beta=beta).double()
    # At 0: y = 0, dy/dx = 1/2, dy/dbeta = 0. At beta*x = log 3 the gate is 3/4.
    points = [0.0] + ([math.log(3) / beta] if beta else [])
    x = torch.tensor(points, dtype=torch.float64).view(-1, 1).requires_grad_()
    y = module(x)
    (dx,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert (y[0].item(), dx[0].item()) == (0.0, 0.5)
    if beta:
        point = points[1]
        assert y[1].item() == pytest.approx(0.75 * point, rel=1e-14)
        assert dx[1].item() == pytest.approx(0.75 + math.log(3) * 3 / 16, rel=1e-14)
        (dbeta,) = torch.autograd.grad(y.sum(), module.beta)
        assert dbeta.item() == pytest.approx(point**2 * 3 / 16, rel=1e-14)


def test_beta_one_is_silu_beta_zero_is_half_x_and_a_large_beta_is_relu() -> None:
    x = draw(1000, 1)
    eps = torch.finfo(torch.float32).eps
    torch.testing.assert_close(Swish(1)(x), F.silu(x), rtol=4 * eps, atol=0)
    torch.testing.assert_close(Swish(1, beta=0.0)(x), x / 2, rtol=0, atol=0)
    # |x * sigmoid(beta*x) - relu(x)| <= max_z z * exp(-z) / beta = 1 / (e * beta)
    assert (Swish(1, beta=1e4)(x) - F.relu(x)).abs().max() <= 1 / (math.e * 1e4)


def test_gradients_equal_autograds_through_the_plain_formula() -> None:
    x = draw(4, 3, 5, 5).double().requires_grad_()
    module = Swish(3).double()
    with torch.no_grad():
        module.beta.copy_(torch.tensor([0.5, 1.0, -2.0]))
    plain = x * torch.sigmoid(module.beta.view(1, 3, 1, 1) * x)
    grad = draw(4, 3, 5, 5).double().flip(0)
    leaves = (x, module.beta)
    wanted, got = (torch.autograd.grad(y, leaves, grad) for y in (plain, module(x)))
    for w, g in zip(wanted, got, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-12, atol=1e-13)


def test_second_derivatives_are_right() -> None:
    x = draw(2, 3).double().requires_grad_()
    module = Swish(3).double()
    assert torch.autograd.gradgradcheck(lambda x, _: module(x), (x, module.beta))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_once_and_sums_beta_s_gradient_in_float32(dtype: torch.dtype) -> None:
    module = Swish(1, sharing="layer")
    x = torch.full((2**14, 1), 3.0, dtype=dtype)
    y = module(x)
    assert torch.equal(y, module(x.float()).to(dtype))
    y.backward(torch.ones_like(y))
    s = 1 / (1 + math.exp(-3))
    assert module.beta.grad is not None
    # A sum in the half type would stall near 256 (bfloat16) or 2048 (float16) terms.
    assert module.beta.grad.item() == pytest.approx(2**14 * 9 * s * (1 - s), rel=1e-5)


def test_far_out_nothing_overflows() -> None:
    x = torch.tensor([[-3e38], [3e38]], requires_grad=True)
    module = Swish(1, beta=10.0)
    y = module(x)
    y.sum().backward()
    assert y.flatten().tolist() == [0.0, pytest.approx(3e38)]
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0.0, 1.0]
    assert module.beta.grad is not None
    assert module.beta.grad.item() == 0.0


def test_sharing_and_freezing() -> None:
    assert Swish(5).beta.shape == (5,)
    assert Swish(5, sharing="layer").beta.shape == ()
    frozen = Swish(5, beta=0.5, freeze=True)
    assert not frozen.beta.requires_grad
    assert frozen.log_values()["beta"].tolist() == [0.5] * 5
