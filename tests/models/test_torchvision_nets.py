"""torchvision's networks as models of the catalogue: theirs to the last bit, with sites of our own."""

import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch
import torchvision
from torch import Tensor, nn

from actbench.models.catalog import TORCHVISION_ARCHS, TorchvisionArch
from actbench.models.torchvision_nets import TorchvisionNet

RequireEqual = Callable[[nn.Module, nn.Module, Tensor], None]
NATIVE = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hardswish": nn.Hardswish, "silu": nn.SiLU}
SITES: dict[TorchvisionArch, dict[str, int]] = {
    "resnet18": {"relu": 17},
    "resnet50": {"relu": 49},
    "mobilenet_v2": {"relu6": 35},
    "mobilenet_v3_large": {"hardswish": 21, "relu": 19},
    "efficientnet_b0": {"silu": 49},
}
archs = pytest.mark.parametrize("arch", list(TORCHVISION_ARCHS))


class Site(nn.Module):
    """A place for an activation, as the core makes them."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.num_channels = num_channels


def native(arch: TorchvisionArch, **options: object) -> TorchvisionNet:
    """With the architecture's own activation put back at every site."""
    model = TorchvisionNet(Site, num_classes=10, arch=arch, **options)  # type: ignore[arg-type]
    for site in model.sites():
        model.set_submodule(site, NATIVE[model.native_at(site)]())
    return model


@archs
def test_sites_and_what_stands_there(arch: TorchvisionArch) -> None:
    with torch.device("meta"):
        model = TorchvisionNet(Site, num_classes=10, arch=arch)
    kinds = [model.native_at(site) for site in model.sites()]
    assert {kind: kinds.count(kind) for kind in kinds} == SITES[arch]
    assert set(TORCHVISION_ARCHS[arch].native) == set(kinds)
    first = "net.relu" if arch.startswith("resnet") else "net.features.0.2"
    assert model.stem_sites() == (first,) == model.sites()[:1]
    assert not any(type(module) in NATIVE.values() for module in model.modules())


@pytest.mark.parametrize(
    "arch",
    [
        "resnet18",
        pytest.param("resnet50", marks=pytest.mark.slow),
        "mobilenet_v2",
        "mobilenet_v3_large",
        pytest.param("efficientnet_b0", marks=pytest.mark.slow),
    ],
)
def test_native_equals_torchvision_bit_for_bit(
    arch: TorchvisionArch, require_bitwise_equal: RequireEqual
) -> None:
    theirs = getattr(torchvision.models, arch)(weights=None, num_classes=10)
    ours = native(arch)
    ours.net.load_state_dict(theirs.state_dict())
    require_bitwise_equal(theirs, ours.net, torch.randn(2, 3, 48, 64))
    assert torch.equal(ours(x := torch.randn(1, 3, 64, 64)), theirs(x))


@pytest.mark.parametrize("arch", ["resnet18", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0"])
@pytest.mark.parametrize(("stem", "side"), [("imagenet", 1), ("cifar", 4)])
def test_the_stem_decides_the_last_maps_of_small_images(
    arch: TorchvisionArch, stem: Literal["imagenet", "cifar"], side: int
) -> None:
    with torch.device("meta"):
        model = native(arch, stem=stem)
        theirs = getattr(torchvision.models, arch)(weights=None, num_classes=10)
        last = model.get_submodule("net.layer4" if arch == "resnet18" else "net.features")
        sides: list[tuple[int, ...]] = []
        last.register_forward_hook(lambda _module, _args, y: sides.append(tuple(y.shape[2:])))
        model(torch.zeros(2, 3, 32, 32))
    assert sides == [(side, side)]
    shapes = {name: value.shape for name, value in model.net.state_dict().items()}
    differing = {name for name, value in theirs.state_dict().items() if value.shape != shapes[name]}
    assert differing == ({"conv1.weight"} if (arch, stem) == ("resnet18", "cifar") else set())


@pytest.mark.parametrize(
    "arch",
    ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow), "mobilenet_v2"]
    + [pytest.param(arch, marks=pytest.mark.slow) for arch in ("mobilenet_v3_large", "efficientnet_b0")],
)
def test_initial_values_have_torchvisions_distribution(arch: TorchvisionArch) -> None:
    """By parameter: ours against bounds and deviations of the published formulas, and theirs against the same."""
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, arch)(weights=None, num_classes=100)
    ours = TorchvisionNet(nn.PReLU, num_classes=100, arch=arch)
    generator = torch.Generator().manual_seed(0)
    sites = set(ours.sites())
    for path, module in ours.named_modules():
        if path in sites:
            continue
        for key, parameter in module.named_parameters(recurse=False):
            ours.init_parameter(module, key, parameter, generator)
            drawn = parameter.detach()
            published = theirs.get_parameter(f"{path}.{key}".removeprefix("net.")).detach()
            assert drawn.shape == published.shape
            if float(published.std(correction=0)) == 0:
                assert torch.equal(drawn, published), f"{path}.{key}"
                continue
            # The standard error of a normal sample's deviation is std / sqrt(2 n), of its mean std / sqrt(n).
            n, std = drawn.numel(), float(published.std())
            assert abs(float(drawn.std()) / std - 1) < 6 / math.sqrt(n), f"{path}.{key}"
            assert abs(float(drawn.mean())) < 6 * std / math.sqrt(n), f"{path}.{key}"
            flat = (drawn.abs().max() / drawn.std(), published.abs().max() / published.std())
            assert (flat[0] < 1.9) == (flat[1] < 1.9), f"{path}.{key}: one is uniform"


@pytest.mark.parametrize(
    "arch", ["mobilenet_v3_large", "efficientnet_b0", pytest.param("resnet50", marks=pytest.mark.slow)]
)
def test_deploy_folds_every_normalisation(arch: TorchvisionArch) -> None:
    torch.manual_seed(0)
    model = native(arch, stem="cifar").double()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
        x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
        before = model.eval()(x)
        after = model.deploy()(x)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert before.std() > 1e-6
    # some fifty layers of sums in float64, each rounded to 1e-16
    assert torch.allclose(before, after, rtol=1e-9, atol=1e-9 * float(before.abs().max()))


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_width_and_channels(stem: Literal["imagenet", "cifar"]) -> None:
    with torch.device("meta"):
        model = TorchvisionNet(
            Site, num_classes=10, in_channels=1, arch="mobilenet_v2", stem=stem, width=0.25
        )
        theirs = torchvision.models.mobilenet_v2(weights=None, num_classes=10, width_mult=0.25)
    ours = {name: value.shape for name, value in model.net.state_dict().items()}
    want = {name: value.shape for name, value in theirs.state_dict().items()}
    assert ours.pop("features.0.0.weight")[1] == 1
    assert want.pop("features.0.0.weight")[1] == 3
    assert ours == want
