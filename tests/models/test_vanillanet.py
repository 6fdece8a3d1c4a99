"""VanillaNet: structure, the schedule of lambda, and when its pairs may merge."""

import math
from typing import Literal

import pytest
import torch
import torch._dynamo
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.vanillanet import ConvPair, VanillaNet


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        (0.25, (128, 256, 512, 1024)),  # the quarter width of LSLU's repository
        (0.125, (64, 128, 256, 512)),
        (1.5, (768, 1536, 3072, 6144)),
        (0.01, (8, 8, 24, 40)),  # 5.12, 10.24, 20.48, 40.96 to the nearest multiple of 8, at least 8
    ],
)
def test_width_scales_every_layer(width: float, channels: tuple[int, ...]) -> None:
    made: list[int] = []

    def act(num_channels: int) -> nn.Module:
        made.append(num_channels)
        return nn.ReLU()

    with torch.device("meta"):
        model = VanillaNet(act, num_classes=10, width=width)
    assert tuple(made) == channels
    assert all(isinstance(stage.pool, nn.MaxPool2d) for stage in model.stages)
    assert model(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("side", [32, 48])
def test_stem_divides_the_side_by_its_stride(stride: Literal[1, 2, 4], side: int) -> None:
    model = VanillaNet(lambda _: nn.ReLU(), num_classes=10, width=1 / 64, stem_stride=stride)
    y = model.stem(model.stem_padding(torch.randn(2, 3, side, side)))
    assert y.shape[2:] == (side // stride, side // stride)


def test_pair_by_hand() -> None:
    # In eval with fresh BN (its eps apart): -2, doubled -4, lambda 0.25 makes it -1, minus 3 is -4.
    pair = ConvPair(nn.Conv2d(1, 1, 1), 1, normalize_output=False).double().eval()
    with torch.no_grad():
        pair.conv1.weight.fill_(2.0)
        pair.conv2.weight.fill_(1.0)
        for conv, bias in ((pair.conv1, 0.0), (pair.conv2, -3.0)):
            assert conv.bias is not None
            conv.bias.fill_(bias)
    pair.negative_slope = 0.25
    x = torch.tensor([-2.0, 3.0], dtype=torch.float64).view(2, 1, 1, 1)
    torch.testing.assert_close(
        pair(x).flatten(), torch.tensor([-4.0, 3.0], dtype=torch.float64), rtol=1e-5, atol=0
    )


def test_slope_is_one_minus_lambda_times_relu_plus_lambda_times_x() -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    for slope in (0.0, 0.3, 1.0):
        want = (1 - slope) * torch.relu(x) + slope * x
        torch.testing.assert_close(F.leaky_relu(x, slope), want, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("decay_epochs", [1, 3, 100])
def test_linear_schedule(decay_epochs: int) -> None:
    model = small(decay_epochs=decay_epochs)
    assert model.deep_lambda == 0.0
    assert [model.deep_lambda_at(e) for e in range(decay_epochs)] == [
        e / decay_epochs for e in range(decay_epochs)
    ]
    assert [model.deep_lambda_at(decay_epochs + after) for after in (0, 1, 1000)] == [1.0, 1.0, 1.0]


def test_cosine_schedule() -> None:
    model = small(decay="cosine", decay_epochs=4)
    # 0.5 (1 - cos(pi e / 4)) at e = 0..3, then exactly 1
    half = math.sqrt(0.5)
    want = [0.0, 0.5 * (1 - half), 0.5, 0.5 * (1 + half), 1.0, 1.0]
    got = [model.deep_lambda_at(epoch) for epoch in range(6)]
    assert got == pytest.approx(want, abs=1e-15)
    assert got[0] == 0.0
    assert got[4:] == [1.0, 1.0]
    assert small(decay="cosine", decay_epochs=7).deep_lambda_at(7) == 1.0


def small(
    decay: Literal["linear", "cosine"] = "linear",
    decay_epochs: int = 10,
    stem_stride: Literal[1, 2, 4] = 4,
    dropout: float = 0.0,
) -> VanillaNet:
    return VanillaNet(
        nn.PReLU,
        num_classes=5,
        width=1 / 32,
        stem_stride=stem_stride,
        dropout=dropout,
        decay=decay,
        decay_epochs=decay_epochs,
    )


def test_one_lambda_for_stem_stages_and_head() -> None:
    model = small()
    model.set_deep_lambda(0.375)
    pairs = [module for module in model.modules() if isinstance(module, ConvPair)]
    assert len(pairs) == 5
    assert {pair.negative_slope for pair in pairs} == {0.375}
    assert model.deep_lambda == 0.375
    assert not any("lambda" in key or "slope" in key for key in model.state_dict())


def test_at_one_nothing_stands_between_the_pairs() -> None:
    model = small().double().eval()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    model.set_deep_lambda(1.0)
    linear = model(x)
    for module in model.modules():
        if isinstance(module, ConvPair):
            module.negative_slope = 1.0 - 1e-12
    assert not torch.equal(model(x), linear)
    torch.testing.assert_close(model(x), linear, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.5, 0.99, 1.0 - 1e-9])
def test_deploy_is_refused_before_lambda_is_one(value: float) -> None:
    model = small(decay_epochs=12)
    model.set_deep_lambda(value)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(ActbenchError) as caught:
        model.deploy()
    message = str(caught.value)
    assert f"cannot deploy VanillaNet at lambda = {value}:" in message
    assert "slope below zero of the ReLU between paired convolutions" in message
    assert "train more than decay_epochs = 12 epochs" in message
    # Refused as a whole: nothing was merged, no site deployed.
    assert not model.deployed
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


def test_merging_below_one_would_be_wrong() -> None:
    torch.manual_seed(0)
    pair = ConvPair(nn.Conv2d(8, 8, 1), 8).eval()
    pair.negative_slope = 1.0
    merged = pair.merged()
    pair.negative_slope = 0.5
    x = torch.randn(4, 8, 3, 3)
    assert (pair(x) - merged(x)).abs().max() > 0.01


def test_deployed_layers_are_single_convolutions() -> None:
    model = small()
    model.set_deep_lambda(1.0)
    model.deploy()
    convs = [model.stem.conv, *(stage.get_submodule("conv") for stage in model.stages), model.head]
    assert all(isinstance(conv, nn.Conv2d) for conv in convs)
    with pytest.raises(ActbenchError, match=r"lambda cannot be 0.5 in a deployed model"):
        model.set_deep_lambda(0.5)
    model.set_deep_lambda(1.0)


def test_dropout_stands_before_the_head() -> None:
    model = small(dropout=0.5)
    seen: list[Tensor] = []
    model.head.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    torch.manual_seed(0)
    x = torch.randn(64, 3, 32, 32)
    model.train()(x)
    model.eval()(x)
    dropped, kept = (float((features == 0).double().mean()) for features in seen)
    # 64 x 128 features, each dropped with probability 1/2: five standard deviations are 0.028
    assert abs(dropped - 0.5) < 0.028
    assert kept == 0.0


def test_initial_convolutions_are_normal_with_std_002() -> None:
    model = VanillaNet(lambda _: nn.ReLU(), num_classes=10, width=0.25)
    conv = model.stages[0].get_submodule("conv.conv2")
    assert isinstance(conv, nn.Conv2d)
    model.init_parameter(conv, "weight", conv.weight, torch.Generator().manual_seed(0))
    # 128 x 256 draws: the deviation's own standard error is 0.02 / sqrt(2 * 32768), five of them allowed
    assert abs(float(conv.weight.detach().std()) - 0.02) < 5 * 0.02 / math.sqrt(2 * conv.weight.numel())
    assert abs(float(conv.weight.detach().mean())) < 5 * 0.02 / math.sqrt(conv.weight.numel())
    assert conv.bias is not None
    model.init_parameter(conv, "bias", conv.bias, torch.Generator())
    assert not conv.bias.any()


def test_compiled_model_follows_lambda_through_a_long_schedule() -> None:
    torch._dynamo.reset()
    model = small(decay_epochs=30).eval()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    x = torch.randn(2, 3, 32, 32)
    for epoch in range(32):
        model.set_deep_lambda(model.deep_lambda_at(epoch))
        assert torch.equal(compiled(x), model(x)), epoch
