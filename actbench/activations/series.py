"""VanillaNet's series activation: a base function, a depthwise convolution over it, batch normalisation.

Formula     y = BN(DWConv_W(base(x)));  base: relu, silu, or swish with a learnable beta per channel
Shapes      x: (N, C, H, W) -> y: same shape; W: (C, 1, 2n+1, 2n+1), zero padding n, no bias
Dtype       under autocast the convolution runs in the autocast dtype and y has that dtype; the base keeps the
            dtype of x, BN computes in float32 inside
Parameters  weight: truncated normal, standard deviation 0.02, cut at +-2; weight decay: yes. bn.weight,
            bn.bias: 1 and 0, no decay. base.beta (swish only): see swish. Deployed: weight and bias alone
Gradient    of a composition; the base's at its kink
Source      Chen et al., 2023, arXiv:2305.12972, equation 6, as the authors' code has it: the shift stands
            behind the base, in BN, not inside it as in the series formula
Departures  none for base="relu"; the other bases are ours. A deployed module is for inference
"""

from abc import abstractmethod
from typing import Literal, Self

import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.depthwise import fold_batch_norm, require_images
from actbench.activations.depthwise_convolution import (
    choose_form,
    depthwise_convolution,
    ramp_convolution,
    serving,
)
from actbench.activations.pointwise import ReLU, SiLU
from actbench.activations.ramp import RELU, Ramp
from actbench.activations.swish import Swish


class SpatialSeries(Activation):
    """A pointwise function, which the subclass has, then the depthwise convolution and BN."""

    spatial_dims = 2

    def __init__(self, num_channels: int, channel_dim: int, *, n: int) -> None:
        super().__init__(num_channels, channel_dim)
        require_images(type(self).__name__, channel_dim)
        self.n = n
        # The only draw, so that every subclass starts from the same weight under the same seed.
        self.weight = nn.Parameter(torch.empty(num_channels, 1, 2 * n + 1, 2 * n + 1))
        nn.init.trunc_normal_(self.weight, std=0.02)
        self.bias: nn.Parameter | None = None
        self.bn: nn.BatchNorm2d | None = nn.BatchNorm2d(num_channels, eps=1e-6)

    @property
    def backend(self) -> str:  # type: ignore[override]
        """What computes the convolution; where its weight is, its inputs are."""
        return serving(self.weight)

    @abstractmethod
    def pointwise(self, x: Tensor) -> Tensor:
        """What stands before the convolution."""

    def as_ramp(self) -> Ramp | None:
        """The pointwise function as one ramp, where it is one: the convolution can take it along."""
        return None

    def forward(self, x: Tensor) -> Tensor:
        ramp = self.as_ramp() if choose_form(x, self.weight) == "cpp" else None
        if ramp is None:
            y = depthwise_convolution(self.pointwise(x), self.weight, self.bias)
        else:
            y = ramp_convolution(x, ramp, self.weight, self.bias)
        return y if self.bn is None else self.bn(y)

    def deploy(self) -> Self:
        """Folds BN's running statistics into weight and bias."""
        if self.bn is not None:
            self.bias, self.bn = fold_batch_norm(self.weight, self.bn), None
        return self


class Series(SpatialSeries):
    """See the module's header."""

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        n: int = 3,
        base: Literal["relu", "silu", "swish"] = "relu",
    ) -> None:
        super().__init__(num_channels, channel_dim, n=n)
        bases = {"relu": ReLU, "silu": SiLU, "swish": Swish}
        self.base: Activation = bases[base](num_channels)
        self.operations_per_element = self.base.operations_per_element

    def pointwise(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        return y

    def as_ramp(self) -> Ramp | None:
        return RELU if isinstance(self.base, ReLU) else None

    def log_values(self) -> dict[str, Tensor]:
        return self.base.log_values()
