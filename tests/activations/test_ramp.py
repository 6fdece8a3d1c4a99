"""The chain of ReLUs as one ramp: held equal to the loop it stands for, values and gradients."""

import math

import pytest
import torch
from torch import Tensor

from actbench.activations.ramp import RampPass, clip_pass, collapse

EPS = torch.finfo(torch.float64).eps


def chain(x: Tensor, theta: Tensor, omega: Tensor) -> Tensor:
    """The definition, step by step."""
    for scale, shift in zip(theta, omega, strict=True):
        x = scale * torch.relu(x) + shift
    return torch.relu(x)


def ramp(x: Tensor, theta: Tensor, omega: Tensor) -> Tensor:
    y: Tensor = RampPass.apply(x, *collapse(theta, omega))
    return y


def draws(count: int) -> list[tuple[Tensor, Tensor]]:
    """Chains of 1 to 7 steps: normal draws, draws with exact zeros, small integers, which make ties."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for index in range(count):
        n = index % 7 + 1
        theta, omega = torch.randn(2, n, dtype=torch.float64, generator=generator)
        kind = index % 3
        if kind == 0:
            theta = theta.abs() if index % 2 else theta  # else nearly all long chains are dead
        if kind == 1:
            zeroed = torch.rand(2, n, generator=generator) < 0.2
            theta, omega = theta.masked_fill(zeroed[0], 0), omega.masked_fill(zeroed[1], 0)
        if kind == 2:
            theta, omega = torch.randint(-2, 3, (2, n), generator=generator).double()
        made.append((theta, omega))
    return made


def inputs_away_from(kinks: Tensor) -> Tensor:
    x = torch.linspace(-4, 4, 81, dtype=torch.float64) + 0.0123
    bounds = [bound for bound in kinks.tolist() if math.isfinite(bound)]
    near = [bound + step for bound in bounds for step in (-1e-3, 1e-3)]
    x = torch.cat((x, torch.tensor(near, dtype=torch.float64)))
    for bound in bounds:
        x = x[(x - bound).abs() > 1e-4 * max(1, abs(bound))]
    return x


def magnitude(x: Tensor, theta: Tensor, omega: Tensor) -> Tensor:
    """The chain with nothing cancelling: what rounding errors are relative to."""
    x = x.abs()
    for scale, shift in zip(theta.abs(), omega.abs(), strict=True):
        x = scale * x + shift
    return x


def test_values_and_gradients_equal_the_loops_over_2100_random_chains() -> None:
    alive = dead = saturating = 0
    for theta, omega in draws(2100):
        bounds, values = collapse(theta.requires_grad_(), omega.requires_grad_())
        x = inputs_away_from(bounds).requires_grad_()
        leaves = (x, theta, omega)
        grad = torch.sin(torch.arange(len(x), dtype=torch.float64))
        expected, got = chain(*leaves), RampPass.apply(x, bounds, values)
        scale = magnitude(x, theta, omega).max()
        # Each of the at most 7 steps and the division for a bound rounds a few times.
        assert (got - expected).abs().max() <= 1e-12 * scale
        wanted = torch.autograd.grad(expected, leaves, grad, allow_unused=True)
        found = torch.autograd.grad(got, leaves, grad)
        for w, f in zip(wanted, found, strict=True):
            assert w is not None
            # Sums of about 80 terms of that size.
            assert (f - w).abs().max() <= 1e-12 * len(x) * scale.clamp(min=1)
        alive, dead = alive + int(values[1] != 0), dead + int(values[1] == 0)
        saturating += int(values[1] != 0 and bounds[1].isfinite())
    assert min(alive, dead, saturating) > 100


@pytest.mark.parametrize("n", range(1, 8))
def test_at_the_initial_values_everything_equals_the_loop_kink_included(n: int) -> None:
    x = torch.tensor([-2.0, -1e-30, 0.0, 1e-30, 3.0], dtype=torch.float64)
    leaves = [x, torch.ones(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)]
    for leaf in leaves:
        leaf.requires_grad_()
    grad = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0], dtype=torch.float64)
    expected, got = chain(*leaves), ramp(*leaves)
    assert torch.equal(got, expected)
    for w, f in zip(*(torch.autograd.grad(y, leaves, grad) for y in (expected, got)), strict=True):
        assert torch.equal(w, f)


def test_initial_values_are_relu_bitwise_in_float32() -> None:
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(ramp(x, torch.ones(3), torch.zeros(3)), torch.relu(x))


def test_at_a_tie_no_gradient_flows_as_the_derivative_of_relu_at_zero_is_zero() -> None:
    # h_1 = -ReLU(x) + 1 falls to 0 at x = 1; 3 * ReLU(h_1) + 0 is 0 there again: z == t1, with q < 0.
    theta = torch.tensor([-1.0, 3.0], requires_grad=True)
    omega = torch.tensor([1.0, 0.0], requires_grad=True)
    x = torch.tensor([1.0, 2.0])
    y = ramp(x, theta, omega)
    assert y.tolist() == [0.0, 0.0]
    torch.autograd.backward(y.sum())
    assert omega.grad is not None
    assert omega.grad.tolist() == [0.0, 0.0]
    assert theta.grad is not None
    assert theta.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("theta", "omega", "ramp_of_it"),
    [
        # u = 2 * ReLU(x) + 1
        ([2.0], [1.0], (0.0, math.inf, 1.0, 2.0)),
        # ReLU(2 * ReLU(x) - 1): one shared threshold at 1/2, p = -1
        ([2.0], [-1.0], (0.5, math.inf, -1.0, 2.0)),
        # ReLU(1 - ReLU(x)): a falling ramp from 1 at 0 to 0 at 1
        ([-1.0], [1.0], (0.0, 1.0, 1.0, -1.0)),
        # its mirror, 2 - (1 - x): rising from 1 at 0 to 2 at 1, then flat
        ([-1.0, -1.0], [1.0, 2.0], (0.0, 1.0, 1.0, 1.0)),
        # nothing passes a negative factor without a shift: dead, and the last shift stands
        ([-1.0, 1.0], [0.0, 0.75], (0.0, 0.0, 0.75, 0.0)),
        ([-1.0], [0.0], (0.0, 0.0, 0.0, 0.0)),
        # theta = 0: constant
        ([0.0], [3.0], (0.0, math.inf, 3.0, 0.0)),
        ([0.0], [-3.0], (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_ramps_worked_out_by_hand(
    theta: list[float], omega: list[float], ramp_of_it: tuple[float, float, float, float]
) -> None:
    bounds, values = collapse(torch.tensor(theta), torch.tensor(omega))
    assert (*bounds.tolist(), *values[:2].tolist()) == ramp_of_it


@pytest.mark.parametrize("n", [1, 2, 5, 15])
def test_positive_factors_and_partial_sums_give_a_scaled_relu_plus_the_last_sum(n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    theta = torch.rand(n, dtype=torch.float64, generator=generator) + 0.5
    omega = torch.rand(n, dtype=torch.float64, generator=generator)
    total = 0.0
    for scale, shift in zip(theta.tolist(), omega.tolist(), strict=True):
        total = scale * total + shift
    bounds, values = collapse(theta, omega)
    assert bounds.tolist() == [0.0, math.inf]
    assert values[1].item() == pytest.approx(theta.prod().item(), rel=n * EPS)
    assert values[0].item() == pytest.approx(total, rel=2 * n * EPS)


def test_no_chain_has_more_than_two_kinks() -> None:
    for theta, omega in draws(210):
        x = torch.linspace(-5, 20, 25_001, dtype=torch.float64)
        slopes = chain(x, theta, omega).diff().div(x[1] - x[0])
        changes = (slopes.diff().abs() > 1e-6 * (1 + slopes.abs().max())).nonzero().flatten()
        # A kink inside a step bends two neighbouring differences; those count as one.
        assert sum(1 for i, c in enumerate(changes) if i == 0 or c - changes[i - 1] > 1) <= 2


def test_a_constant_stays_one_at_infinity_and_nan_stays_nan() -> None:
    x = torch.tensor([-math.inf, 0.0, math.inf, math.nan])
    for theta, omega in ([0.0], [3.0]), ([-1.0, 1.0], [0.0, 3.0]):
        y = ramp(x, torch.tensor(theta), torch.tensor(omega))
        assert y[:3].tolist() == [3.0, 3.0, 3.0]
        assert y[3].isnan()
    assert ramp(x, torch.ones(2), torch.ones(2))[:3].tolist() == [2.0, 2.0, math.inf]


def test_theta_at_zero_gets_the_gradient_that_can_lift_it() -> None:
    theta, omega = torch.zeros(1, requires_grad=True), torch.ones(1, requires_grad=True)
    torch.autograd.backward(ramp(torch.tensor([-1.0, 2.0, 3.0]), theta, omega).sum())
    assert theta.grad is not None
    assert theta.grad.item() == 5.0  # d/dtheta of theta * ReLU(x) + 1, summed


def test_tiny_factors_give_finite_gradients() -> None:
    # The threshold lies at 1e20 or beyond float32; -p/q and its derivative overflow.
    for tiny in (1e-20, 1e-30, 1e-44):
        theta = torch.tensor([tiny, 1.0], requires_grad=True)
        omega = torch.tensor([-1.0, 0.5], requires_grad=True)
        y = ramp(torch.randn(50, generator=torch.Generator().manual_seed(2)), theta, omega)
        torch.autograd.backward(y.sum())
        assert y.tolist() == [0.5] * 50
        assert theta.grad is not None
        assert theta.grad.tolist() == [0.0, 0.0]
        assert omega.grad is not None
        assert omega.grad.tolist() == [0.0, 50.0]


def test_infinite_inputs_left_of_the_ramp_leave_gradients_finite() -> None:
    theta, omega = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    x = torch.tensor([-math.inf, 2.0], requires_grad=True)
    torch.autograd.backward(ramp(x, theta, omega).sum())
    assert theta.grad is not None
    assert theta.grad.tolist() == [2.0, 2.0]
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0]


def test_half_precision_is_the_float32_result_rounded_once() -> None:
    theta, omega = torch.tensor([0.7, -1.3]), torch.tensor([0.2, 2.1])
    x = torch.randn(1000, generator=torch.Generator().manual_seed(3)).bfloat16()
    bounds, values = collapse(theta, omega)
    expected = clip_pass(x.float(), bounds, values[0], values[1]).bfloat16()
    assert torch.equal(ramp(x, theta, omega), expected)


def test_a_large_bfloat16_batch_sums_parameter_gradients_in_float32() -> None:
    # 2^16 ones: a bfloat16 running sum would stop at 256.
    theta, omega = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    ones = torch.ones(2**16, dtype=torch.bfloat16)
    torch.autograd.backward(ramp(ones, theta, omega), ones)
    assert theta.grad is not None
    assert theta.grad.item() == 2**16
