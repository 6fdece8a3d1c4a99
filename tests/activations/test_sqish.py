"""Sqish against its formula in double precision, its known values and its relatives."""

import math

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.acon import ACONC
from actbench.activations.sqish import Sqish
from tests.activations.formulas import assert_follows, slopes, values


def sqish(x: float, a: float, beta: float, gamma: float, p: float) -> float:
    """a x + (1 - a) x (1 + beta exp(-2 gamma (1 - a) x))^-p, by logarithms far below zero."""
    u = math.log(beta) - 2 * gamma * (1 - a) * x
    softplus = u + math.log1p(math.exp(-u)) if u > 0 else math.log1p(math.exp(u))
    return a * x + (1 - a) * x * math.exp(-p * softplus)


@pytest.mark.parametrize(("form", "p"), [("sqrt", 0.5), ("sigmoid", 1.0)])
@pytest.mark.parametrize(
    ("a", "beta", "gamma"), [(0.0, 1.0, 1.0), (0.25, 1.0, 1.0), (0.25, 2.0, 0.5), (0.5, 0.5, 3.0)]
)
def test_formula(form: str, p: float, a: float, beta: float, gamma: float) -> None:
    module = Sqish(1, form=form, a=a, beta=beta, gamma=gamma).double()  # type: ignore[arg-type]
    _, stored_beta, stored_gamma = (value.item() for value in module.values())
    # Their inverse softplus is stored in float32.
    assert [stored_beta, stored_gamma] == pytest.approx([beta, gamma], rel=4e-7)
    points = torch.linspace(-30, 30, 601, dtype=torch.float64).tolist()
    wanted = [sqish(x, a, stored_beta, stored_gamma, p) for x in points]
    # Where the gate's exponent is large, its own rounding counts: 64 units of float64 at most.
    assert values(module, points) == pytest.approx(wanted, rel=64 * 2**-52, abs=1e-25)


# x -> f(x) at a = 0; a = 1/4; and a = 1/4, gamma = 50; beta = 1 and gamma = 1 where not said.
ROOT = {
    -5: (-0.033688970, -1.338167168, -1.25),
    -3: (-0.149176434, -0.985841890, -0.75),
    -2: (-0.268225353, -0.826662233, -0.5),
    -1: (-0.345257762, -0.570334758, -0.25),
    -0.5: (-0.259297812, -0.337404085, -0.125000003),
    0.5: (0.427509818, 0.434046120, 0.5),
    1: (0.938507900, 0.928148688, 1.0),
    2: (1.981932178, 1.963998561, 2.0),
    3: (2.996288770, 2.987605551, 3.0),
}


@pytest.mark.parametrize(("column", "a", "gamma"), [(0, 0.0, 1.0), (1, 0.25, 1.0), (2, 0.25, 50.0)])
def test_known_values(column: int, a: float, gamma: float) -> None:
    known = [row[column] for row in ROOT.values()]
    # beta and gamma are stored in float32, half a unit in the last place away.
    assert values(Sqish(1, a=a, gamma=gamma), list(ROOT)) == pytest.approx(known, rel=2e-6)


def test_known_values_without_the_root() -> None:
    known = {-2: -0.571138810, -1: -0.386819143, 1: 0.863180857, 2: 1.928861190}
    module = Sqish(1, form="sigmoid", a=0.25)
    assert values(module, list(known)) == pytest.approx(list(known.values()), rel=1e-6)


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("a", [0.0, 0.25])
def test_the_slope_at_zero_tells_the_candidates_apart(a: float, beta: float) -> None:
    assert values(Sqish(1, a=a, beta=beta), [0.0]) == [0.0]
    (root,) = slopes(Sqish(1, a=a, beta=beta), [0.0])
    (whole,) = slopes(Sqish(1, form="sigmoid", a=a, beta=beta), [0.0])
    assert root == pytest.approx(a + (1 - a) / math.sqrt(1 + beta), rel=1e-6)
    assert whole == pytest.approx(a + (1 - a) / (1 + beta), rel=1e-6)


def test_minima() -> None:
    for a, at, low in ((0.0, -1.108860, -0.347429877), (0.01, -1.15052, -0.358781378)):
        assert values(Sqish(1, a=a), [at]) == [pytest.approx(low, abs=1e-7)]
        assert slopes(Sqish(1, a=a), [at]) == [pytest.approx(0, abs=1e-5)]


def test_it_is_non_monotonic_only_for_a_small_slope() -> None:
    # The steepest fall of x / sqrt(1 + exp(-2x)) is -0.12993, so a / (1 - a) must stay below it: a < 0.11499.
    points = torch.linspace(-6, 6, 12_001).tolist()
    for a, falls in ((0.05, True), (0.114, True), (0.116, False), (0.25, False)):
        assert (min(slopes(Sqish(1, a=a), points)) < 0) == falls


def test_relatives() -> None:
    x = torch.linspace(-8, 8, 161, dtype=torch.float64).view(-1, 1)
    silu = Sqish(1, form="sigmoid", a=0.0, gamma=0.5).double()
    torch.testing.assert_close(silu(x), F.silu(x), rtol=1e-6, atol=1e-9)
    acon = ACONC(1, p1=1.0, p2=0.25, beta=2.0).double()
    torch.testing.assert_close(Sqish(1, form="sigmoid", a=0.25).double()(x), acon(x), rtol=1e-6, atol=1e-9)
    leaky = Sqish(1, a=0.25, gamma=1e4).double()
    torch.testing.assert_close(leaky(x), F.leaky_relu(x, 0.25), rtol=0, atol=1e-4)
    for form in ("sqrt", "sigmoid"):
        assert torch.equal(Sqish(1, form=form, a=1.0, beta=3.0).double()(x), x)
        nothing = Sqish(1, form=form, a=0.25, beta=1e-30).double()
        inside = x[x.abs() < 5]
        torch.testing.assert_close(nothing(inside.view(-1, 1)).flatten(), inside, rtol=1e-12, atol=0)


def test_gradients_of_every_argument_away_from_beta_one() -> None:
    x = torch.linspace(-4, 4, 17, dtype=torch.float64).view(-1, 1)
    for form, p in (("sqrt", 0.5), ("sigmoid", 1.0)):
        module = Sqish(1, form=form, a=0.25, beta=2.0, gamma=0.7).double()  # type: ignore[arg-type]
        a, beta, gamma = (value.detach().requires_grad_() for value in module.values())
        plain = a * x + (1 - a) * x * (1 + beta * torch.exp(-2 * gamma * (1 - a) * x)) ** -p
        wanted = torch.autograd.grad(plain.sum(), (a, beta, gamma))
        values_ = module.values()
        got = torch.autograd.grad(module(x).sum(), values_[:1], retain_graph=True)
        torch.testing.assert_close(got[0], wanted[0], rtol=1e-10, atol=1e-12)
        # d beta / d rho of softplus is sigmoid(rho) = 1 - exp(-beta)
        raw = torch.autograd.grad(module(x).sum(), (module.raw_beta, module.raw_gamma))
        for mine, want, value in zip(raw, wanted[1:], (beta, gamma), strict=True):
            torch.testing.assert_close(mine, want * -torch.expm1(-value), rtol=1e-10, atol=1e-12)


def test_far_out_nothing_overflows() -> None:
    x = torch.tensor([[-3e38], [-1e3], [1e3], [3e38]], requires_grad=True)
    y = Sqish(1, gamma=5.0)(x)
    y.sum().backward()
    assert x.grad is not None
    assert y.flatten().tolist() == pytest.approx([-1.5e37, -50, 1e3, 3e38], rel=1e-6)
    assert x.grad.flatten().tolist() == pytest.approx([0.05, 0.05, 1, 1], rel=1e-6)


def test_the_grid_in_both_precisions() -> None:
    assert_follows(Sqish(1, a=0.0), lambda x: sqish(x, 0.0, 1.0, 1.0, 0.5), tiny=2e-6)
