"""Pre-activation ResNet of bottlenecks for 32x32 images: depth 9n+2, three stages of n blocks.

Structure   stem: 3x3 convolution. Block: BN, activation, 1x1 convolution; BN, activation, 3x3 convolution; BN,
            activation, 1x1 convolution; the sum with the shortcut is the output, and nothing follows it. Stages
            have bottlenecks of widths w, 2w, 4w and outputs four times as wide; the second and third halve the
            side in their first 1x1 convolution. The first block of a stage has a 1x1 convolution as its shortcut, which
            takes the activated input; all other shortcuts are identities. Behind the last block BN, activation,
            global average pool, linear.
Shapes      x: (N, in_channels, H, W) -> logits: (N, num_classes)
Init        convolutions normal by fan-out, linear uniform in +-1/sqrt(fan-in), bias 0, BN 1 and 0
Source      He et al., 2016, arXiv:1603.05027, figure 1 (b); the stride's place, the shortcuts of blocks that change the
            shape and the initial values as in the authors' released code
Departures  the paper has 164 and 1001 layers; 11, 20 and 29 by the same rule, and other widths, are ours
"""

from typing import Literal

import torch
from torch import Tensor, nn

from actbench.models.merge import channel_affine, fold_in_place_of
from actbench.models.network import ActivationFactory, Network
from actbench.models.norm_act import norm_act
from actbench.models.stage_widths import doubled

EXPANSION = 4


class PreactBlock(nn.Module):
    """Three convolutions, each behind BN and activation, and a shortcut."""

    def __init__(self, act: ActivationFactory, in_channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.bn1: nn.Module = nn.BatchNorm2d(in_channels)
        self.act1 = act(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 1, stride, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        self.act2 = act(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn3: nn.Module = nn.BatchNorm2d(width)
        self.act3 = act(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        activated = norm_act(self.bn1, self.act1, x)
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        branch = self.conv2(norm_act(self.bn2, self.act2, self.conv1(activated)))
        y: Tensor = self.conv3(norm_act(self.bn3, self.act3, branch)) + shortcut
        return y

    def merge_convolutions(self) -> None:
        # No convolution of its own stands before the first BN: its input is a sum.
        self.bn1 = channel_affine(self.bn1)
        self.conv1, self.bn2 = fold_in_place_of(self.conv1, self.bn2)
        self.conv2, self.bn3 = fold_in_place_of(self.conv2, self.bn3)


class PreactResNet(Network):
    """ResNet of that depth; `width` is the channel count of the stem and of the first stage's bottlenecks, `widths`
    those of all."""

    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: Literal[11, 20, 29, 164] = 164,
        width: int = 16,
        widths: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        first, second, third = widths or doubled(width, 3)
        self.conv1 = nn.Conv2d(in_channels, first, 3, padding=1, bias=False)
        count = (depth - 2) // 9
        self.layer1 = _stage(act, first, first, count=count, stride=1)
        self.layer2 = _stage(act, EXPANSION * first, second, count=count, stride=2)
        self.layer3 = _stage(act, EXPANSION * second, third, count=count, stride=2)
        self.bn: nn.Module = nn.BatchNorm2d(EXPANSION * third)
        self.act = act(EXPANSION * third)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(EXPANSION * third, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = self.avgpool(norm_act(self.bn, self.act, x))
        logits: Tensor = self.fc(torch.flatten(x, 1))
        return logits

    def sites(self) -> tuple[str, ...]:
        blocks = [path for path, module in self.named_modules() if isinstance(module, PreactBlock)]
        return (*(f"{path}.{name}" for path in blocks for name in ("act1", "act2", "act3")), "act")

    def stem_sites(self) -> tuple[str, ...]:
        return ("layer1.0.act1",)  # the first activation; the stem itself is a convolution alone

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:
        if key == "bias":
            values.zero_()
        elif isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            values.uniform_(-bound, bound, generator=generator)
        else:
            nn.init.kaiming_normal_(values, mode="fan_out", nonlinearity="relu", generator=generator)

    def merge_convolutions(self) -> None:
        for module in list(self.modules()):
            if isinstance(module, PreactBlock):
                module.merge_convolutions()
        self.bn = channel_affine(self.bn)


def _stage(act: ActivationFactory, in_channels: int, width: int, *, count: int, stride: int) -> nn.Sequential:
    """Blocks of one width, the first of which changes the shape."""
    first = PreactBlock(act, in_channels, width, stride=stride)
    later = (PreactBlock(act, EXPANSION * width, width, stride=1) for _ in range(count - 1))
    return nn.Sequential(first, *later)
