"""A slot is the activation that it comes from, around another curve: to the last bit where that one exists."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from actbench.activations.catalog import ENTRIES, SlotInner
from actbench.activations.create import create_activation

SLOTS = ("slot_depthwise", "slot_gated", "slot_groups")


def seeded(name: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return create_activation(name, 8, **options)


def both_ways(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Output and all gradients after one training step's forward and backward."""
    x = x.clone().requires_grad_()
    y = module(x)
    grads = torch.autograd.grad(y.square().sum(), [x, *module.parameters()])
    return [y, *grads]


@pytest.mark.parametrize("inner", ["relu", "silu", "swish"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_series_is_its_own_slot_bit_by_bit(inner: str, memory_format: torch.memory_format) -> None:
    """Weights are those of the same seed, so an arm that is ReLU and a spare convolution gains nothing over it."""
    x = torch.randn(2, 8, 7, 7, generator=torch.Generator().manual_seed(1)).contiguous(
        memory_format=memory_format
    )
    slot, series = seeded("slot_depthwise", inner=inner, n=2), seeded("series", base=inner, n=2)
    for _ in range(2):  # the second time with other statistics
        for got, wanted in zip(both_ways(slot, x), both_ways(series, x), strict=True):
            assert torch.equal(got, wanted)
    for module in (slot, series):
        module.eval()
        module.deploy()  # type: ignore[operator]
    assert torch.equal(slot(x), series(x))


def test_the_untrained_chain_of_lslu_is_relu_in_its_slot() -> None:
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(1))
    slot, lslu = seeded("slot_depthwise", n=3), seeded("lslu", n=3)
    # The chain is ReLU of ReLU of ReLU: theta starts at 1, omega at 0. Both sum up in float32.
    torch.testing.assert_close(slot(x), lslu(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("inner", "gated"), [("relu", "reglu"), ("gelu", "geglu"), ("silu", "swiglu")])
@pytest.mark.parametrize("channel_dim", [1, -1])
def test_a_gate_is_its_own_slot_bit_by_bit(inner: str, gated: str, channel_dim: int) -> None:
    x = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(2))
    slot, own = (
        create_activation("slot_gated", 8, channel_dim=channel_dim, inner=inner),
        create_activation(gated, 8, channel_dim=channel_dim),
    )
    for got, wanted in zip(both_ways(slot, x), both_ways(own, x), strict=True):
        assert torch.equal(got, wanted)


def test_a_gate_with_swish_learns_its_beta() -> None:
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    slot = create_activation("slot_gated", 8, inner="swish").double()
    with torch.no_grad():
        slot.get_parameter("inner.beta").copy_(torch.linspace(0.5, 2, 8))
    g, u = x.chunk(2, 1)
    torch.testing.assert_close(
        slot(x), g * torch.sigmoid(torch.linspace(0.5, 2, 8).double() * g) * u, rtol=1e-13, atol=1e-13
    )
    assert torch.autograd.gradcheck(lambda *_: slot(x), tuple(slot.parameters()))


@pytest.mark.parametrize("inner", get_args(SlotInner))
def test_groups_start_as_the_curve_itself(inner: str) -> None:
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(4))
    slot = create_activation("slot_groups", 8, channel_dim=-1, inner=inner, groups=4)
    # Swish's beta is the group's scale.
    curve = create_activation("silu" if inner == "swish" else inner, 8, channel_dim=-1)
    assert torch.equal(slot(x), curve(x))


def test_groups_of_channels_have_their_scales() -> None:
    slot = create_activation("slot_groups", 6, inner="silu", groups=3).double()
    with torch.no_grad():
        slot.get_parameter("output_scale").copy_(torch.tensor([1.0, 2.0, 3.0]))
        slot.get_parameter("input_scale").copy_(torch.tensor([0.5, -1.0, 2.0]))
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for channel in range(6):
        a, b = (
            slot.get_parameter("output_scale")[channel // 2],
            slot.get_parameter("input_scale")[channel // 2],
        )
        z = b * x[:, channel]
        torch.testing.assert_close(slot(x)[:, channel], a * z * torch.sigmoid(z), rtol=1e-13, atol=1e-13)
    assert torch.autograd.gradcheck(lambda *_: slot(x), tuple(slot.parameters()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["slot_gated", "slot_groups"])
def test_half_types_are_rounded_once(name: str, dtype: torch.dtype) -> None:
    module = create_activation(name, 8, inner="mish")
    x = torch.randn(16, 16 if name == "slot_gated" else 8, generator=torch.Generator().manual_seed(6)).to(
        dtype
    )
    if name == "slot_groups":
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(1.5)
    assert torch.equal(module(x), module(x.float()).to(dtype))


@pytest.mark.parametrize("name", SLOTS)
@pytest.mark.parametrize("inner", get_args(SlotInner))
def test_a_slot_holds_every_curve_that_it_says(name: str, inner: str) -> None:
    module = create_activation(name, 8, inner=inner)
    x = torch.randn(2, 16 if name == "slot_gated" else 8, 4, 4, generator=torch.Generator().manual_seed(7))
    y, *grads = both_ways(module, x)
    assert y.shape == (2, 8, 4, 4)
    assert all(bool(torch.isfinite(value).all()) for value in (y, *grads))


def test_the_slots_of_the_catalogue_are_slots_and_measures_are_their_options() -> None:
    assert set(SLOTS) == {entry.slot.activation for entry in ENTRIES.values() if entry.slot}
    for entry in ENTRIES.values():
        if entry.slot:
            options = ENTRIES[entry.slot.activation].options
            options.model_validate(dict(entry.slot.options))
            assert ENTRIES[entry.slot.activation].gated == entry.gated
    assert all(not ENTRIES[inner].gated and ENTRIES[inner].slot is None for inner in get_args(SlotInner))
