"""The linear combination against its formula, its relatives, and what its divisor makes of its gradients."""

import math

import pytest
import torch
from torch import Tensor

from actbench.activations.linear_combination import LinearCombination
from tests.activations.formulas import assert_follows


def parts(x: float) -> tuple[float, float, float, float]:
    sigmoid = 1 / (1 + math.exp(-x)) if x > -700 else 0.0
    return max(x, 0.0), sigmoid, math.tanh(x), x


def weighted(weights: list[float], normalise: str = "sum") -> LinearCombination:
    module = LinearCombination(1, normalise=normalise)  # type: ignore[arg-type]
    with torch.no_grad():
        module.weight.copy_(torch.tensor(weights))
    return module


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0, 1.0], [2.0, -0.5, 1.0, 0.5], [-1.0, -2.0, -1.5, -0.5]])
def test_formula(weights: list[float]) -> None:
    def combination(x: float) -> float:
        return sum(w * part for w, part in zip(weights, parts(x), strict=True)) / sum(weights)

    # Sigmoid and tanh cancel near -1 and 0: a rounding of 1 times the largest share, 2/3, is left.
    assert_follows(weighted(weights), combination, tiny=2e-7)


@pytest.mark.parametrize("which", range(4))
def test_one_hot_weights_are_a_base_function(which: int) -> None:
    module = weighted([float(i == which) for i in range(4)])
    x = torch.linspace(-4, 4, 33, dtype=torch.float64).view(-1, 1)
    base = [x.relu(), x.sigmoid(), x.tanh(), x][which]
    torch.testing.assert_close(module.double()(x), base, rtol=1e-14, atol=1e-15)


def test_a_common_factor_of_the_weights_changes_nothing() -> None:
    x = torch.linspace(-4, 4, 33).view(-1, 1)
    once, twice = weighted([2.0, -0.5, 1.0, 0.5]), weighted([4.0, -1.0, 2.0, 1.0])
    assert torch.equal(once(x), twice(x))
    # so the gradient has no part along the weights: sum_j w_j * dy/dw_j = 0
    module = weighted([2.0, -0.5, 1.0, 0.5]).double()
    module(x.double()).sin().sum().backward()
    assert module.weight.grad is not None
    assert (module.weight.grad @ module.weight).item() == pytest.approx(0, abs=1e-13)


def test_weight_gradient_is_the_part_minus_the_whole_over_the_sum() -> None:
    module = weighted([2.0, -0.5, 1.0, 0.5]).double()
    y = module(torch.tensor([[0.7]], dtype=torch.float64))
    y.backward()
    wanted = [(part - y.item()) / 3.0 for part in parts(0.7)]
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == pytest.approx(wanted, rel=1e-12)


def test_softmax_gives_convex_combinations_and_starts_alike() -> None:
    x = torch.linspace(-4, 4, 33, dtype=torch.float64).view(-1, 1)
    softmax, plain = LinearCombination(1, normalise="softmax").double(), LinearCombination(1).double()
    torch.testing.assert_close(softmax(x), plain(x), rtol=1e-14, atol=1e-15)
    shares = weighted([3.0, -5.0, 0.0, 1.0], "softmax").shares()
    assert shares.min() > 0
    assert shares.sum().item() == pytest.approx(1, rel=1e-6)


def test_gradients_equal_autograds_through_the_plain_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64).requires_grad_()
    module = LinearCombination(3, sharing="channel").double()
    with torch.no_grad():
        module.weight.add_(torch.rand(3, 4, generator=generator))
    share = (module.weight / module.weight.sum(1, keepdim=True)).view(1, 3, 1, 4)
    bases: Tensor = torch.stack([x.relu(), x.sigmoid(), x.tanh(), x], -1)
    leaves = (x, module.weight)
    wanted, got = (torch.autograd.grad(y.sin().sum(), leaves) for y in ((share * bases).sum(-1), module(x)))
    for w, g in zip(wanted, got, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-11, atol=1e-12)


def test_the_weights_get_no_decay_in_either_sharing() -> None:
    for sharing in ("layer", "channel"):
        (group,) = LinearCombination(3, sharing=sharing).param_groups()
        assert group["weight_decay"] == 0.0
