"""swap_activations: an activation swapped for itself changes no bit; names, options, channels, dtype."""

import copy
import subprocess
import sys
from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import actbench
from actbench.errors import ActbenchError

RequireEqual = Callable[[nn.Module, nn.Module, Tensor], None]

slow = pytest.mark.slow


def of_torchvision(name: str) -> nn.Module:
    options = {"init_weights": False} if name == "googlenet" else {}
    model: nn.Module = getattr(torchvision.models, name)(weights=None, **options)
    return model


def of_timm(name: str) -> nn.Module:
    model: nn.Module = timm.create_model(name, pretrained=False)
    return model


@pytest.mark.parametrize(
    ("make", "name", "kind", "sites"),
    [
        # those that recipes name
        (of_torchvision, "resnet18", "relu", 17),
        pytest.param(of_torchvision, "resnet50", "relu", 49, marks=slow),
        pytest.param(of_torchvision, "mobilenet_v2", "relu6", 35, marks=slow),
        pytest.param(of_torchvision, "mobilenet_v3_large", "relu", 19, marks=slow),
        pytest.param(of_torchvision, "mobilenet_v3_large", "hardswish", 21, marks=slow),
        pytest.param(of_torchvision, "efficientnet_b0", "silu", 49, marks=slow),
        # functional calls; functional and module calls; shared modules; pre-activation; channels last in tokens
        pytest.param(of_torchvision, "googlenet", "relu", 61, marks=slow),
        pytest.param(of_torchvision, "densenet121", "relu", 121, marks=slow),
        (of_torchvision, "squeezenet1_1", "relu", 26),
        (of_torchvision, "shufflenet_v2_x0_5", "relu", 37),
        pytest.param(of_torchvision, "regnet_y_400mf", "relu", 65, marks=slow),
        pytest.param(of_torchvision, "convnext_tiny", "gelu", 18, marks=slow),
        pytest.param(of_timm, "resnet18", "relu", 17, marks=slow),
        pytest.param(of_timm, "res2net50_26w_4s", "relu", 81, marks=slow),
        pytest.param(of_timm, "dla34", "relu", 33, marks=slow),  # blocks with an optional argument
        pytest.param(of_timm, "resnetv2_50", "relu", 49, marks=slow),
        pytest.param(of_timm, "convnext_atto", "gelu", 12, marks=slow),
        pytest.param(of_timm, "mobilenetv3_small_050", "hardswish", 19, marks=slow),
        pytest.param(of_timm, "efficientnet_b0", "silu", 49, marks=slow),
    ],
)
def test_swapped_for_itself_nothing_changes(
    make: Callable[[str], nn.Module], name: str, kind: str, sites: int, require_bitwise_equal: RequireEqual
) -> None:
    torch.manual_seed(0)
    plain = make(name)
    changed = copy.deepcopy(plain)
    result = actbench.swap_activations(changed, kind, from_=kind)
    assert result.model is changed
    assert len(result.sites) == len(set(result.sites)) == sites
    assert list(changed.state_dict()) == list(plain.state_dict())
    for path in result.sites:
        assert type(changed.get_submodule(path)).__module__.startswith("actbench.activations")
    require_bitwise_equal(plain, changed, torch.randn(2, 3, 64 if make is of_timm else 48, 64))


@pytest.mark.slow
def test_a_loop_over_branches_is_refused_whole() -> None:
    model = of_timm("hrnet_w18_small")
    before = str(model)
    with pytest.raises(
        ActbenchError, match=r"'stage2\.0' calls relu, but its forward cannot be traced"
    ) as caught:
        actbench.swap_activations(model, "relu", from_="relu")
    assert "hrnet.py:" in str(caught.value)
    assert "stage2.0.fuse_act" in str(caught.value)
    assert str(model) == before


def test_pwlu_in_a_network_made_elsewhere() -> None:
    model = of_torchvision("shufflenet_v2_x0_5")
    result = actbench.swap_activations(model, "pwlu", from_="relu", intervals=4)
    made = [model.get_submodule(path) for path in result.sites]
    assert len({id(module) for module in made}) == len(made) == 37
    assert {tuple(module.get_parameter("heights").shape)[1] for module in made} == {5}
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None for module in made for p in module.parameters() if p.requires_grad)


def test_a_gated_activation_has_no_place_and_the_model_stays_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    for to in ("swiglu", lambda n: actbench.create_activation("swiglu", n)):
        with pytest.raises(
            ActbenchError, match="SwiGLU is gated: it takes twice the channels that stand at '1'"
        ):
            actbench.swap_activations(model, to, from_="relu")
    assert isinstance(model[1], nn.ReLU)


def test_a_factory_gets_the_channels() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.ReLU())
    result = actbench.swap_activations(model, nn.PReLU, from_="relu", sites=["1"])
    assert result.sites == ("1",)
    slope = model.get_submodule("1").get_parameter("weight")
    assert slope.shape == (5,)
    assert type(model[3]) is nn.ReLU


def test_tokens_get_their_channel_dimension() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.GELU())
    actbench.swap_activations(model, "swish", from_="gelu")
    assert model(torch.randn(2, 7, 3)).shape == (2, 7, 5)


def test_dtype_and_mode_of_the_model() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU()).double().eval()
    actbench.swap_activations(model, "swish", from_="relu")
    beta = next(model[1].parameters())
    assert (beta.dtype, model[1].training) == (torch.float64, False)


@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        ("pwlv", {}, "unknown activation 'pwlv'"),
        ("swish", {"betta": 1.0}, "unknown option 'betta' of activation 'swish'"),
        (nn.PReLU, {"intervals": 4}, "not to a factory: intervals"),
    ],
)
def test_wrong_names_and_options_are_known_before_the_model_is_touched(
    to: str | Callable[[int], nn.Module], options: dict[str, object], message: str
) -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    with pytest.raises(ActbenchError, match=message):
        actbench.swap_activations(model, to, from_="relu", **options)  # type: ignore[arg-type]
    assert type(model[1]) is nn.ReLU


def test_the_name_is_there_without_torch() -> None:
    code = "import actbench, sys; assert 'swap_activations' in actbench.__all__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
