"""APALU against its formula in double precision, its slopes on both sides of 0, and its parameters."""

import itertools
import math

import pytest
import torch

from actbench.activations.apalu import APALU
from tests.activations.formulas import assert_follows, slopes, values


def apalu(x: float, a: float, b: float) -> float:
    return a * (x + x / (1 + math.exp(-1.702 * x))) if x >= 0 else b * math.expm1(x)


@pytest.mark.parametrize(("a", "b"), [(0.55, 0.065), (1.0, 1.5), (2.0, 0.01)])
@pytest.mark.parametrize("positive", ["softplus", "none"])
def test_formula(a: float, b: float, positive: str) -> None:
    module = APALU(1, a=a, b=b, positive=positive)  # type: ignore[arg-type]
    # softplus returns a and b to a rounding of float32, in which they are stored.
    stored_a, stored_b = (value.item() for value in module.double().values())
    assert [stored_a, stored_b] == pytest.approx([a, b], rel=4e-7)
    assert_follows(APALU(1, a=a, b=b, positive="none"), lambda x: apalu(x, *(torch.tensor([a, b]).tolist())))


# x -> f(x) of a * (x + x * sigmoid(1.702 x)) and b * (e^x - 1), worked out to nine digits.
AT_START = {
    -5: -0.064562033,
    -3: -0.061763841,
    -2: -0.056203207,
    -1: -0.041087836,
    -0.5: -0.025575507,
    0: 0.0,
    0.5: 0.467713640,
    1: 1.015187671,
    2: 2.164612243,
    3: 3.290060780,
    5: 5.499446141,
}
SMOOTH = {
    -5: -1.489893080,
    -2: -1.296997075,
    -1: -0.948180838,
    -0.5: -0.590204010,
    0.5: 0.850388437,
    1: 1.845795766,
    2: 3.935658623,
    5: 9.998992984,
}


@pytest.mark.parametrize(("a", "b", "known"), [(0.55, 0.065, AT_START), (1.0, 1.5, SMOOTH)])
def test_known_values(a: float, b: float, known: dict[float, float]) -> None:
    assert values(APALU(1, a=a, b=b), list(known)) == pytest.approx(list(known.values()), rel=4e-7, abs=0)


def test_the_slope_jumps_at_zero_unless_b_is_one_and_a_half_a() -> None:
    left, at, right = slopes(APALU(1, positive="none"), [-1e-9, 0.0, 1e-9])
    assert [left, at, right] == pytest.approx([0.065, 0.825, 0.825], rel=1e-6)
    left, right = slopes(APALU(1, a=1.0, b=1.5, positive="none"), [-1e-9, 1e-9])
    assert left == pytest.approx(right, rel=1e-8)


def test_the_steepest_slope_and_the_asymptotes() -> None:
    # The maximum of 1 + s + 1.702 x s (1 - s) is 2.09983932, at 1.409730.
    module = APALU(1, a=1.0, b=1.0, positive="none")
    (steepest,) = slopes(module, [1.409730])
    assert steepest == pytest.approx(2.09983932, abs=1e-8)
    assert max(slopes(module, torch.linspace(0, 10, 10_001).tolist())) <= steepest + 1e-8
    assert slopes(module, [100.0]) == [2.0]
    assert values(module, [-800.0]) == [-1.0]


def test_it_rises_and_is_linear_in_its_two_parameters() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        a, b = (torch.rand(2, generator=generator) + 0.01).tolist()
        points = torch.linspace(-10, 10, 2001).tolist()
        ys = values(APALU(1, a=a, b=b), points)
        assert all(low < high for low, high in itertools.pairwise(ys))
        # doubling is exact where no softplus rounds
        once, twice = (values(APALU(1, a=k * a, b=k * b, positive="none"), points) for k in (1, 2))
        assert twice == [2 * y for y in once]


def test_each_side_teaches_its_own_parameter() -> None:
    for sign, silent in ((-1.0, "raw_a"), (1.0, "raw_b")):
        module = APALU(1)
        module(sign * torch.rand(50, 1)).sum().backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None
            assert (parameter.grad == 0) == (name == silent)


def test_far_out_both_ways_are_finite() -> None:
    x = torch.tensor([[-3e38], [-1e3], [1e3], [3e38]], requires_grad=True)
    y = APALU(1)(x)
    y.sum().backward()
    assert x.grad is not None
    # 1.1 * 3e38 is still a float32.
    assert y.flatten().tolist() == pytest.approx([-0.065, -0.065, 1.1e3, 3.3e38], rel=1e-6)
    assert x.grad.flatten().tolist() == pytest.approx([0, 0, 1.1, 1.1], rel=1e-6)


def test_parameters_per_layer_and_per_channel() -> None:
    assert [p.shape for p in APALU(5).parameters()] == [(), ()]
    assert [p.shape for p in APALU(5, sharing="channel").parameters()] == [(5,), (5,)]
    assert set(APALU(5).log_values()) == {"a", "b"}
