"""ACON-C against its formula in double precision, its relatives, and its gradients."""

import math

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.acon import ACONC
from tests.activations.formulas import assert_follows, slopes, values


def acon_c(x: float, p1: float, p2: float, beta: float) -> float:
    z = beta * (p1 - p2) * x
    gate = 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
    return (p1 - p2) * x * gate + p2 * x


@pytest.mark.parametrize(
    ("p1", "p2", "beta"), [(1.0, 0.0, 1.0), (1.0, 0.25, 2.0), (0.5, -0.5, 0.5), (0.25, 1.0, -1.0)]
)
def test_formula(p1: float, p2: float, beta: float) -> None:
    # tiny: at p2 = 0 and x far below zero the gate underflows earlier in float32.
    assert_follows(ACONC(1, p1=p1, p2=p2, beta=beta), lambda x: acon_c(x, p1, p2, beta), tiny=1e-30)


def test_at_zero_and_where_the_gate_is_three_quarters() -> None:
    module = ACONC(1, p1=2.0, p2=0.5, beta=0.8)
    at = math.log(3) / (0.8 * 1.5)
    assert values(module, [0.0, at]) == pytest.approx([0.0, (1.5 * 0.75 + 0.5) * at], rel=1e-6)
    # p2 + d / 2 at 0, the mean of both slopes; there p2 + d * s + beta * d^2 * x * s * (1 - s)
    assert slopes(module, [0.0, at]) == pytest.approx(
        [1.25, 0.5 + 1.5 * 0.75 + 1.5 * math.log(3) * 3 / 16], rel=1e-6
    )


def test_relatives() -> None:
    x = torch.linspace(-8, 8, 161, dtype=torch.float64).view(-1, 1)
    torch.testing.assert_close(ACONC(1).double()(x), F.silu(x), rtol=1e-14, atol=0)
    leaky = ACONC(1, p2=0.25, beta=1e5).double()
    torch.testing.assert_close(leaky(x), F.leaky_relu(x, 0.25), rtol=0, atol=1e-5)
    # It is a smooth maximum of p1 * x and p2 * x, which of them is called first does not matter.
    torch.testing.assert_close(
        ACONC(1, p1=0.3, p2=1.2).double()(x), ACONC(1, p1=1.2, p2=0.3).double()(x), rtol=1e-12, atol=1e-14
    )
    assert torch.equal(ACONC(1, p1=0.5, p2=0.5)(x.float()), 0.5 * x.float())


def test_gradients_equal_autograds_through_the_plain_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64).requires_grad_()
    module = ACONC(3).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(3, generator=generator))
    p1, p2, beta = (parameter.view(1, 3, 1) for parameter in (module.p1, module.p2, module.beta))
    plain = (p1 - p2) * x * torch.sigmoid(beta * (p1 - p2) * x) + p2 * x
    leaves = (x, *module.parameters())
    wanted, got = (torch.autograd.grad(y.sin().sum(), leaves) for y in (plain, module(x)))
    for w, g in zip(wanted, got, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-11, atol=1e-12)
