"""PReLU: leaky ReLU whose slope below zero is learnt.

Formula     y = max(x, 0) + slope * min(x, 0)
Shapes      x: (N, C, *) -> y: same shape; slope: (C,) along channel_dim, or () with sharing="layer"
Dtype       y has the dtype of x; half types are computed in float32, the slope's gradient is summed there
Parameters  weight (the slope, under torch.nn.PReLU's key): learnable unless frozen, starts at `init` (0.25);
            weight decay: no (the paper, section 2, says that decay would push it to zero)
Gradient    dy/dx = 1 where x > 0, else slope, also at x = 0; dy/dslope = min(x, 0), summed over its sharers
Source      He et al., 2015, arXiv:1502.01852, section 2
Departures  none; only the input and the slope are kept for backward, also by the C++ kernel
"""

import math

from torch import Tensor

from actbench.activations.base import Activation
from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import beside, check_channels, make_parameter
from actbench.activations.kernels import layout
from actbench.activations.kernels import prelu as kernel
from actbench.activations.kernels.batch_norm import Kernel
from actbench.activations.pointwise_function import pointwise_function


def _value(x: Tensor, slope: Tensor) -> Tensor:
    return x.relu() + slope * x.clamp(max=0)


def _partials(x: Tensor, slope: Tensor) -> tuple[Tensor, tuple[Tensor]]:
    above = (x > 0).to(x.dtype)
    return above + slope * (1 - above), (x.clamp(max=0),)


_prelu = pointwise_function(_value, _partials)


class PReLU(Activation):
    """See the module's header."""

    is_pointwise = True
    operations_per_element = 2.0

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        init: float = 0.25,
        sharing: Sharing = "channel",
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.weight = make_parameter(init, num_channels, sharing=sharing, freeze=freeze)
        self.limits = (-math.inf * init, math.inf)

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" where the compiled kernel serves, else "reference"."""
        is_fast = self.weight.device.type == "cpu" and layout.is_available(kernel.LIBRARY)
        return "cpp" if is_fast else "reference"

    def forward(self, x: Tensor) -> Tensor:
        if layout.takes(kernel.LIBRARY, x):
            if self.weight.ndim:
                check_channels(x, self.num_channels, self.channel_dim)
            fast: Tensor = kernel.prelu(x, self.weight.view(-1), self.channel_dim)
            return fast
        return _prelu(x, beside(self.weight, x, self.channel_dim))

    def fusible_kernel(self) -> Kernel:
        def plain(z: Tensor, table: Tensor) -> Tensor:
            y: Tensor = kernel.prelu(z, table.view(-1), 1)
            return y

        return Kernel(kernel.LIBRARY, plain, tables=(self.weight.view(-1, 1),), gradient_sizes=(1,))

    def log_values(self) -> dict[str, Tensor]:
        return {"slope": self.weight.detach().clone()}
