"""The module: its starts, version D's noise, sharing, freezing, decay, and the errors it raises."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.activations.rational import NOISE, Rational
from actbench.errors import ActbenchError
from actbench.recipe.schema import ArmTrain, TrainSettings
from actbench.training.optim import parameter_groups


def points(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("version", "count"), [("A", 10), ("B", 10), ("C", 11), ("D", 10)])
def test_parameters_per_layer_and_per_channel(version: Any, count: int) -> None:
    layer, channel = Rational(6, version=version), Rational(6, version=version, sharing="channel")
    assert sum(p.numel() for p in layer.parameters()) == count
    assert sum(p.numel() for p in channel.parameters()) == 6 * count
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        "numerator": (1, 6),
        "denominator": (1, count - 6),
    }
    x = points(7, 6)
    torch.testing.assert_close(layer.eval()(x), channel.eval()(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("version", ["A", "B"])
def test_identity_start_gives_the_input_bit_for_bit(version: Any) -> None:
    module = Rational(1, version=version, init="identity")
    x = torch.cat((points(1000), torch.tensor([0.0, 1e-38, 1e30, -3.4e38])))[:, None]
    for dtype in (torch.float32, torch.bfloat16):
        assert torch.equal(module(x.to(dtype)), x.to(dtype))
    # Its denominator learns all the same.
    module(x[:1000]).square().sum().backward()
    assert module.denominator.grad is not None
    assert (module.denominator.grad != 0).all()


@pytest.mark.parametrize("init", ["gelu", "relu", "silu", "tanh"])
def test_c_and_d_start_where_b_does(init: Any) -> None:
    x = points(200, 1)
    b = Rational(1, version="B", init=init)
    assert torch.equal(Rational(1, version="D", init=init).eval()(x), b(x))
    torch.testing.assert_close(Rational(1, version="C", init=init)(x), b(x), rtol=1e-4, atol=1e-5)


def test_d_is_noisy_in_training_with_b_as_its_mean() -> None:
    noisy, plain = Rational(1, version="D", init="silu"), Rational(1, version="B", init="silu")
    x, draws = torch.linspace(-3, 3, 61)[:, None], 2000
    expected = plain(x).detach()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen = torch.stack([noisy(x).detach() for _ in range(draws)])
    # y = sum e_i t_i, t_i = a_i x^i / Q, e_i uniform in 1 +- NOISE, whose variance is NOISE^2 / 3.
    powers = x ** torch.arange(6)
    one = torch.zeros(1, 6)
    one[0, 0] = 1
    inverse = copy.deepcopy(plain)
    with torch.no_grad():
        inverse.numerator.copy_(one)
    terms = (plain.numerator * powers * inverse(x)).detach()
    assert ((seen - expected).abs() <= NOISE * terms.abs().sum(dim=1, keepdim=True) + 1e-6).all()
    deviation = NOISE / 3**0.5 * terms.square().sum(dim=1, keepdim=True).sqrt()
    assert ((seen.mean(dim=0) - expected).abs() <= 4.5 * deviation / draws**0.5 + 1e-7).all()
    assert seen[:, -1].std() == pytest.approx(deviation[-1].item(), rel=0.1)


def test_d_draws_from_the_global_generator_alone() -> None:
    module = Rational(3, version="D", sharing="channel")
    x = points(5, 3)
    outcomes: list[Tensor] = []
    with torch.random.fork_rng(devices=[]):
        for form in (module, copy.deepcopy(module), torch.compile(module, fullgraph=True, backend="eager")):
            torch.manual_seed(7)
            y = form(x)
            outcomes.append(y)
            assert not torch.equal(form(x), y)
    assert all(torch.equal(y, outcomes[0]) for y in outcomes)
    assert torch.equal(module.eval()(x), module(x))
    assert torch.equal(module.deploy()(x), module(x))


def test_a_frozen_curve_stays_bit_for_bit() -> None:
    frozen, learning = Rational(1, freeze=True), Rational(1)
    x = points(100, 1)
    before = frozen(x)
    for module in (frozen, learning):
        weight = torch.ones(1, requires_grad=True)
        held = [weight, *(p for p in module.parameters() if p.requires_grad)]
        optimizer = torch.optim.SGD(held, lr=0.01)
        (module(x * weight)).square().mean().backward()
        optimizer.step()
        assert weight.item() != 1
    assert torch.equal(frozen(x), before)
    assert not torch.equal(learning(x), before)


@pytest.mark.parametrize(("decay", "expected"), [(False, 0.0), (True, 0.05)])
def test_weight_decay_is_a_switch(decay: bool, expected: float) -> None:
    module = create_activation("rational", 4, decay=decay)
    settings = TrainSettings(epochs=1, batch_size=2, lr=0.1, weight_decay=0.05)
    groups = parameter_groups(module, {"": module}, settings, ArmTrain())
    assert {group["weight_decay"] for group in groups.groups} == {expected}
    assert sum(record.parameters for record in groups.records) == 10


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"version": "C", "init": "tanh"}, "no coefficients of version C are published", "version: A or B"),
        ({"init": "mish"}, "no coefficients are published for a start as mish", "coefficients: fitted"),
        ({"init": "x_gelu"}, r"computed as A are off by 0\.945 on \[-3, 3\]", "version: B"),
        ({"init": "x_silu"}, r"computed as A are off by 1\.71 on \[-3, 3\]", "version: B"),
        ({"numerator": 3}, r"of order 5/4 on \[-3, 3\], not 3/4 on \[-3, 3\]", "coefficients: fitted"),
        ({"interval": 5.0}, r"of order 5/4 on \[-3, 3\], not 5/4 on \[-5, 5\]", "coefficients: fitted"),
    ],
)  # fmt: skip
def test_what_is_not_published_is_told(options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ActbenchError, match=message) as caught:
        create_activation("rational", 1, coefficients="published", **options)
    assert hint in caught.value.problems[0].hints


def test_options_out_of_range_are_refused() -> None:
    for options in (
        {"numerator": 8},
        {"denominator": 0},
        {"version": "N"},
        {"init": "prelu"},
        {"interval": 0.0},
    ):
        with pytest.raises(ActbenchError, match=f"option '{next(iter(options))}' of activation 'rational'"):
            create_activation("rational", 1, **options)


def test_counts_and_limits() -> None:
    assert Rational(1).operations_per_element == 21  # as KAT counts Horner's rule
    assert Rational(1, numerator=3, denominator=2).operations_per_element == 13
    assert Rational(1, init="silu").limits == (-torch.inf, torch.inf)
    # a_4 / |b_4|, whatever it is, on both sides
    ends = Rational(1, numerator=4, denominator=4, init="tanh").limits
    assert ends is not None
    low, high = ends
    assert low == pytest.approx(high, rel=1e-6)
    assert Rational(1).log_values()["numerator"].shape == (1, 6)
