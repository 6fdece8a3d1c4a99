"""torchvision's classification networks, with an own activation at every call of one.

Structure   torchvision's, with its dropout and stochastic depth; the activations that the architecture calls are
            found and exchanged call by call (`call_sites.py`), ResNet-18's 17 calls of 9 modules become 17 sites.
            Sites are all calls of the architecture's own activation, the one between the two layers of a
            squeeze-and-excite block among them; the block's sigmoid gate is none.
stem        imagenet: as published. cifar, for images of 32 pixels: ResNets get a 3x3 convolution of stride 1
            without a pool; the others stride 1 in the stem and in the first depthwise convolution that halves the
            side, so that a last map of 4x4 is left. The choice of these two strides is ours.
Shapes      x: (N, in_channels, H, W) -> logits: (N, num_classes)
Init        as torchvision codes it: convolutions normal by fan-out; ResNet's linear layer uniform by fan-in, the
            MobileNets' normal with std 0.01, EfficientNet's uniform by fan-out; other biases 0, BN 1 and 0
Source      He et al., 2015, arXiv:1512.03385; Sandler et al., 2018, arXiv:1801.04381; Howard et al., 2019,
            arXiv:1905.02244; Tan and Le, 2019, arXiv:1905.11946
Departures  convolutions before EfficientNet's and the MobileNets' normalisation as torchvision has them, whose ResNet
            strides in the 3x3 convolution of a bottleneck, not in the 1x1 before it
"""

import math
from itertools import pairwise
from typing import Any, Literal

import torch
import torchvision
from torch import Tensor, nn

from actbench.models.call_sites import replace_calls
from actbench.models.catalog import TORCHVISION_ARCHS, TorchvisionArch
from actbench.models.merge import fold_in_place_of
from actbench.models.network import ActivationFactory, Network


class TorchvisionNet(Network):
    """One of the catalogue's architectures, without trained weights; `width` scales MobileNet-V2's channels."""

    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        arch: TorchvisionArch = "resnet18",
        stem: Literal["imagenet", "cifar"] = "imagenet",
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.arch = arch
        scaled: dict[str, Any] = {"width_mult": width} if width != 1 else {}
        build = getattr(torchvision.models, arch)
        self.net: nn.Module = build(weights=None, num_classes=num_classes, **scaled)
        _take_channels(self.net, in_channels)
        if stem == "cifar":
            _keep_small_maps(self.net)
        replaced = replace_calls(
            self.net, lambda site: act(site.num_channels), from_=TORCHVISION_ARCHS[arch].native
        )
        self._native = {f"net.{site.name}": site.kind for site in replaced}

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def sites(self) -> tuple[str, ...]:
        return tuple(self._native)

    def stem_sites(self) -> tuple[str, ...]:
        return self.sites()[:1]

    def native_at(self, site: str) -> str:
        return self._native[site]

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:
        if isinstance(module, nn.Conv2d):
            if key == "bias":
                values.zero_()
            else:
                nn.init.kaiming_normal_(values, mode="fan_out", nonlinearity="relu", generator=generator)
            return
        assert isinstance(module, nn.Linear)
        if self.arch.startswith("resnet"):
            bound = 1.0 / math.sqrt(module.in_features)
            values.uniform_(-bound, bound, generator=generator)
        elif key == "bias":
            values.zero_()
        elif self.arch.startswith("efficientnet"):
            bound = 1.0 / math.sqrt(module.out_features)
            values.uniform_(-bound, bound, generator=generator)
        else:
            values.normal_(std=0.01, generator=generator)

    def merge_convolutions(self) -> None:
        for holder in list(self.net.modules()):
            children = list(holder.named_children())
            for (conv_key, conv), (bn_key, bn) in pairwise(children):
                # In these networks a normalisation registered behind a convolution is called right behind it.
                if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                    folded, nothing = fold_in_place_of(conv, bn)
                    holder.set_submodule(conv_key, folded)
                    holder.set_submodule(bn_key, nothing)


def _first_convolution(net: nn.Module) -> tuple[str, nn.Conv2d]:
    return next((path, module) for path, module in net.named_modules() if isinstance(module, nn.Conv2d))


def _take_channels(net: nn.Module, in_channels: int) -> None:
    path, conv = _first_convolution(net)
    if conv.in_channels != in_channels:
        side = conv.kernel_size[0]
        made = nn.Conv2d(in_channels, conv.out_channels, side, conv.stride[0], padding=side // 2, bias=False)
        net.set_submodule(path, made)


def _keep_small_maps(net: nn.Module) -> None:
    path, conv = _first_convolution(net)
    if isinstance(net, torchvision.models.ResNet):
        net.set_submodule(path, nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1, bias=False))
        net.maxpool = nn.Identity()
        return
    halving = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert halving[0] is conv
    for layer in halving[:2]:
        layer.stride = (1, 1)
