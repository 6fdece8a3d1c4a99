"""Gated units against the same formulas in float64, and their relations to one another."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.activations.catalog import ENTRIES
from actbench.activations.create import create_activation
from actbench.activations.relu2 import ReLU2
from actbench.errors import ActbenchError

GATED = ("reglu", "geglu", "swiglu", "drelu")
ROOT = math.sqrt(2)


def by_hand(name: str, g: float, u: float) -> tuple[float, float, float]:
    """y, dy/dg and dy/du in Python's own arithmetic."""
    if name == "swiglu":
        s = 1 / (1 + math.exp(-g))
        return g * s * u, (s + g * s * (1 - s)) * u, g * s
    if name == "geglu":
        phi, density = (1 + math.erf(g / ROOT)) / 2, math.exp(-g * g / 2) / math.sqrt(2 * math.pi)
        return g * phi * u, (phi + g * density) * u, g * phi
    value, slope = (max(u, 0.0), float(u > 0)) if name == "drelu" else (u, 1.0)
    return max(g, 0.0) * value, float(g > 0) * value, max(g, 0.0) * slope


def test_the_catalogue_calls_these_gated_and_no_others() -> None:
    gated = {*GATED, "slot_gated"}
    assert {name for name, entry in ENTRIES.items() if entry.gated} == gated
    for name in ENTRIES:
        assert getattr(create_activation(name, 8), "is_gated", False) == (name in gated)


@pytest.mark.parametrize("name", GATED)
def test_values_and_gradients_on_a_grid_the_gate_being_the_first_half(name: str) -> None:
    ticks = torch.linspace(-6, 6, 25, dtype=torch.float64)  # 0 among them
    x = torch.cartesian_prod(ticks, ticks).requires_grad_()
    y = create_activation(name, 1)(x)
    (dx,) = torch.autograd.grad(y.sum(), x)
    wanted = torch.tensor([by_hand(name, g, u) for g, u in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(torch.cat([y, dx], 1), wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", GATED)
def test_channels_are_gated_by_the_channel_of_the_same_number(name: str) -> None:
    g = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    u = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    f = torch.relu if name in ("reglu", "drelu") else F.gelu if name == "geglu" else F.silu
    y = create_activation(name, 3)(torch.cat([g, u], 1))
    torch.testing.assert_close(y, f(g) * (F.relu(u) if name == "drelu" else u), rtol=1e-6, atol=1e-6)
    tokens = create_activation(name, 3, channel_dim=-1)(torch.cat([g.mT, u.mT], -1))
    torch.testing.assert_close(tokens.mT, y)


def test_tied_matrices_make_relu_squared_of_reglu_and_of_drelu() -> None:
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    tied = torch.cat([x, x], 1)
    for name in ("reglu", "drelu"):
        assert torch.equal(create_activation(name, 6)(tied), ReLU2(6)(x))


def test_drelu_is_reglu_where_the_value_is_not_negative_and_symmetric() -> None:
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(3))
    g, u = x.chunk(2, 1)
    drelu, reglu = create_activation("drelu", 3), create_activation("reglu", 3)
    assert torch.equal(drelu(x), torch.where(u >= 0, reglu(x), 0))
    assert torch.equal(drelu(x), drelu(torch.cat([u, g], 1)))


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_rounded_once(name: str, dtype: torch.dtype) -> None:
    """Off the float64 result by half a unit in the last place, and by float32's errors inside."""
    module = create_activation(name, 4)
    x = (100 * torch.randn(64, 8, generator=torch.Generator().manual_seed(4))).to(dtype).requires_grad_()
    wide = x.detach().double().requires_grad_()
    outcomes: list[list[Tensor]] = []
    for given in (x, wide):
        y = module(given)
        outcomes.append([y, *torch.autograd.grad(y, given, torch.ones_like(y))])
    g, u = wide.detach().abs().chunk(2, 1)
    # Phi and sigmoid err by some 2^-23 of 1, in y times g * u, in the gradients times u and times g.
    slack = [2**-21 * (1 + size) for size in (g * u, torch.cat([u, g], 1))]
    for got, wanted, inner in zip(*outcomes, slack, strict=True):
        assert got.dtype == dtype
        assert ((got.double() - wanted).abs() <= torch.finfo(dtype).eps / 2 * wanted.abs() + inner).all()


@pytest.mark.parametrize("name", GATED)
def test_other_channels_than_twice_the_announced_are_an_error(name: str) -> None:
    with pytest.raises(
        ActbenchError, match=r"takes 8 channels along dimension 1 got an input of shape \(2, 4, 3\)"
    ):
        create_activation(name, 4)(torch.zeros(2, 4, 3))
