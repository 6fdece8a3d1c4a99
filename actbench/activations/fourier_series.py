"""Fourier series: a periodic activation whose coefficients and base frequency are learnt.

Formula     y = A + sum_{n=1..N} (a_n * cos(n * w * x) + b_n * sin(n * w * x))
Shapes      x: (N, C, *) -> y: same shape; A, w: () for the layer, or (C,) with sharing="channel"; a, b: (N,) or (C, N)
Dtype       y has the dtype of x; half types are computed in float32, gradients of parameters are summed there
Parameters  A, w, a_1..a_N, b_1..b_N (12 for N = 5): learnable unless frozen; start as the truncated series of ReLU on
            [-L, L]: w = pi / L, A = L / 4, a_n = L * ((-1)^n - 1) / (n * pi)^2, b_n = L * (-1)^(n+1) / (n * pi);
            weight decay: no (nothing is known of the paper's choice)
Gradient    dy/dx = sum n * w * (b_n * cos - a_n * sin), dy/dw = sum n * x * (b_n * cos - a_n * sin), dy/dA = 1,
            dy/da_n = cos(n * w * x), dy/db_n = sin(n * w * x); smooth
Source      Liao, 2020, arXiv:2004.13271 (N = 5)
Departures  start, L and sharing are our choice, as the paper's are not known to us; L = 3 fits inputs that BN has
            scaled. Input beyond L wraps around. The cosines of multiples come from the first by addition theorems, and
            where w * x leaves the range of float32 the phase is that of its largest number
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import beside, make_parameter
from actbench.activations.pointwise_function import pointwise_function


def _waves(x: Tensor, w: Tensor, terms: int) -> list[tuple[Tensor, Tensor]]:
    """cos(n * w * x) and sin(n * w * x) for n = 1..terms."""
    largest = torch.finfo(x.dtype).max
    # A wave has no limit: the added 0 * x keeps it undefined at infinity.
    phase = (w * x).clamp(-largest, largest).add(x, alpha=0)
    c, s = phase.cos(), phase.sin()
    waves = [(c, s)]
    for _ in range(terms - 1):
        previous_c, previous_s = waves[-1]
        waves.append(
            (
                torch.addcmul(previous_c * c, previous_s, s, value=-1),
                torch.addcmul(previous_s * c, previous_c, s),
            )
        )
    return waves


def _value(x: Tensor, offset: Tensor, w: Tensor, *coefficients: Tensor) -> Tensor:
    terms = len(coefficients) // 2
    y = offset
    for (c, s), a, b in zip(_waves(x, w, terms), coefficients[:terms], coefficients[terms:], strict=True):
        y = torch.addcmul(torch.addcmul(y, a, c), b, s)
    return y


def _partials(
    x: Tensor, _offset: Tensor, w: Tensor, *coefficients: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    terms = len(coefficients) // 2
    waves = _waves(x, w, terms)
    by_phase = torch.zeros_like(x)
    for n, ((c, s), a, b) in enumerate(
        zip(waves, coefficients[:terms], coefficients[terms:], strict=True), start=1
    ):
        by_phase = torch.addcmul(torch.addcmul(by_phase, n * b, c), n * a, s, value=-1)
    cosines, sines = (tuple(part) for part in zip(*waves, strict=True))
    return w * by_phase, (torch.ones_like(x), x * by_phase, *cosines, *sines)


_fourier_series = pointwise_function(_value, _partials)


class FourierSeries(Activation):
    """See the module's header."""

    is_pointwise = True
    limits = (math.nan, math.nan)

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        terms: int = 5,
        half_period: float = 3.0,
        sharing: Sharing = "layer",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.offset, self.w = (
            make_parameter(start, num_channels, sharing=sharing, freeze=freeze)
            for start in (half_period / 4, math.pi / half_period)
        )
        series = [
            (
                half_period * ((-1) ** n - 1) / (n * math.pi) ** 2,
                half_period * (-1) ** (n + 1) / (n * math.pi),
            )
            for n in range(1, terms + 1)
        ]
        shape = (num_channels, terms) if sharing == "channel" else (terms,)
        self.a, self.b = (
            nn.Parameter(torch.tensor(part).expand(shape).clone(), requires_grad=not freeze)
            for part in zip(*series, strict=True)
        )
        self.operations_per_element = 21.0 + 6 * (terms - 1) + 4 * terms

    def forward(self, x: Tensor) -> Tensor:
        values = (self.offset, self.w, *self.a.unbind(-1), *self.b.unbind(-1))
        return _fourier_series(x, *(beside(value, x, self.channel_dim) for value in values))

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.offset, self.w, self.a, self.b], "weight_decay": 0.0}]

    def log_values(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.named_parameters()}
