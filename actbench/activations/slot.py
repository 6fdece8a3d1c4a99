"""Slots: any pointwise activation f in the place that another activation gives its own curve.

Formula     SlotDepthwise  y = BN(DWConv_W(f(x))), as in series, which it is for f = relu, silu and swish
            SlotGated      y = f(g) * u, with (g, u) the first and the second half of x along channel_dim
            SlotGroups     y = a_k * f(b_k * x), k = floor(i / (C / groups)) the group of channel i; for f = swish
                           f is silu here: b is its beta
Shapes      SlotDepthwise: x (N, C, H, W) -> y the same, W (C, 1, 2n+1, 2n+1), zero padding n, no bias. SlotGated:
            (N, 2C, *) -> (N, C, *). SlotGroups: (N, C, *) -> the same; a and b (groups,)
Dtype       SlotDepthwise: as series. The others: y has the dtype of x; half types are computed in float32 and rounded
            once
Parameters  those of f, as they start and decay there; W and BN as in series; a and b: learnable, start at 1, weight
            decay: no (the project's rule for 1-D parameters). SlotDepthwise deployed: weight and bias beside f's
Gradient    of a composition; f's at its kinks
Source      none: controls of this project. The wrappers are those of Chen et al., 2023, arXiv:2305.12972 (and so of
            LSLU, arXiv:2409.08283), Shazeer, 2020, arXiv:2002.05202, and the groups of Yang and Wang, 2024,
            arXiv:2409.10594
Departures  FReLU's slot is SlotDepthwise with n = 1: its window starts otherwise, and stands beside the input, not
            behind a curve. GR-KAN's rationals have six numbers in common and four for each group; a curve without
            numbers of its own gets two for each group. Gates of f other than relu, gelu and silu, and groups, keep
            more than their input for backward
"""

from typing import cast, get_args

import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.catalog import SlotInner
from actbench.activations.channelwise import beside, check_channels, check_groups, widen
from actbench.activations.create import create_activation
from actbench.activations.gated import Kind, gated_unit
from actbench.activations.pointwise import ReLU
from actbench.activations.ramp import RELU, Ramp
from actbench.activations.series import SpatialSeries


def _make(inner: SlotInner, num_channels: int, channel_dim: int) -> Activation:
    made = create_activation(inner, num_channels, channel_dim=channel_dim)
    assert isinstance(made, Activation)
    return made


class SlotDepthwise(SpatialSeries):
    """f, then the depthwise convolution and BN."""

    def __init__(
        self, num_channels: int, channel_dim: int = 1, *, inner: SlotInner = "relu", n: int = 3
    ) -> None:
        super().__init__(num_channels, channel_dim, n=n)
        self.inner = _make(inner, num_channels, channel_dim)
        self.operations_per_element = self.inner.operations_per_element

    def pointwise(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y

    def as_ramp(self) -> Ramp | None:
        return RELU if isinstance(self.inner, ReLU) else None

    def log_values(self) -> dict[str, Tensor]:
        return self.inner.log_values()


class SlotGated(Activation):
    """f of the gates, times the values."""

    is_gated = True

    def __init__(self, num_channels: int, channel_dim: int = 1, *, inner: SlotInner = "relu") -> None:
        super().__init__(num_channels, channel_dim)
        self.inner = _make(inner, num_channels, channel_dim)
        self.kind = cast(Kind, inner) if inner in get_args(Kind) else None
        self.operations_per_element = self.inner.operations_per_element + 1
        self.finite_to = self.inner.finite_to

    def forward(self, x: Tensor) -> Tensor:
        check_channels(x, 2 * self.num_channels, self.channel_dim)
        if self.kind is not None:  # the same function with its input alone kept
            return gated_unit(x, self.kind, "identity", self.channel_dim)
        gate, value = x.chunk(2, self.channel_dim)
        y: Tensor = self.inner(widen(gate)) * widen(value)
        return y.to(x.dtype)

    def log_values(self) -> dict[str, Tensor]:
        return self.inner.log_values()


class SlotGroups(Activation):
    """f with two learnable scales per group."""

    is_pointwise = True

    def __init__(
        self, num_channels: int, channel_dim: int = 1, *, inner: SlotInner = "relu", groups: int = 8
    ) -> None:
        super().__init__(num_channels, channel_dim)
        check_groups("slot_groups", num_channels, groups)
        self.inner = _make("silu" if inner == "swish" else inner, num_channels, channel_dim)
        self.output_scale = nn.Parameter(torch.ones(groups))
        self.input_scale = nn.Parameter(torch.ones(groups))
        self.operations_per_element = self.inner.operations_per_element + 2
        self.finite_to = self.inner.finite_to

    def forward(self, x: Tensor) -> Tensor:
        size = self.num_channels // len(self.output_scale)
        outer, inner = (
            beside(scale.repeat_interleave(size), x, self.channel_dim)
            for scale in (self.output_scale, self.input_scale)
        )
        y: Tensor = self.inner(widen(x) * inner) * outer
        return y.to(x.dtype)

    def log_values(self) -> dict[str, Tensor]:
        own = {"output_scale": self.output_scale, "input_scale": self.input_scale}
        return {key: value.detach().clone() for key, value in own.items()} | self.inner.log_values()
