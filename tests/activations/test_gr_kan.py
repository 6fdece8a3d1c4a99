"""KAT's group rational: its groups and counts, its starts, and the variance they need."""

from typing import Any

import pytest
import torch

from actbench.activations.create import create_activation
from actbench.activations.gr_kan import GRKAN
from actbench.activations.pade import rational
from actbench.activations.rational import Rational
from actbench.activations.rational_coefficients import KAT_GELU
from actbench.errors import ActbenchError
from actbench.gain import second_moment_gain


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def spread(module: GRKAN) -> GRKAN:
    """The same with other coefficients in every group."""
    with torch.no_grad():
        for table in module.parameters():
            table.add_(torch.linspace(0, 1, len(table))[:, None])
    return module


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_per_block() -> None:
    # A block has a unit before each of its two linear layers: of d and of 4d channels.
    assert count(GRKAN(192)) + count(GRKAN(768)) == 76
    assert count(GRKAN(192, share="denominator")) + count(GRKAN(768, share="denominator")) == 104
    assert (count(GRKAN(192)), count(GRKAN(192, share="denominator")), count(GRKAN(192, share="none"))) == (
        38,
        52,
        80,
    )
    assert 12 * (count(GRKAN(192)) + count(GRKAN(768))) == 912


@pytest.mark.parametrize("share", ["numerator", "denominator", "none"])
@pytest.mark.parametrize("denominator", ["A", "B"])
def test_groups_are_neighbouring_channels(share: Any, denominator: Any) -> None:
    module = spread(GRKAN(12, groups=3, share=share, denominator=denominator))
    x = draw(9, 12)
    y = module(x)
    for group in range(3):
        alone = GRKAN(4, groups=1, denominator=denominator)
        with torch.no_grad():
            for own, table in zip(alone.parameters(), module.parameters(), strict=True):
                own.copy_(table[group if len(table) > 1 else 0][None])
        torch.testing.assert_close(alone(x[:, 4 * group : 4 * group + 4]), y[:, 4 * group : 4 * group + 4])
    inside = torch.tensor([3, 2, 0, 1, 7, 4, 5, 6, 8, 9, 11, 10])
    assert torch.equal(module(x[:, inside]), y[:, inside])
    across = torch.tensor([4, 1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11])
    assert not torch.allclose(module(x[:, across])[:, :5], y[:, across][:, :5])


def test_equal_groups_are_one_group_and_one_rational() -> None:
    x = draw(4, 16, 3, 3)
    eight, one = GRKAN(16), GRKAN(16, groups=1)
    torch.testing.assert_close(eight(x), one(x), rtol=1e-5, atol=1e-6)
    assert torch.equal(one(x), Rational(16, init="silu")(x))
    # And the sum of the groups' gradients is the one group's.
    for module in (eight, one):
        module(x).square().sum().backward()
    for many, single in zip(eight.parameters(), one.parameters(), strict=True):
        assert many.grad is not None
        assert single.grad is not None
        torch.testing.assert_close(many.grad.sum(0), single.grad[0], rtol=1e-5, atol=1e-4)


def test_channels_that_groups_do_not_divide_are_an_error() -> None:
    with pytest.raises(ActbenchError, match="gr_kan cannot split 12 channels into 8 groups") as caught:
        create_activation("gr_kan", 12)
    assert caught.value.problems[0].hints == ("groups must divide the number of channels: 1, 2, 3, 4, 6",)


@pytest.mark.parametrize("denominator", ["A", "B"])
def test_identity_start_is_exact_and_trains_every_denominator(denominator: Any) -> None:
    module = GRKAN(16, denominator=denominator, init="identity", coefficients="published")
    x = draw(50, 16)
    y = module(x)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert module.denominator.grad is not None
    assert (module.denominator.grad != 0).all()


def test_it_stays_in_float32_under_autocast() -> None:
    module, x = GRKAN(8), draw(64, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x)
        half = module(x.bfloat16())
    assert (y.dtype, half.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(y, module(x))
    assert torch.equal(half, module(x.bfloat16().float()).bfloat16())


@pytest.mark.parametrize(
    ("options", "alpha", "half"),
    [
        ({"init": "identity"}, 1, 1e-12),
        ({"init": "relu"}, 2.0006, 5e-5),
        ({"init": "gelu"}, 2.3516, 5e-5),
        ({"init": "silu"}, 2.8108, 5e-5),
        ({"init": "x_gelu", "denominator": "B"}, 0.7152, 5e-5),
        ({"init": "x_silu", "denominator": "B"}, 0.8394, 5e-5),
    ],
)
def test_gain_of_the_published_starts(options: dict[str, Any], alpha: float, half: float) -> None:
    module = GRKAN(8, coefficients="published", **options)
    assert second_moment_gain(module, num_channels=8) == pytest.approx(alpha, abs=half)


def test_gain_of_the_released_gelu_in_the_form_that_it_fits() -> None:
    tables = [torch.tensor([values], dtype=torch.float64) for values in KAT_GELU]

    def curve(x: torch.Tensor) -> torch.Tensor:
        return rational(x, tables[0], tables[1], version="B", num_channels=1, channel_dim=0)

    assert second_moment_gain(curve) == pytest.approx(2.3494, abs=5e-5)


def test_the_gain_keeps_the_variance_behind_a_linear_layer() -> None:
    """W ~ N(0, alpha / d) after F(x), x ~ N(0, 1): the output has variance 1, and another without alpha."""
    d, generator = 4096, torch.Generator().manual_seed(0)
    for init in ("identity", "silu", "relu"):
        module = create_activation("gr_kan", d, init=init)
        alpha = second_moment_gain(module, num_channels=d)
        x, weight = torch.randn(32, d, generator=generator), torch.randn(d, 256, generator=generator)
        with torch.no_grad():
            variance = ((module(x) @ weight) * (alpha / d) ** 0.5).var().item()
        assert variance == pytest.approx(1, abs=0.05)


def test_gain_is_the_mean_over_channels() -> None:
    module = spread(GRKAN(16, groups=2, share="none"))
    parts = []
    for table_row in range(2):
        one = GRKAN(16, groups=1)
        with torch.no_grad():
            for own, table in zip(one.parameters(), module.parameters(), strict=True):
                own.copy_(table[table_row][None])
        parts.append(1 / second_moment_gain(one, num_channels=16))
    assert second_moment_gain(module, num_channels=16) == pytest.approx(2 / sum(parts), rel=1e-12)


@pytest.mark.parametrize("denominator", ["A", "B"])
@pytest.mark.parametrize("share", ["numerator", "denominator", "none"])
def test_every_choice_starts_as_the_same_curve(denominator: Any, share: Any) -> None:
    x = draw(128, 8).clamp(-3, 3)
    y = GRKAN(8, denominator=denominator, share=share)(x)
    # The fits' largest error, 1.2e-6, and float32's
    assert (y - torch.nn.functional.silu(x)).abs().max() < 2e-6
