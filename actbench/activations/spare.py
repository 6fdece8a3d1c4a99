"""Spare scalars behind an activation: a gain and a shift with as many parameters as one likes, and no shape to learn.

Formula     y = g * f(x) + h, f the activation; of n scalars s the first (n // C) * C stand in rows of one per channel,
            g_c = 1 + the sum over rows 0, 2, 4, ... at c, h_c the sum over rows 1, 3, 5, ...; of the n % C that are
            left, counted from 0, the even ones add to every g_c and the odd ones to every h_c
Shapes      x: what f takes -> y: as f gives it, num_channels along channel_dim; scalars (n,)
Dtype       y has the dtype of f(x); computed in at least float32
Parameters  the n scalars, all learnable, starting at 0, where y = f(x); 1-D, so weight decay spares them
Gradient    dy/dx = g f'(x); each scalar gets what the gain or the shift that it adds to gets
Source      none: a control, which tells what parameters gain without the shape that an activation makes of them
Departures  none. More than 2 C scalars are redundant: they move the same gain and shift, faster
"""

import torch
from torch import Tensor, nn

from actbench.activations.channelwise import beside, widen
from actbench.activations.wrapped import Wrapped


class SpareScalars(Wrapped):
    """See the module's header."""

    def __init__(self, inner: nn.Module, count: int, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__(inner, num_channels, channel_dim)
        self.scalars = nn.Parameter(torch.zeros(count))
        self.operations_per_element += 2

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        gain, shift = self.gain_and_shift()
        wide = widen(y)
        return (beside(gain, wide, self.channel_dim) * wide + beside(shift, wide, self.channel_dim)).to(
            y.dtype
        )

    def gain_and_shift(self) -> tuple[Tensor, Tensor]:
        """g and h, (C,) each, in at least float32."""
        scalars, channels = widen(self.scalars), self.num_channels
        whole = len(scalars) // channels * channels
        rows, rest = scalars[:whole].view(-1, channels), scalars[whole:]
        gain = 1 + rows[0::2].sum(0) + rest[0::2].sum()
        return gain, rows[1::2].sum(0) + rest[1::2].sum()

    def log_values(self) -> dict[str, Tensor]:
        gain, shift = self.gain_and_shift()
        return {**super().log_values(), "gain": gain.detach(), "shift": shift.detach()}
