"""Min-max scaling of an activation's input to [-3, 3], where rational functions are fitted.

Formula     y = 6 (x - min) / (max - min) - 3
            minmax_seq      min and max over the real tokens of a sentence, for each channel by itself
            minmax_channel  min and max over the channels of a token
Shapes      x: (N, T, C), real: (N, T) -> y: same shape
Padding     takes no part in minmax_seq's min and max, and its own y is 0
Guard       where max - min is below 1e-30, as in a sentence of one token, y is 0, the middle, with gradient 0
Dtype       y has the dtype of x; half types are computed in float32 inside
Parameters  none
Gradient    autograd's, through min and max too; equal extremes share theirs evenly
Source      Fang et al., 2022, arXiv:2208.14111, as its released model has it before the activation of the
            feed-forward block, for every arm alike (minmax_seq)
Departures  there padding takes part in min and max, so that an answer depends on the other sentences of its batch,
            and a sentence of one token divides by zero. minmax_channel is ours: it looks at no other token, which a
            decoder needs
"""

import torch
from torch import Tensor, nn

from actbench.models.catalog import ScalingName

LOW, HIGH = -3.0, 3.0
_LEAST = 1e-30
"""Of max - min; 6 over it is still finite in float32."""


def min_max(x: Tensor, real: Tensor, *, dim: int) -> Tensor:
    """x (N, T, C) scaled to [-3, 3] along `dim` (1 or -1); `real` (N, T) tells tokens from padding."""
    padding = ~real[..., None]
    values = x.to(torch.promote_types(x.dtype, torch.float32))
    least = values.masked_fill(padding, torch.inf).amin(dim, keepdim=True)
    greatest = values.masked_fill(padding, -torch.inf).amax(dim, keepdim=True)
    span = greatest - least
    without = padding | (span < _LEAST)
    shares = (values - least) / span.masked_fill(span < _LEAST, 1.0)
    return (shares * (HIGH - LOW) + LOW).masked_fill(without, 0.0).to(x.dtype)


class InputScaling(nn.Module):
    """`min_max` along the axis that the option names, or nothing."""

    def __init__(self, scaling: ScalingName) -> None:
        super().__init__()
        self.scaling = scaling

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        if self.scaling == "none":
            return x
        return min_max(x, real, dim=1 if self.scaling == "minmax_seq" else -1)

    def extra_repr(self) -> str:
        return self.scaling
