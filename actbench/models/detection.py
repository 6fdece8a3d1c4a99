"""RetinaNet and Mask R-CNN of torchvision, trained from scratch, with activation sites in the body alone.

Structure   torchvision's detectors around our ResNet, whose parameters bear torchvision's names: what
            `retinanet_resnet50_fpn` and `maskrcnn_resnet50_fpn` build with weights=None, weights_backbone=None, to
            the last bit, but for the body's activations. Heads, feature pyramid and proposal network keep their
            ReLUs; ResNet-50 has 49 sites, ResNet-18 has 17.
Norm        plain BatchNorm2d in the body, as torchvision builds it from scratch, and none in pyramid and heads;
            with few pictures per batch its statistics are noisy, for every arm alike
Input       pictures (3, H, W) in [0, 1], each of its own size; torchvision's transform resizes (bilinear, shorter
            side to `size`), normalises and pads to multiples of 32, and answers are scaled back to the picture
Forward     in training (images, targets) -> losses by name; in evaluation images -> boxes (n, 4) as corners in
            pixels, labels from 1, scores, and for Mask R-CNN masks (n, 1, H, W) in [0, 1]
Init        torchvision's, part by part
Source      Lin et al., 2017, arXiv:1708.02002; He et al., 2017, arXiv:1703.06870
Departures  none at the default options; other widths, depths and numbers of proposals are for small budgets
"""

import math
from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from actbench.models.merge import fold_in_place_of
from actbench.models.network import ActivationFactory, Network
from actbench.models.resnet import BasicBlock, Bottleneck, ResNet

BODY = "detector.backbone.body"
PRIOR = 0.01
"""RetinaNet's first guess of the chance that a place holds an object (arXiv:1708.02002, section 4.1)."""


class Detector(Network):
    """One of torchvision's detectors in `self.detector`, and what the bench asks of a network."""

    detector: nn.Module

    def frame_input(
        self, *, size: int, max_size: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        transform: Any = self.detector.transform
        transform.min_size, transform.max_size = (size,), max_size
        transform.image_mean, transform.image_std = list(mean), list(std)

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        return self.detector(images, targets)

    def features(self, images: Tensor) -> list[Tensor]:
        backbone: Any = self.detector.backbone
        return list(backbone(images).values())

    def sites(self) -> tuple[str, ...]:
        inner = [
            f"{path}.{name}"
            for path, module in self.named_modules()
            if isinstance(module, BasicBlock | Bottleneck)
            for name in module.site_names
        ]
        return (f"{BODY}.act1", *inner)

    def stem_sites(self) -> tuple[str, ...]:
        return (f"{BODY}.act1",)

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:
        path = next(path for path, found in self.named_modules() if found is module)
        if path.startswith(BODY):
            nn.init.kaiming_normal_(values, mode="fan_out", nonlinearity="relu", generator=generator)
        elif path.startswith("detector.backbone.fpn"):
            if key == "weight":
                nn.init.kaiming_uniform_(values, a=1, generator=generator)
            else:
                values.zero_()
        else:
            self.draw_head(path, module, key, values, generator)

    @abstractmethod
    def draw_head(
        self, path: str, module: nn.Module, key: str, values: Tensor, generator: torch.Generator
    ) -> None:
        """Fills `values` with the initial values of a parameter behind the feature pyramid."""

    def merge_convolutions(self) -> None:
        body = self.get_submodule(BODY)
        assert isinstance(body, nn.ModuleDict)
        conv = body["conv1"]
        assert isinstance(conv, nn.Conv2d)
        body["conv1"], body["bn1"] = fold_in_place_of(conv, body["bn1"])
        for module in list(body.modules()):
            if isinstance(module, BasicBlock | Bottleneck):
                module.merge_convolutions()


class RetinaNet(Detector):
    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: Literal[18, 34, 50] = 50,
        width: int = 64,
        fpn_channels: int = 256,
    ) -> None:
        super().__init__()
        body = ResNet(act, num_classes=1, in_channels=in_channels, depth=depth, width=width)
        # Without layer1, whose map would hold too many anchors.
        extra = LastLevelP6P7(fpn_channels, fpn_channels)
        backbone = _backbone(body, (2, 3, 4), fpn_channels, extra)
        # The background is a class of its own to torchvision, of label 0.
        self.detector = detection.RetinaNet(backbone, num_classes + 1)

    def draw_head(
        self,
        path: str,
        module: nn.Module,  # noqa: ARG002
        key: str,
        values: Tensor,
        generator: torch.Generator,
    ) -> None:
        if key == "weight":
            values.normal_(std=0.01, generator=generator)
        else:
            values.fill_(-math.log((1 - PRIOR) / PRIOR) if path.endswith("cls_logits") else 0.0)


class MaskRCNN(Detector):
    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: Literal[18, 34, 50] = 50,
        width: int = 64,
        fpn_channels: int = 256,
        proposals: int = 512,
    ) -> None:
        super().__init__()
        body = ResNet(act, num_classes=1, in_channels=in_channels, depth=depth, width=width)
        backbone = _backbone(body, (1, 2, 3, 4), fpn_channels, LastLevelMaxPool())
        self.detector = detection.MaskRCNN(
            backbone,
            num_classes + 1,
            box_batch_size_per_image=proposals,
            mask_head=MaskRCNNHeads(fpn_channels, (fpn_channels,) * 4, 1),
        )
        # torchvision's own takes 256 channels, whatever the pyramid has.
        heads: Any = self.detector.roi_heads
        heads.mask_predictor = MaskRCNNPredictor(fpn_channels, fpn_channels, num_classes + 1)

    def draw_head(
        self, path: str, module: nn.Module, key: str, values: Tensor, generator: torch.Generator
    ) -> None:
        if path.startswith("detector.rpn"):
            if key == "weight":
                values.normal_(std=0.01, generator=generator)
            else:
                values.zero_()
        elif "mask_" in path and key == "weight":
            nn.init.kaiming_normal_(values, mode="fan_out", nonlinearity="relu", generator=generator)
        elif "mask_head" in path:
            values.zero_()
        else:
            # PyTorch's own default; of a transposed convolution it takes the second axis for the inputs.
            weight = module.weight
            assert isinstance(weight, Tensor)
            bound = 1.0 / math.sqrt(weight[0].numel())
            values.uniform_(-bound, bound, generator=generator)


def _backbone(body: ResNet, layers: tuple[int, ...], channels: int, extra: nn.Module) -> nn.Module:
    """The body with a feature pyramid on these of its layers; the rest of the body is left out."""
    widest = body.fc.in_features
    backbone: nn.Module = BackboneWithFPN(
        body,
        {f"layer{layer}": str(place) for place, layer in enumerate(layers)},
        [widest >> (4 - layer) for layer in layers],
        channels,
        extra_blocks=extra,
    )
    return backbone
