"""ResNet-18, -34 and -50, with the ImageNet stem or a 3x3 stem for small images.

Structure   stem: 7x7 convolution of stride 2, BN, activation, 3x3 max-pool of stride 2 (stem "cifar": a 3x3
            convolution of stride 1 and no pool); four layers of basic or bottleneck blocks; global average
            pool, linear. The bottleneck's stride sits on its 3x3 convolution, as in torchvision ("v1.5"). The
            names of parameters and buffers are torchvision's, so its checkpoints load; the activation sites
            stand beside them.
Dropout     on every residual branch before the sum, and before the classifier, as LSLU's code places it
            (arXiv:2409.08283); with 0 this is torchvision's ResNet to the last bit.
Shapes      x: (N, in_channels, H, W) -> logits: (N, num_classes)
Init        convolutions normal by fan-out (arXiv:1502.01852), linear uniform in +-1/sqrt(fan-in), BN 1 and 0
Source      He et al., 2015, arXiv:1512.03385
Departures  the stride's place, as said; other widths and the "cifar" stem are later custom
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from actbench.models.merge import fold_in_place_of
from actbench.models.network import ActivationFactory, Network
from actbench.models.norm_act import norm_act
from actbench.models.stage_widths import doubled


class BasicBlock(nn.Module):
    expansion = 1
    site_names = ("act1", "act2")

    def __init__(
        self, act: ActivationFactory, in_channels: int, channels: int, *, stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.act1 = act(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)
        self.downsample = _projection(in_channels, channels, stride)
        self.dropout = nn.Dropout(dropout)
        self.act2 = act(channels)

    def forward(self, x: Tensor) -> Tensor:
        branch = norm_act(self.bn1, self.act1, self.conv1(x))
        branch = self.dropout(self.bn2(self.conv2(branch)))
        shortcut = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.act2(branch + shortcut)
        return y

    def merge_convolutions(self) -> None:
        self.conv1, self.bn1 = fold_in_place_of(self.conv1, self.bn1)
        self.conv2, self.bn2 = fold_in_place_of(self.conv2, self.bn2)
        _fold_projection(self.downsample)


class Bottleneck(nn.Module):
    expansion = 4
    site_names = ("act1", "act2", "act3")

    def __init__(
        self, act: ActivationFactory, in_channels: int, channels: int, *, stride: int, dropout: float
    ) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.act1 = act(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)
        self.act2 = act(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3: nn.Module = nn.BatchNorm2d(out_channels)
        self.downsample = _projection(in_channels, out_channels, stride)
        self.dropout = nn.Dropout(dropout)
        self.act3 = act(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        branch = norm_act(self.bn1, self.act1, self.conv1(x))
        branch = norm_act(self.bn2, self.act2, self.conv2(branch))
        branch = self.dropout(self.bn3(self.conv3(branch)))
        shortcut = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.act3(branch + shortcut)
        return y

    def merge_convolutions(self) -> None:
        self.conv1, self.bn1 = fold_in_place_of(self.conv1, self.bn1)
        self.conv2, self.bn2 = fold_in_place_of(self.conv2, self.bn2)
        self.conv3, self.bn3 = fold_in_place_of(self.conv3, self.bn3)
        _fold_projection(self.downsample)


_BLOCKS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(Network):
    """ResNet-18, -34 or -50; `width` counts the channels of the stem and of layer1's 3x3 convolutions, `widths` those
    of all layers."""

    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: Literal[18, 34, 50] = 18,
        width: int = 64,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        dropout: float = 0.0,
        widths: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        block, counts = _BLOCKS[depth]
        widths = widths or doubled(width, 4)
        width = widths[0]
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, width, 7, 2, padding=3, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.act1 = act(width)
        # Children stand in the order in which data meets them: a detector's body runs them as it finds them.
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem == "imagenet" else nn.Identity()
        stages = [
            _layer(block, act, widths, number, count=counts[number], dropout=dropout) for number in range(4)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(widths[3] * block.expansion, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(norm_act(self.bn1, self.act1, self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
        return logits

    def sites(self) -> tuple[str, ...]:
        inner = [
            f"{path}.{name}"
            for path, module in self.named_modules()
            if isinstance(module, BasicBlock | Bottleneck)
            for name in module.site_names
        ]
        return ("act1", *inner)

    def stem_sites(self) -> tuple[str, ...]:
        return ("act1",)

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:  # noqa: ARG002
        if isinstance(module, nn.Linear):
            bound = 1.0 / math.sqrt(module.in_features)
            values.uniform_(-bound, bound, generator=generator)
        else:
            nn.init.kaiming_normal_(values, mode="fan_out", nonlinearity="relu", generator=generator)

    def merge_convolutions(self) -> None:
        self.conv1, self.bn1 = fold_in_place_of(self.conv1, self.bn1)
        for module in list(self.modules()):
            if isinstance(module, BasicBlock | Bottleneck):
                module.merge_convolutions()


def _layer(
    block: type[BasicBlock] | type[Bottleneck],
    act: ActivationFactory,
    widths: tuple[int, ...],
    number: int,
    *,
    count: int,
    dropout: float,
) -> nn.Sequential:
    """Blocks of one width; from the second layer on (number 1), the first block halves the side."""
    channels = widths[number]
    out_channels = channels * block.expansion
    in_channels = widths[number - 1] * block.expansion if number else channels
    first = block(act, in_channels, channels, stride=2 if number else 1, dropout=dropout)
    rest = (block(act, out_channels, channels, stride=1, dropout=dropout) for _ in range(count - 1))
    return nn.Sequential(first, *rest)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The shortcut's 1x1 convolution and BN; None where the identity fits."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


def _fold_projection(downsample: nn.Sequential | None) -> None:
    if downsample is not None:
        conv = downsample[0]
        assert isinstance(conv, nn.Conv2d)
        downsample[0], downsample[1] = fold_in_place_of(conv, downsample[1])
