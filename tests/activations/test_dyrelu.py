"""Dynamic ReLU beside a plain float64 form of the paper's formula, its invariants and its parameter counts."""

import math
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.activations.catalog import DyReLUVariant
from actbench.activations.dyrelu import DyReLU
from actbench.models.torchvision_nets import TorchvisionNet
from actbench.recipe.schema import Recipe
from actbench.training.build import activation_sites, build_model

VARIANTS: tuple[DyReLUVariant, ...] = ("A", "B", "C")
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def moved(module: DyReLU, scale: float = 1.0) -> DyReLU:
    """With random weights, so that nothing is idle."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module


def maps(batch: int = 3, channels: int = 5, side: int = 4) -> Tensor:
    return torch.randn(batch, channels, side, side, generator=torch.Generator().manual_seed(1))


def plainly(module: DyReLU, x: Tensor, residual: Any) -> Tensor:
    """Sample by sample, channel by channel, place by place: x is (N, C, P)."""
    (n, c, p), k = x.shape, module.pieces
    samples = []
    for i in range(n):
        hidden = (module.fc1.weight @ x[i].mean(1) + module.fc1.bias).clamp(min=0)
        delta = residual(module.fc2.weight @ hidden + module.fc2.bias)
        share = torch.ones(p, dtype=x.dtype)
        if module.position is not None:
            z = torch.stack(
                [module.position.weight[0] @ x[i, :, q] + module.position.bias[0] for q in range(p)]
            )
            share = (p / 3 * torch.exp(z / 10) / torch.exp(z / 10).sum()).clamp(max=1)
        each = len(delta) // (2 * k)  # 1 or C
        channels = []
        for j in range(c):
            own = j if each > 1 else 0
            lines = [
                (float(piece == 0) + delta[piece * each + own]) * x[i, j]
                + 0.5 * delta[(k + piece) * each + own]
                for piece in range(k)
            ]
            channels.append(torch.stack(lines).amax(0) * share)
        samples.append(torch.stack(channels))
    return torch.stack(samples)


@every_variant
@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 7), (2, 5, 3, 4), (2, 5, 2, 3, 2)])
def test_value_and_every_gradient_are_the_plain_formulas(
    variant: DyReLUVariant, pieces: int, shape: tuple[int, ...]
) -> None:
    module = moved(DyReLU(5, variant=variant, pieces=pieces, reduction=2)).double()
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    wanted = plainly(module, x.reshape(*shape[:2], -1), lambda z: 2 * torch.sigmoid(z) - 1).reshape(shape)
    learnt = [p for p in module.parameters() if p.requires_grad]
    for got, plain in zip(
        torch.autograd.grad((module(x) * weight).sum(), [x, *learnt]),
        torch.autograd.grad((wanted * weight).sum(), [x, *learnt]),
        strict=True,
    ):
        torch.testing.assert_close(got, plain, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(module(x), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("gate", "bias", "divisor"), [("hard_sigmoid_6", 3, 6), ("hard_sigmoid_2", 1, 2)])
def test_the_two_hard_sigmoids(gate: Any, bias: int, divisor: int) -> None:
    module = moved(DyReLU(5, gate=gate)).double()
    x = maps().double()
    wanted = plainly(module, x.flatten(2), lambda z: 2 * ((z + bias) / divisor).clamp(0, 1) - 1)
    torch.testing.assert_close(module(x), wanted.view(x.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid_6", "hard_sigmoid_2"])
@pytest.mark.parametrize("variant", ["A", "B"])
def test_a_and_b_start_as_relu_bit_for_bit(variant: DyReLUVariant, gate: Any, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module = DyReLU(5, variant=variant, gate=gate, pieces=3 if gate == "sigmoid" else 2, reduction=1)
    x = maps().to(dtype)
    x[0, 0, 0, :2] = torch.tensor([0.0, -0.0])
    x.requires_grad_()
    y = module(x)
    (dx,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert torch.equal(y, x.relu())
    assert torch.equal(dx, (x > 0).to(dtype))
    y.sum().backward()
    # As the last layer is 0, the first learns nothing in the first step, and the last does at once.
    assert module.fc1.weight.grad is not None
    assert module.fc2.weight.grad is not None
    assert not module.fc1.weight.grad.any()
    assert module.fc2.weight.grad.any()


def test_c_starts_as_a_third_of_relu_and_default_starts_as_no_relu() -> None:
    x = maps()
    torch.testing.assert_close(DyReLU(5, variant="C")(x), x.relu() / 3, rtol=1e-6, atol=0)
    torch.manual_seed(0)
    started = DyReLU(5, init="default")
    assert not torch.allclose(started(x), x.relu(), atol=1e-2)
    assert started.fc2.bias.any()


@pytest.mark.parametrize(
    ("slope", "bias"), [(0.01, 0.020001), (0.1, 0.200671), (0.25, 0.510826), (0.5, 1.098612)]
)
@pytest.mark.parametrize("variant", ["A", "B"])
def test_a_constant_second_slope_is_leaky_relu(variant: DyReLUVariant, slope: float, bias: float) -> None:
    assert math.log((1 + slope) / (1 - slope)) == pytest.approx(bias, abs=5e-7)
    module = DyReLU(5, variant=variant).double()
    with torch.no_grad():
        module.fc2.bias.view(4, -1)[1] = math.log((1 + slope) / (1 - slope))
    x = maps().double()
    torch.testing.assert_close(module(x), nn.functional.leaky_relu(x, slope), rtol=1e-14, atol=1e-15)


def test_one_line_through_the_origin_is_squeeze_and_excite() -> None:
    module = moved(DyReLU(5, pieces=1, reduction=1)).double()
    with torch.no_grad():
        module.fc2.weight.view(2, 5, 5)[1] = 0
        module.fc2.bias.view(2, 5)[1] = 0
    x = maps().double()
    hidden = module.fc1(x.mean((2, 3))).relu()
    gate = 2 * torch.sigmoid(hidden @ module.fc2.weight[:5].T + module.fc2.bias[:5])
    torch.testing.assert_close(module(x), x * gate[:, :, None, None], rtol=1e-12, atol=1e-12)


@every_variant
def test_slopes_and_offsets_keep_their_bounds_and_y_lies_on_the_upper_line(variant: DyReLUVariant) -> None:
    for scale in (0.3, 1.0, 100.0):
        module, x = moved(DyReLU(5, variant=variant), scale), 5 * maps()
        a, b = module.coefficients(x)
        assert ((a[0] >= 0) & (a[0] <= 2)).all()
        assert (a[1].abs() <= 1).all()
        assert (b.abs() <= 0.5).all()
        share = module.shares(x)
        lines = (a * x + b) * (1 if share is None else share)
        y = module(x)
        assert (y >= lines - 1e-5).all()
        torch.testing.assert_close(y, lines.amax(0))


def test_shares_of_c_sum_to_a_third_of_the_places_unless_they_are_cut_at_one() -> None:
    gentle, steep = (moved(DyReLU(5, variant="C"), scale) for scale in (0.1, 30.0))
    x = maps(side=6).double()
    shares = gentle.double().shares(x)
    assert shares is not None
    torch.testing.assert_close(shares.sum((1, 2, 3)), torch.full((3,), 36 / 3, dtype=torch.float64))
    cut = steep.double().shares(x)
    assert cut is not None
    assert cut.max() == 1
    assert (cut > 0).all()
    assert (cut.sum((1, 2, 3)) < 36 / 3).all()


@every_variant
def test_samples_do_not_see_one_another_and_places_have_no_order(variant: DyReLUVariant) -> None:
    module, x = moved(DyReLU(5, variant=variant)).double(), maps(batch=4).double()
    other = x.clone()
    other[1] += 1
    others = [0, 2, 3]
    torch.testing.assert_close(module(other)[others], module(x)[others], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(module(other)[1], module(x)[1])
    order = torch.randperm(16, generator=torch.Generator().manual_seed(4))
    shuffled = x.flatten(2)[:, :, order].view(x.shape)
    wanted = module(x).flatten(2)[:, :, order].view(x.shape)
    torch.testing.assert_close(module(shuffled), wanted, rtol=1e-12, atol=1e-12)


def test_channels_of_a_have_no_order_if_the_first_layer_is_shuffled_with_them() -> None:
    module, x = moved(DyReLU(5, variant="A")).double(), maps().double()
    order = torch.tensor([3, 0, 4, 1, 2])
    wanted = module(x)[:, order]
    with torch.no_grad():
        module.fc1.weight.copy_(module.fc1.weight[:, order])
    torch.testing.assert_close(module(x[:, order]), wanted, rtol=1e-12, atol=1e-12)


@every_variant
def test_bfloat16_is_rounded_once_and_autocast_changes_nothing(variant: DyReLUVariant) -> None:
    module, x = moved(DyReLU(5, variant=variant)), maps().bfloat16()
    wanted = module(x.float()).bfloat16()
    assert torch.equal(module(x), wanted)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(x), wanted)


@every_variant
@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize(("channels", "reduction"), [(3, 8), (1, 8), (64, 8), (24, 4)])
def test_parameters_are_counted_by_the_formulas(
    variant: DyReLUVariant, pieces: int, channels: int, reduction: int
) -> None:
    c, k, h = channels, pieces, max(1, channels // reduction)
    a = c * h + h + h * 2 * k + 2 * k
    b = c * h + h + h * 2 * k * c + 2 * k * c
    module = DyReLU(c, variant=variant, pieces=k, reduction=reduction)
    assert sum(p.numel() for p in module.parameters()) == {"A": a, "B": b, "C": b + c + 1}[variant]
    assert module(torch.randn(2, c, 3, 3)).shape == (2, c, 3, 3)


@cache
def _sites(arch: Any, width: float) -> dict[str, int]:
    """Channels by site."""
    with torch.device("meta"):
        model = TorchvisionNet(nn.PReLU, num_classes=1000, arch=arch, width=width)
    return {site: model.get_parameter(f"{site}.weight").numel() for site in model.sites()}


def _millions(channels: dict[str, int], **options: Any) -> float:
    with torch.device("meta"):
        units = [DyReLU(number, **options) for number in channels.values()]
    return sum(p.numel() for unit in units for p in unit.parameters()) / 1e6


@pytest.mark.parametrize(
    ("arch", "width", "options", "inner", "everywhere"),
    [
        ("mobilenet_v2", 1.0, {"reduction": 4}, "11.34", "13.39"),
        ("mobilenet_v2", 1.0, {"reduction": 8}, "5.70", "6.73"),
        ("mobilenet_v2", 1.0, {"reduction": 16}, "2.88", "3.40"),
        ("mobilenet_v2", 1.0, {"reduction": 8, "variant": "A"}, None, "1.34"),
        ("mobilenet_v2", 0.35, {"reduction": 8}, "0.73", "1.76"),
        ("resnet18", 1.0, {"reduction": 4}, None, "1.763"),
        ("resnet18", 1.0, {"reduction": 8}, None, "0.889"),
        ("resnet18", 1.0, {"reduction": 16}, None, "0.452"),
        ("resnet18", 1.0, {"reduction": 8, "variant": "A"}, None, "0.177"),
    ],
)
def test_totals_over_the_papers_networks(
    arch: str, width: float, options: dict[str, Any], inner: str | None, everywhere: str
) -> None:
    """`inner` leaves out the stem and the last convolution of MobileNet-V2."""
    sites = _sites(arch, width)
    assert len(sites) == {"mobilenet_v2": 35, "resnet18": 17}[arch]
    digits = len(everywhere.partition(".")[2])
    assert f"{_millions(sites, **options):.{digits}f}" == everywhere
    if inner is not None:
        (first, *_), last = sites, list(sites)[-1]
        within = {site: number for site, number in sites.items() if site not in (first, last)}
        assert f"{_millions(within, **options):.2f}" == inner


def test_a_recipes_mobilenet_gets_units_of_these_sizes() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "counts",
            "profile": "paper",
            "data": {"name": "synthetic"},
            "model": {"name": "torchvision", "arch": "mobilenet_v2", "width": 0.35},
            "arms": [{"name": "dyrelu", "activation": "dyrelu"}],
            "train": {"epochs": 1, "lr": 0.1},
        }
    )
    model = build_model(recipe, recipe.arms[0], seed=0, num_classes=10, channels=3)
    units = activation_sites(model).values()
    assert f"{sum(p.numel() for unit in units for p in unit.parameters()) / 1e6:.2f}" == "1.76"
