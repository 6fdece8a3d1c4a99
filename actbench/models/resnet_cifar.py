"""ResNet-8, -20, -32 and -56 for 32x32 images: depth 6n+2, three stages of n basic blocks.

Structure   stem: 3x3 convolution, BN, activation; stages of widths w, 2w, 4w, the second and third halving
            the side; global average pool, linear. Shortcuts have no parameters (option A): where the shape
            changes, every second pixel is taken and the new channels, put last, are zero.
Shapes      x: (N, in_channels, H, W) -> logits: (N, num_classes)
Init        convolutions and linear normal by fan-in (arXiv:1502.01852, section 2.2), biases 0, BN 1 and 0
Source      He et al., 2015, arXiv:1512.03385, section 4.2
Departures  `width` other than 16, `widths` and depth 8 are ours
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.models.merge import fold_in_place_of
from actbench.models.network import ActivationFactory, Network
from actbench.models.norm_act import norm_act
from actbench.models.stage_widths import doubled


class CifarBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters."""

    def __init__(self, act: ActivationFactory, in_channels: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.act1 = act(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)
        self.act2 = act(channels)
        self.stride = stride
        self.new_channels = channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(norm_act(self.bn1, self.act1, self.conv1(x))))
        shortcut = x
        if self.stride != 1 or self.new_channels:
            shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        y: Tensor = self.act2(branch + shortcut)
        return y

    def merge_convolutions(self) -> None:
        self.conv1, self.bn1 = fold_in_place_of(self.conv1, self.bn1)
        self.conv2, self.bn2 = fold_in_place_of(self.conv2, self.bn2)


class CifarResNet(Network):
    """ResNet of that depth; `width` is the channel count of the stem and of the first stage, `widths` those of all."""

    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: Literal[8, 20, 32, 56] = 20,
        width: int = 16,
        widths: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        first, second, third = widths or doubled(width, 3)
        self.conv1 = nn.Conv2d(in_channels, first, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(first)
        self.act1 = act(first)
        count = (depth - 2) // 6
        self.layer1 = _stage(act, first, first, count=count, stride=1)
        self.layer2 = _stage(act, first, second, count=count, stride=2)
        self.layer3 = _stage(act, second, third, count=count, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(third, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = norm_act(self.bn1, self.act1, self.conv1(x))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits

    def sites(self) -> tuple[str, ...]:
        blocks = [path for path, module in self.named_modules() if isinstance(module, CifarBlock)]
        return ("act1", *(f"{path}.{name}" for path in blocks for name in ("act1", "act2")))

    def stem_sites(self) -> tuple[str, ...]:
        return ("act1",)

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:  # noqa: ARG002
        if key == "bias":
            values.zero_()
        else:
            nn.init.kaiming_normal_(values, mode="fan_in", nonlinearity="relu", generator=generator)

    def merge_convolutions(self) -> None:
        self.conv1, self.bn1 = fold_in_place_of(self.conv1, self.bn1)
        for module in list(self.modules()):
            if isinstance(module, CifarBlock):
                module.merge_convolutions()


def _stage(
    act: ActivationFactory, in_channels: int, channels: int, *, count: int, stride: int
) -> nn.Sequential:
    """Blocks of one width, the first of which changes the shape."""
    first = CifarBlock(act, in_channels, channels, stride=stride)
    return nn.Sequential(first, *(CifarBlock(act, channels, channels, stride=1) for _ in range(count - 1)))
