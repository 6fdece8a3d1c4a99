"""Linear combination: a weighted mean of ReLU, sigmoid, tanh and the identity, the weights learnt.

Formula     y = sum_i w_i * act_i(x) / sum_i w_i over act = relu, sigmoid, tanh, identity;
            with normalise="softmax": w_i replaced by exp(w_i)
Shapes      x: (N, C, *) -> y: same shape; w: (4,) for the layer, or (C, 4) with sharing="channel"
Dtype       y has the dtype of x; half types are computed in float32, the weights' gradients are summed there
Parameters  weight: learnable unless frozen, starts at 1 (softmax: 0), all four alike; weight decay: no (the curve
            does not change when all weights shrink together)
Gradient    dy/dx = sum_i w_i * act_i'(x) / sum w, relu' = 0 at 0; dy/dw_i = (act_i(x) - y) / sum w
Source      Liao, 2020, arXiv:2004.13271
Departures  start and sharing are our choice, as the paper's are not known to us. Nothing guards the sum of the weights
            against 0, as the formula does not: a run that gets there diverges and says so; softmax can't, but holds
            convex combinations alone
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import widen
from actbench.activations.pointwise_function import Arguments, KernelActivation, pointwise_function


def _value(x: Tensor, relu: Tensor, sigmoid: Tensor, tanh: Tensor, line: Tensor) -> Tensor:
    return relu * x.relu() + sigmoid * x.sigmoid() + tanh * x.tanh() + line * x


def _partials(
    x: Tensor, relu: Tensor, sigmoid: Tensor, tanh: Tensor, line: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    s, t = x.sigmoid(), x.tanh()
    by_x = line + relu * (x > 0) + sigmoid * (s * (1 - s)) + tanh * (1 - t * t)
    return by_x, (x.relu(), s, t, x)


_linear_combination = pointwise_function(_value, _partials, kernel="linear_combination")


class LinearCombination(KernelActivation):
    """See the module's header."""

    kernel = "linear_combination"
    function = staticmethod(_linear_combination)
    is_pointwise = True
    operations_per_element = 38.0
    limits = (-math.inf, math.inf)

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        normalise: Literal["sum", "softmax"] = "sum",
        sharing: Sharing = "layer",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.normalise = normalise
        shape = (num_channels, 4) if sharing == "channel" else (4,)
        start = 1.0 if normalise == "sum" else 0.0
        self.weight = nn.Parameter(torch.full(shape, start), requires_grad=not freeze)

    def shares(self) -> Tensor:
        """The four weights' shares, which sum to 1: (4,) or (C, 4), for relu, sigmoid, tanh, identity."""
        # Wide, so that in a half type the gradient's sum over a batch is not rounded before it is divided.
        weight = widen(self.weight)
        return weight.softmax(-1) if self.normalise == "softmax" else weight / weight.sum(-1, keepdim=True)

    def arguments(self) -> Arguments:
        return Arguments(self.shares().unbind(-1))

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.weight], "weight_decay": 0.0}]

    def log_values(self) -> dict[str, Tensor]:
        names = ("relu", "sigmoid", "tanh", "identity")
        shares = self.shares().detach().unbind(-1)
        return {name: share.clone() for name, share in zip(names, shares, strict=True)}
