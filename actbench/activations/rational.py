"""Rational (Pade activation unit, RAF): a quotient of two polynomials, both learnt.

Formula     y = P(x) / Q(x), P of degree `numerator` (5), Q of degree `denominator` (4), by `version`:
            A   1 + sum |b_j||x|^j   (the library's default, and RAFT's)
            B   1 + |sum b_j x^j|    (the "safe PAU" of the first paper)
            C   0.1 + |b_0 + sum b_j x^j|
            D   B, and in training each a_i is multiplied by a factor from U(0.9, 1.1), drawn anew at each call
Shapes      x: (N, C, *) -> y: same shape; coefficients (1, degree + 1), or (C, degree + 1) with sharing="channel"
Dtype       y has the dtype of x; float64 inside, or float32 in the compiled form; autocast changes nothing
Parameters  numerator, denominator: learnable unless frozen; start: least squares to the curve `init` (gelu, as RAFT) on
            [-interval, interval], computed here, or the published coefficients; weight decay: no (PAU's own code; RAFT
            decays by 0.1), with `decay` the model's
Gradient    see pade.py; sgn(0) = +1 as in the authors' kernels, so that denominators that start at 0 train
Source      Molina et al., 2019, arXiv:1907.06732 (PAU); Fang et al., 2022, arXiv:2208.14111 (RAFT); versions by
            github.com/ml-research/rational_activations
Departures  D's noise is that of the library's PyTorch form: on the numerator alone, one draw for all elements, so that
            its mean is B exactly; the library's CUDA kernel draws for every element, for both polynomials. D is B in
            evaluation. Outside the interval a fit goes where it will: A's GELU grows as a square, that of B, C and D
            falls off beyond 4, as the published ones do. C's b_0 starts at 0.9, so Q(0) = 1; published C starts
            elsewhere on the same curve. Infinite inputs count as +-2^140
"""

import torch
from torch import Tensor

from actbench.activations.catalog import Coefficients, CurveName, RationalVersion, Sharing
from actbench.activations.pade_unit import PadeUnit
from actbench.activations.rational_fit import start_as

NOISE = 0.1


class Rational(PadeUnit):
    """See the module's header."""

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        version: RationalVersion = "A",
        numerator: int = 5,
        denominator: int = 4,
        init: CurveName = "gelu",
        interval: float = 3.0,
        coefficients: Coefficients = "fitted",
        sharing: Sharing = "layer",
        freeze: bool = False,
        decay: bool = False,
    ) -> None:
        start = start_as(init, version, (numerator, denominator), interval, coefficients)
        rows = num_channels if sharing == "channel" else 1
        super().__init__(
            num_channels, channel_dim, start, version, rows=(rows, rows), freeze=freeze, decay=decay
        )

    def numerator_now(self) -> Tensor:
        """With the noise of version D in training."""
        if self.version != "D" or not self.training:
            return self.numerator
        return self.numerator * torch.empty_like(self.numerator).uniform_(1 - NOISE, 1 + NOISE)
