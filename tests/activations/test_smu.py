"""SMU against its formula in double precision, its limits and its gradient."""

import math

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.smu import SMU
from tests.activations.formulas import assert_follows, slopes, values


@pytest.mark.parametrize(("alpha", "mu"), [(0.01, 2.5), (0.25, 1.0), (0.0, 0.5)])
def test_formula(alpha: float, mu: float) -> None:
    def smu(x: float) -> float:
        return ((1 + alpha) * x + (1 - alpha) * x * math.erf(mu * (1 - alpha) * x)) / 2

    # Below zero 1 + erf cancels: a rounding of 1 is left, times x at most 1e4 where erf is not yet -1, near |x| = 10.
    for dtype, eps in ((torch.float64, 2**-52), (torch.float32, 2**-23)):
        x = torch.linspace(-10, 10, 401, dtype=dtype).view(-1, 1)
        wanted = torch.tensor([smu(v) for v in x.flatten().tolist()], dtype=torch.float64)
        got = SMU(1, alpha=alpha, mu=mu).to(dtype)(x).flatten().double()
        torch.testing.assert_close(got, wanted, rtol=8 * eps, atol=10 * 2 * eps)
    if alpha:
        assert_follows(SMU(1, alpha=alpha, mu=mu), smu, tiny=4e-6)


def test_gelu_leaky_relu_and_the_slope_at_zero() -> None:
    x = torch.linspace(-6, 6, 121, dtype=torch.float64).view(-1, 1)
    # alpha = 0 and mu = 1 / sqrt(2) is GELU.
    gelu = SMU(1, alpha=0.0, mu=1 / math.sqrt(2)).double()
    torch.testing.assert_close(gelu(x), F.gelu(x), rtol=1e-6, atol=1e-7)
    leaky = SMU(1, alpha=0.25, mu=1e6).double()
    torch.testing.assert_close(leaky(x), F.leaky_relu(x, 0.25), rtol=1e-12, atol=1e-6)
    assert values(SMU(1), [0.0]) == [0.0]
    assert slopes(SMU(1, alpha=0.25), [0.0]) == [pytest.approx(0.625, rel=1e-14)]


def test_gradients_equal_autograds_through_the_plain_formula() -> None:
    x = torch.linspace(-3, 3, 31, dtype=torch.float64).view(-1, 1).requires_grad_()
    module = SMU(1, alpha=0.25, mu=0.9).double()
    plain = (1.25 * x + 0.75 * x * torch.erf(module.mu * 0.75 * x)) / 2
    wanted, got = (torch.autograd.grad(y.cos().sum(), (x, module.mu)) for y in (plain, module(x)))
    for w, g in zip(wanted, got, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-12, atol=1e-13)
