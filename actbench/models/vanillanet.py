"""VanillaNet: a plain chain of convolutions and activations that is trained twice as deep as it is deployed.

Structure   stem: 4x4 convolution, BN, lambda-ReLU, 1x1 convolution, BN, activation.
            Stage: 1x1 convolution, BN, lambda-ReLU, 1x1 convolution, BN, 2x2 max-pool where the channels
            double, activation. Head: global average pool, dropout, 1x1 convolution, BN, lambda-ReLU, 1x1
            convolution. No shortcuts; every convolution has a bias.
lambda      the slope of the lambda-ReLU below zero: 0 (ReLU) at first, 1 (identity) from `decay_epochs` on.
            At 1 the two convolutions of a pair are one linear map, and `deploy` merges them.
Shapes      x: (N, in_channels, H, W) -> logits: (N, num_classes); H and W at least 8 * stem_stride
Init        convolutions normal with std 0.02, biases 0, BN 1 and 0
Source      Chen et al., 2023, arXiv:2305.12972, and its official code, which sets BN's eps and the init
Departures  width factors, `widths` and stem strides 2 and 1 are ours. The kernel stays 4x4; stride 2 pads by 1,
            stride 1 by 1 before and 2 after, so that the map side is that of the image divided by the stride.
            The official code's lambda is 1 until training sets it; ours is the schedule's value of epoch 0.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.merge import fold_batch_norm, merge_pointwise
from actbench.models.network import ActivationFactory, Network
from actbench.models.stage_widths import PUBLISHED, vanillanet_widths

_BN_EPS = 1e-6


class ConvPair(nn.Module):
    """Two convolutions with the lambda-ReLU between them: one layer of the deployed network."""

    def __init__(self, first: nn.Conv2d, out_channels: int, *, normalize_output: bool = True) -> None:
        super().__init__()
        self.conv1 = first
        self.bn1 = nn.BatchNorm2d(first.out_channels, eps=_BN_EPS)
        self.negative_slope = 0.0
        self.conv2 = nn.Conv2d(first.out_channels, out_channels, 1)
        self.bn2: nn.Module = nn.BatchNorm2d(out_channels, eps=_BN_EPS) if normalize_output else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x))
        if self.negative_slope != 1.0:
            x = F.leaky_relu(x, self.negative_slope)
        y: Tensor = self.bn2(self.conv2(x))
        return y

    def merged(self) -> nn.Conv2d:
        """The one convolution that the pair is at lambda = 1."""
        assert self.negative_slope == 1.0
        second = self.conv2
        if isinstance(self.bn2, nn.BatchNorm2d):
            second = fold_batch_norm(second, self.bn2)
        return merge_pointwise(fold_batch_norm(self.conv1, self.bn1), second)


class Stage(nn.Module):
    """A pair (one convolution once deployed), perhaps a pool, and the activation site `act`."""

    def __init__(self, conv: ConvPair, pool: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.conv: nn.Module = conv
        self.pool = pool
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.pool(self.conv(x)))
        return y


class VanillaNet(Network):
    """VanillaNet-5 to -13; `width` scales every channel count, rounded to a multiple of 8, unless `widths` says all."""

    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        depth: int = 5,
        width: float = 1.0,
        stem_stride: Literal[1, 2, 4] = 4,
        dropout: float = 0.0,
        decay_epochs: int = 100,
        decay: Literal["linear", "cosine"] = "linear",
        widths: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.decay_epochs = decay_epochs
        self.decay = decay
        published, channels = PUBLISHED[depth], widths or vanillanet_widths(depth, width)
        # At stride 1 a 4x4 kernel keeps the side only with unequal padding, which a convolution cannot have.
        self.stem_padding: nn.Module = nn.ZeroPad2d((1, 2, 1, 2)) if stem_stride == 1 else nn.Identity()
        patches = nn.Conv2d(in_channels, channels[0], 4, stem_stride, padding=1 if stem_stride == 2 else 0)
        self.stem = Stage(ConvPair(patches, channels[0]), nn.Identity(), act(channels[0]))
        self.stages = nn.ModuleList(
            Stage(
                ConvPair(nn.Conv2d(channels[i], channels[i], 1), channels[i + 1]),
                nn.MaxPool2d(2) if published[i + 1] > published[i] else nn.Identity(),
                act(channels[i + 1]),
            )
            for i in range(len(channels) - 1)
        )
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        classes = nn.Conv2d(channels[-1], num_classes, 1)
        self.head: nn.Module = ConvPair(classes, num_classes, normalize_output=False)
        self.set_deep_lambda(self.deep_lambda_at(0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(self.stem_padding(x))
        for stage in self.stages:
            x = stage(x)
        return torch.flatten(self.head(self.dropout(self.pool(x))), 1)

    def sites(self) -> tuple[str, ...]:
        return ("stem.act", *(f"stages.{i}.act" for i in range(len(self.stages))))

    def stem_sites(self) -> tuple[str, ...]:
        return ("stem.act",)

    @property
    def deep_lambda(self) -> float:
        """Slope below zero between paired convolutions. Not in the state dict: who loads weights sets it."""
        return self._deep_lambda

    def set_deep_lambda(self, value: float) -> None:
        """Sets lambda of the stem, all stages and the head."""
        if self.deployed and value != 1.0:
            raise ActbenchError(f"lambda cannot be {value} in a deployed model: its pairs were merged at 1")
        self._deep_lambda = value
        for module in self.modules():
            if isinstance(module, ConvPair):
                module.negative_slope = value

    def deep_lambda_at(self, epoch: int) -> float:
        """What the schedule prescribes for that epoch: 0 in epoch 0, exactly 1 from `decay_epochs` on."""
        if epoch >= self.decay_epochs:
            return 1.0
        share = epoch / self.decay_epochs
        return share if self.decay == "linear" else 0.5 * (1.0 - math.cos(math.pi * share))

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:  # noqa: ARG002
        if key == "bias":
            values.zero_()
        else:
            # Published as a truncated normal, but cut at +-2, which is 100 standard deviations.
            values.normal_(std=0.02, generator=generator)

    def merge_convolutions(self) -> None:
        if self.deep_lambda != 1.0:
            raise ActbenchError(
                f"cannot deploy VanillaNet at lambda = {self.deep_lambda}: lambda is the slope below zero of "
                "the ReLU between paired convolutions, and only at 1 do the two make one",
                hints=(
                    f"train more than decay_epochs = {self.decay_epochs} epochs; lambda is 1 from then on",
                    "after loading a checkpoint, set_deep_lambda with the value that it was trained at",
                ),
            )
        for stage in (self.stem, *self.stages):
            stage.conv = _merged(stage.conv)
        self.head = _merged(self.head)


def _merged(pair: nn.Module) -> nn.Conv2d:
    assert isinstance(pair, ConvPair)
    return pair.merged()
