"""The operator for `collapse` against the plain form: bounds and values to the last bit, gradients to rounding."""

from unittest import mock

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench.activations import ramp
from actbench.activations.kernels import layout
from actbench.activations.kernels.collapse import collapse

SOME = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.4e38]), st.floats(-4, 4, width=32))


def both(theta: list[float], omega: list[float]) -> list[tuple[Tensor, ...]]:
    outcomes = []
    for serves in (True, False):
        leaves = [torch.tensor(numbers, requires_grad=True) for numbers in (theta, omega)]
        with mock.patch.object(layout, "serves", lambda _dtype, serves=serves: serves):
            bounds, values = ramp.collapse(*leaves)
        assert bounds.dtype == values.dtype == torch.float32
        assert not bounds.requires_grad
        grads = torch.autograd.grad(values, leaves, torch.tensor([1.0, -2.0, 0.5, 3.0]))
        outcomes.append((bounds, values, *grads))
    return outcomes


@settings(max_examples=200, deadline=None)
@given(chain=st.lists(st.tuples(SOME, SOME), min_size=1, max_size=5))
@example(chain=[(1.0, 0.0), (-1.0, 0.0), (1.0, 0.4)])
@example(chain=[(1.0, 0.0), (0.0, 2.0), (1.0, 0.4)])
@example(chain=[(-0.7, 1.3), (-1.1, 1.2), (0.9, 0.0)])
def test_equals_the_plain_form(chain: list[tuple[float, float]]) -> None:
    theta, omega = (list(numbers) for numbers in zip(*chain, strict=True))
    found, expected = both(theta, omega)
    assert all(
        torch.equal(a, b) or (a.isnan() == b.isnan()).all() for a, b in zip(found[:2], expected, strict=False)
    )
    finite = [not (e.isnan() | e.isinf()).any() for e in expected]
    assert torch.equal(found[0], expected[0]) or not finite[0]
    assert torch.equal(found[1], expected[1]) or not finite[1]
    # A gradient is a sum of four terms, each a product along at most five steps, in another order.
    magnitude = 4 * 3 * max(1.0, *(abs(t) for t in theta)) ** len(theta) * max(1.0, *(abs(o) for o in omega))
    for got, wanted, is_finite in zip(found[2:], expected[2:], finite[2:], strict=True):
        if is_finite and magnitude < 1e30:
            assert (got - wanted).abs().max() <= 20 * 2.0**-24 * len(theta) * magnitude


def test_the_operator_keeps_its_promises_to_the_compiler() -> None:
    leaves = [torch.tensor([0.5, -1.0, 2.0], requires_grad=True) for _ in range(2)]
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.actbench.collapse.default, tuple(leaves), test_utils=tests)
    assert collapse(*leaves)[1].requires_grad
