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

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.catalog import Coefficients, CurveName, RationalVersion, Sharing
from actbench.activations.pade import backend, ends, rational
from actbench.activations.rational_fit import start_as

NOISE = 0.1


class Rational(Activation):
    """See the module's header."""

    is_pointwise = True

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
        super().__init__(num_channels, channel_dim)
        self.version, self.decay = version, decay
        start = start_as(init, version, (numerator, denominator), interval, coefficients)
        rows = num_channels if sharing == "channel" else 1
        self.numerator = _rows(start.numerator, rows, freeze)
        self.denominator = _rows(start.denominator, rows, freeze)
        self.limits = ends(*start, version)
        self.operations_per_element = 2.0 * (numerator + denominator) + 3

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" where the compiled kernel serves, else "reference"."""
        return backend(self.numerator)

    def forward(self, x: Tensor) -> Tensor:
        numerator: Tensor = self.numerator
        if self.version == "D" and self.training:
            numerator = numerator * torch.empty_like(numerator).uniform_(1 - NOISE, 1 + NOISE)
        return rational(
            x,
            numerator,
            self.denominator,
            version=self.version,
            num_channels=self.num_channels,
            channel_dim=self.channel_dim,
        )

    def param_groups(self) -> Iterator[dict[str, Any]]:
        """No weight decay unless asked for: then the rule for 2-D parameters holds, the model's."""
        if not self.decay:
            yield {"params": [self.numerator, self.denominator], "weight_decay": 0.0}

    def log_values(self) -> dict[str, Tensor]:
        return {
            "numerator": self.numerator.detach().clone(),
            "denominator": self.denominator.detach().clone(),
        }

    def extra_repr(self) -> str:
        m, n = self.numerator.shape[1] - 1, self.denominator.shape[1] - (self.version == "C")
        return f"{self.num_channels}, version={self.version}, {m}/{n}, rows={len(self.numerator)}"


def _rows(values: tuple[float, ...], rows: int, freeze: bool) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values).repeat(rows, 1), requires_grad=not freeze)
