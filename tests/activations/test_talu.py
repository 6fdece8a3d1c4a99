"""TaLU's three candidates against their formula, known values, and what is left of a dead unit's gradient."""

import math

import pytest
import torch

from actbench.activations.talu import TaLU
from tests.activations.formulas import assert_follows, slopes, values


@pytest.mark.parametrize(
    ("alpha", "clamp"), [(1.0, None), (0.25, None), (1.0, -0.5), (1.0, -0.05), (2.0, -1.0)]
)
def test_formula(alpha: float, clamp: float | None) -> None:
    def talu(x: float) -> float:
        low = x if clamp is None else max(x, clamp)
        return x if x >= 0 else alpha * math.tanh(low)

    assert_follows(TaLU(1, alpha=alpha, clamp=clamp), talu)


def test_known_values() -> None:
    assert values(TaLU(1), [-1.0, -2.0, 3.0]) == pytest.approx([-0.761594156, -0.964027580, 3.0], abs=1e-9)
    assert values(TaLU(1, clamp=-0.5), [-1.0, -2.0]) == pytest.approx([-0.462117157] * 2, abs=1e-9)
    assert values(TaLU(1, clamp=-0.05), [-1.0]) == pytest.approx([-0.049958375], abs=1e-9)
    assert values(TaLU(1, clamp=-0.75), [-1.0]) == pytest.approx([-0.635148952], abs=1e-9)
    assert values(TaLU(1, alpha=0.25), [-1.0]) == pytest.approx([-0.190398539], abs=1e-9)


def test_slopes_at_zero_at_the_clamp_and_below() -> None:
    assert slopes(TaLU(1), [-1.0, 0.0, 2.0]) == pytest.approx([0.419974342, 1.0, 1.0], abs=1e-9)
    assert slopes(TaLU(1, clamp=-0.5), [-1.0, -0.5, 0.0]) == [0.0, 0.0, 1.0]
    # The kink of C2: the right slope is taken at 0.
    assert slopes(TaLU(1, alpha=0.25), [-1e-9, 0.0]) == pytest.approx([0.25, 1.0])


def test_it_never_falls_and_is_bounded_below() -> None:
    points = torch.linspace(-30, 5, 3501).tolist()
    for alpha, clamp in ((1.0, None), (0.25, None), (1.0, -0.5)):
        ys = torch.tensor(values(TaLU(1, alpha=alpha, clamp=clamp), points), dtype=torch.float64)
        assert (ys.diff() >= 0).all()
        assert ys.min() >= alpha * math.tanh(-math.inf if clamp is None else clamp) - 1e-15


def test_it_is_relu_and_a_tangent() -> None:
    x = torch.linspace(-4, 4, 81).view(-1, 1)
    expected = x.relu() + 0.3 * x.clamp(max=0).tanh()
    # A tangent of ours and one of PyTorch's are each a few roundings of float32 off; the plain form has the same.
    torch.testing.assert_close(TaLU(1, alpha=0.3)(x), expected, rtol=8 * 2.0**-24, atol=0)
    assert torch.equal(TaLU(1, alpha=0.3)(x)[x >= 0], x[x >= 0])


def test_a_unit_ten_below_zero_gets_a_gradient_that_is_positive_and_useless() -> None:
    # 1 - tanh(10)^2 = 8.2e-9 in exact numbers; float32's tanh(10) is 1, so there nothing is left at all.
    assert slopes(TaLU(1), [-10.0]) == [pytest.approx(8.2446e-9, rel=1e-4)]
    assert slopes(TaLU(1, clamp=-0.5), [-10.0]) == [0.0]
