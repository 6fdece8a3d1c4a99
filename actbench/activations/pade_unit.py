"""What activations that are rationals have in common: their coefficients, and what they declare."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.activations.catalog import RationalVersion
from actbench.activations.kernels import layout
from actbench.activations.kernels import rational as kernel
from actbench.activations.kernels.batch_norm import Kernel
from actbench.activations.pade import ends, rational, rational_kernel
from actbench.activations.rational_fit import Start


class PadeUnit(Activation):
    """Holds `numerator` and `denominator`, 2-D, a row per unit; the rows divide the channels as in pade.py."""

    is_pointwise = True

    def __init__(
        self,
        num_channels: int,
        channel_dim: int,
        start: Start,
        version: RationalVersion,
        *,
        rows: tuple[int, int],
        freeze: bool,
        decay: bool,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.version, self.decay = version, decay
        self.numerator, self.denominator = (
            nn.Parameter(torch.tensor(values).repeat(count, 1), requires_grad=not freeze)
            for values, count in zip(start, rows, strict=True)
        )
        self.limits = ends(*start, version)
        # By Horner's rule, with a magnitude and a quotient: 21 for 5/4, as KAT counts.
        self.operations_per_element = 2.0 * (self.numerator.shape[1] - 1 + self.denominator.shape[1]) + 3

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" or "triton" where a compiled kernel serves, else "reference"."""
        return layout.backend(kernel.LIBRARY, self.numerator)

    def forward(self, x: Tensor) -> Tensor:
        return rational(
            x,
            self.numerator_now(),
            self.denominator,
            version=self.version,
            num_channels=self.num_channels,
            channel_dim=self.channel_dim,
        )

    def fusible_kernel(self) -> Kernel:
        return rational_kernel(
            self.numerator_now(), self.denominator, version=self.version, num_channels=self.num_channels
        )

    def numerator_now(self) -> Tensor:
        """The numerator of this call."""
        return self.numerator

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
        rows = " and ".join(str(tuple(table.shape)) for table in (self.numerator, self.denominator))
        return f"{self.num_channels}, version={self.version}, coefficients {rows}"
