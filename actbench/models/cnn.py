"""A plain convolutional network: stages of convolutions, each closed by a pool, then linear layers.

Structure   stage: convolutions (kernel x kernel, stride 1, with bias), each followed by BN where asked for and an
            activation; 2x2 pool; dropout. Head: the map averaged to map_side x map_side where it has another side,
            flattened; hidden linear layers, each followed by an activation and dropout; linear classifier.
Shapes      x: (N, in_channels, H, W) -> logits: (N, num_classes); sites see (N, C, H, W), in the head (N, C)
Init        convolutions and linear normal by fan-in (arXiv:1502.01852, section 2.2), biases 0, BN 1 and 0
Source      LeCun et al., 1998, "Gradient-based learning applied to document recognition", section II.B: with stages
            [6], [16], kernel 5, padding valid and linear layers of 120 and 84 the LeNet-5 of today
Departures  of that LeNet-5 from section II.B: plain pools, no partial connections, linear output, any activation
"""

from typing import Literal

import torch
from torch import Tensor, nn

from actbench.models.merge import fold_in_place_of
from actbench.models.network import ActivationFactory, Network
from actbench.models.norm_act import norm_act


class ConvLayer(nn.Module):
    """A convolution, BN or nothing, and the activation site `act`."""

    def __init__(self, conv: nn.Conv2d, norm: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return norm_act(self.norm, self.act, self.conv(x))


class HiddenLayer(nn.Module):
    """A linear layer, the activation site `act`, and dropout."""

    def __init__(self, linear: nn.Linear, act: nn.Module, dropout: float) -> None:
        super().__init__()
        self.linear = linear
        self.act = act
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.act(self.linear(x)))
        return y


class CNN(Network):
    """The network that the options describe; options as in the catalogue."""

    def __init__(
        self,
        act: ActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        stages: tuple[tuple[int, ...], ...] = ((32, 64), (128,)),
        kernel: Literal[3, 5, 7] = 3,
        padding: Literal["same", "valid"] = "same",
        batch_norm: bool = False,
        pool: Literal["max", "average"] = "max",
        map_side: int = 1,
        dense: tuple[int, ...] = (),
        dropout: float = 0.0,
        dense_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for widths in stages:
            for width in widths:
                conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2 if padding == "same" else 0)
                norm = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
                layers.append(ConvLayer(conv, norm, act(width)))
                channels = width
            layers += [nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2), nn.Dropout(dropout)]
        self.features = nn.Sequential(*layers)
        self.average = nn.AdaptiveAvgPool2d((map_side, map_side))
        self.hidden = nn.ModuleList()
        inputs = channels * map_side**2
        for width in dense:
            self.hidden.append(HiddenLayer(nn.Linear(inputs, width), act(width), dense_dropout))
            inputs = width
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.average(self.features(x)), 1)
        for layer in self.hidden:
            x = layer(x)
        logits: Tensor = self.fc(x)
        return logits

    def sites(self) -> tuple[str, ...]:
        layers = [p for p, m in self.named_modules() if isinstance(m, ConvLayer | HiddenLayer)]
        return tuple(f"{path}.act" for path in layers)

    def stem_sites(self) -> tuple[str, ...]:
        return self.sites()[:1]

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:  # noqa: ARG002
        if key == "bias":
            values.zero_()
        else:
            nn.init.kaiming_normal_(values, mode="fan_in", nonlinearity="relu", generator=generator)

    def merge_convolutions(self) -> None:
        for module in self.modules():
            if isinstance(module, ConvLayer) and isinstance(module.norm, nn.BatchNorm2d):
                module.conv, module.norm = fold_in_place_of(module.conv, module.norm)
