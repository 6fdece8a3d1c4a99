"""FReLU: the funnel activation, ReLU whose 0 is replaced by a window of the input, learnt per channel.

Formula     y = max(x, T(x)),  T(x) = BN(DWConv_W(x))
Shapes      x: (N, C, H, W) -> y: same shape; W: (C, 1, 3, 3), zero padding 1, no bias. Other ranks have no
            window and are an error
Dtype       y has the dtype of x; under autocast the convolution runs in the autocast dtype, BN computes in
            float32 inside, the maximum is taken in the wider of the two
Parameters  weight: normal, mean 0, standard deviation sqrt(2 / 9) (He, fan-out of one 3x3 filter); weight
            decay: yes. bn.weight, bn.bias: 1 and 0, no decay. Both decay rules are those of the authors' code.
            Deployed: weight and bias alone
Gradient    dy = dx where x > T(x), else dT; at a tie each takes half, as torch.maximum has it. Kept for
            backward: x, the convolution's output and BN's
Source      Ma, Zhang and Sun, 2020, arXiv:2007.11824, y = max(x, T(x)) with a 3x3 parametric pooling window;
            initialisation and decay from the authors' code
Departures  the authors' convolution has a bias, which BN subtracts again: left out, so that folding is exact
            and no parameter is idle. They keep ReLU in the last stage of ResNet-50; here the recipe's `sites` decide
"""

import math
from typing import Self

import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.depthwise import fold_batch_norm, require_images
from actbench.activations.depthwise_convolution import depthwise_convolution, serving
from actbench.errors import ActbenchError

WINDOW = 3


class FReLU(Activation):
    """See the module's header."""

    spatial_dims = 2
    operations_per_element = 1.0  # the maximum; the convolution is counted as one

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__(num_channels, channel_dim)
        require_images("FReLU", channel_dim)
        self.weight = nn.Parameter(torch.empty(num_channels, 1, WINDOW, WINDOW))
        nn.init.normal_(self.weight, std=math.sqrt(2 / WINDOW**2))
        self.bias: nn.Parameter | None = None
        self.bn: nn.BatchNorm2d | None = nn.BatchNorm2d(num_channels)

    @property
    def backend(self) -> str:  # type: ignore[override]
        """What computes the convolution; where its weight is, its inputs are."""
        return serving(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ActbenchError(
                f"FReLU takes images N,C,H,W, not an input of shape {tuple(x.shape)}",
                hints=("its window needs two spatial dimensions: use another activation here",),
            )
        t = depthwise_convolution(x, self.weight, self.bias)
        return torch.maximum(x, t if self.bn is None else self.bn(t))

    def deploy(self) -> Self:
        """Folds BN's running statistics into weight and bias."""
        if self.bn is not None:
            self.bias, self.bn = fold_batch_norm(self.weight, self.bn), None
        return self
