"""Our detectors are torchvision's but for the body's activations."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import detection

from actbench.models.detection import Detector, MaskRCNN, RetinaNet
from actbench.models.network import FramesInput

PAIRS: dict[str, tuple[type[Detector], Any]] = {
    "retinanet": (RetinaNet, detection.retinanet_resnet50_fpn),
    "maskrcnn": (MaskRCNN, detection.maskrcnn_resnet50_fpn),
}


def relu(_channels: int) -> nn.Module:
    return nn.ReLU()


def pictures() -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(3, height, width, generator=generator) for height, width in ((60, 80), (70, 50))]
    targets = [
        {
            "boxes": torch.tensor([[5.0, 6.0, 40.0, 50.0], [1.0, 2.0, 20.0, 30.0]][:count]),
            "labels": torch.arange(1, count + 1),
            "masks": torch.ones(count, *image.shape[1:], dtype=torch.uint8),
        }
        for count, image in zip((1, 2), images, strict=True)
    ]
    return images, targets


@pytest.mark.parametrize("name", ["retinanet", pytest.param("maskrcnn", marks=pytest.mark.slow)])
def test_with_relu_it_is_torchvisions_to_the_last_bit(name: str) -> None:
    make, reference = PAIRS[name]
    theirs = reference(weights=None, weights_backbone=None, num_classes=4, min_size=64, max_size=128)
    ours = make(relu, num_classes=3)
    assert isinstance(ours, FramesInput)
    ours.frame_input(size=64, max_size=128, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    ours.detector.load_state_dict(theirs.state_dict())
    assert not any(isinstance(module, nn.modules.batchnorm.SyncBatchNorm) for module in ours.modules())
    assert sum(type(module) is nn.BatchNorm2d for module in ours.modules()) == 53
    if name == "maskrcnn":  # fewer answers: a mask for each of a hundred takes long
        ours.get_submodule("detector.roi_heads").detections_per_img = 5  # type: ignore[assignment]
        theirs.roi_heads.detections_per_img = 5
    images, targets = pictures()
    losses = []
    for model in (ours, theirs):
        torch.manual_seed(0)
        losses.append(model(images, targets))
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][key], losses[1][key]) for key in losses[0])
    with torch.no_grad():
        for found, expected in zip(ours.eval()(images), theirs.eval()(images), strict=True):
            assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("depth", "count"), [(18, 17), (50, 49)])
def test_sites_are_those_of_the_body_alone(name: str, depth: int, count: int) -> None:
    made: list[nn.Module] = []

    def act(_channels: int) -> nn.Module:
        made.append(nn.SiLU())
        return made[-1]

    model = PAIRS[name][0](act, num_classes=3, depth=depth, width=8, fpn_channels=16)
    sites = model.sites()
    assert len(sites) == len(made) == count
    assert {id(model.get_submodule(site)) for site in sites} == {id(module) for module in made}
    assert all(site.startswith("detector.backbone.body.") for site in sites)
    assert model.stem_sites() == ("detector.backbone.body.act1",)
    outside = [
        module for path, module in model.named_modules() if not path.startswith("detector.backbone.body")
    ]
    assert any(isinstance(module, nn.ReLU) for module in outside)


@pytest.mark.parametrize("name", PAIRS)
def test_initial_values_are_torchvisions_by_their_moments(name: str) -> None:
    """Every parameter is drawn anew; mean and deviation agree with torchvision's own draw of it."""
    make, reference = PAIRS[name]
    theirs = dict(reference(weights=None, weights_backbone=None, num_classes=4).named_parameters())
    ours = make(relu, num_classes=3)
    generator = torch.Generator()
    for number, (prefix, module) in enumerate(ours.named_modules()):
        for key, parameter in module.named_parameters(recurse=False):
            generator.manual_seed(number)
            ours.init_parameter(module, key, parameter, generator)
            expected = theirs[f"{prefix}.{key}".removeprefix("detector.")]
            count = parameter.numel()
            spread = expected.std().item() if count > 1 else 0.0
            slack = 6 / math.sqrt(count)
            assert parameter.mean().item() == pytest.approx(
                expected.mean().item(), abs=slack * spread + 1e-6
            ), prefix
            if count > 64:
                assert parameter.std().item() == pytest.approx(spread, rel=slack, abs=1e-6), prefix


@pytest.mark.parametrize("name", PAIRS)
def test_the_deploy_form_finds_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = PAIRS[name][0](relu, num_classes=3, depth=18, width=8, fpn_channels=16)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
    model.eval()
    deployed = copy.deepcopy(model).deploy()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in deployed.modules())
    images = torch.rand(2, 3, 64, 64)
    for found, expected in zip(deployed.features(images), model.features(images), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
