"""The activations without parameters: values worked out by hand, and gradients at the kink."""

import math
from typing import Any

import pytest
import torch

from actbench.activations.create import create_activation

LOG2 = math.log(2)
PHI_1 = 0.8413447460685429  # the normal distribution function at 1, from tables
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


@pytest.mark.parametrize(
    ("name", "options", "values"),
    [
        ("identity", {}, {-2.0: -2.0, 0.0: 0.0, 3.0: 3.0}),
        ("relu", {}, {-2.0: 0.0, 0.0: 0.0, 3.0: 3.0}),
        ("relu6", {}, {-2.0: 0.0, 0.0: 0.0, 3.0: 3.0, 6.0: 6.0, 7.5: 6.0}),
        # -1 * 2 / 6 and 1 * 4 / 6; nothing below -3, the identity above 3
        ("hardswish", {}, {-4.0: 0.0, -3.0: 0.0, -1.0: -1 / 3, 0.0: 0.0, 1.0: 2 / 3, 3.0: 3.0, 5.0: 5.0}),
        ("leaky_relu", {}, {-2.0: -0.02, 0.0: 0.0, 3.0: 3.0}),
        ("leaky_relu", {"negative_slope": -0.5}, {-2.0: 1.0}),
        ("elu", {}, {-LOG2: -0.5, 0.0: 0.0, 3.0: 3.0}),
        ("elu", {"alpha": 3.0}, {-LOG2: -1.5}),
        ("selu", {}, {-LOG2: -0.5 * SCALE * ALPHA, 0.0: 0.0, 2.0: 2 * SCALE}),
        ("gelu", {}, {0.0: 0.0, 1.0: PHI_1, -1.0: PHI_1 - 1}),
        (
            "gelu",
            {"approximate": "tanh"},
            {0.0: 0.0, 1.0: (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715)) / 2},
        ),
        ("silu", {}, {0.0: 0.0, math.log(3): 0.75 * math.log(3), -math.log(3): -0.25 * math.log(3)}),
        # tanh(log(1 + e^x)) = ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1): 3/5 at 0, 4/5 at log 2
        ("mish", {}, {0.0: 0.0, LOG2: 0.8 * LOG2}),
        ("softplus", {}, {0.0: LOG2, LOG2: math.log(3), 40.0: 40.0}),
        ("softplus", {"beta": 2.0}, {0.0: LOG2 / 2, LOG2 / 2: math.log(3) / 2}),
    ],
)
def test_values(name: str, options: dict[str, Any], values: dict[float, float]) -> None:
    module = create_activation(name, 1, **options)
    for x, y in values.items():
        assert module(torch.tensor([x], dtype=torch.float64)).item() == pytest.approx(y, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "slope"),
    [
        ("identity", {}, 1.0),
        ("relu", {}, 0.0),
        ("relu6", {}, 0.0),
        ("hardswish", {}, 0.5),
        ("leaky_relu", {"negative_slope": 0.2}, 0.2),
        ("elu", {"alpha": 0.5}, 0.5),
        ("selu", {}, SCALE * ALPHA),
        ("gelu", {}, 0.5),
        ("silu", {}, 0.5),
        ("mish", {}, 0.6),
        ("softplus", {"beta": 4.0}, 0.5),
    ],
)
def test_gradient_at_zero(name: str, options: dict[str, Any], slope: float) -> None:
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    create_activation(name, 1, **options)(x).backward()
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "slopes"), [("relu6", {0.0: 0.0, 6.0: 0.0}), ("hardswish", {-3.0: 0.0, 3.0: 1.0})]
)
def test_gradient_at_the_other_kinks(name: str, slopes: dict[float, float]) -> None:
    x = torch.tensor(list(slopes), dtype=torch.float64, requires_grad=True)
    create_activation(name, 1)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == list(slopes.values())


def test_declared_operations() -> None:
    declared = {
        "relu": 1,
        "relu6": 2,
        "hardswish": 5,
        "leaky_relu": 2,
        "elu": 13,
        "selu": 14,
        "gelu": 14,
        "silu": 13,
        "mish": 15,
        "softplus": 24,
    }
    assert {name: create_activation(name, 1).operations_per_element for name in declared} == declared
    assert create_activation("gelu", 1, approximate="tanh").operations_per_element == 18
