"""Dynamic ReLU: the largest of K lines whose slopes and offsets are computed from the whole input.

Formula     y = pi * max_k (a^k x + b^k),  a^k = alpha^k + 1.0 * D(a^k),  b^k = beta^k + 0.5 * D(b^k),
            alpha = (1, 0, ..., 0), beta = 0;  the residuals D = 2 * sigmoid(fc2(relu(fc1(mean of x)))) - 1
            variant A   a and b for the layer, B for each channel; pi = 1
            variant C   as B, and every place has its share pi = min(HW/3 * softmax(position(x) / 10), 1), the softmax
                        over all HW places, position a 1x1 convolution to one channel
Shapes      x: (N, C, *) -> y: same shape. The batch is the first dimension beside the channels'; mean and softmax run
            over all others. fc1: C -> h = max(1, C // reduction); fc2: h -> 2K (A) or 2KC, in the order a^1, ..., a^K,
            b^1, ..., b^K, channels innermost
Dtype       y has the dtype of x; half types are computed in float32, fc1 and fc2 too, under autocast as well. The
            gradient of x is a sum over its paths (the line, the mean, for C the place), each rounded once
Parameters  fc1, fc2 (A: Ch + h + 2Kh + 2K; B: Ch + h + 2KCh + 2KC), position (C + 1; its bias, of which the softmax is
            independent, is there for the published count and inactive). init=zero: fc2 and position start at 0, so
            that A and B start as ReLU, C as ReLU / 3; init=default: as PyTorch starts linear layers, which is no
            ReLU. Weight decay: the model's on weights, none on biases
Gradient    through the line that is largest (of equal ones the last, so that the start has ReLU's derivative 0 at 0),
            and through a, b and pi
Source      Chen et al., 2020, arXiv:2003.10027
Departures  reduction is 8, public code has 4. The zero start is ours. `gate` replaces the sigmoid in D by a hard one,
            of which two conventions are in use: hard_sigmoid_6 is clip((z + 3) / 6, 0, 1), hard_sigmoid_2 is
            clip((z + 1) / 2, 0, 1). In tokens the mean sees all of them, padding and the future too: a causal
            language model would leak. Where HW is 1, pi is 1/3. Only x and the coefficients are kept for backward
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from actbench.activations.base import Activation
from actbench.activations.catalog import DyReLUGate, DyReLUInit, DyReLUVariant
from actbench.activations.channelwise import check_channels, widen
from actbench.activations.kernels import largest_line as kernel
from actbench.activations.kernels import layout

_SLOPE_RANGE, _OFFSET_RANGE = 1.0, 0.5
"""lambda_a and lambda_b of the paper."""
_TEMPERATURE, _SHARE = 10.0, 1 / 3
"""tau, and gamma / HW, of variant C."""

_RESIDUALS: dict[DyReLUGate, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda z: torch.tanh(z / 2),  # 2 * sigmoid(z) - 1, exact near 0
    "hard_sigmoid_6": lambda z: (z / 3).clamp(-1, 1),
    "hard_sigmoid_2": lambda z: z.clamp(-1, 1),
}


class _LargestLine(Function):
    """max_k (a[k] * x + b[k]) * place; a[k], b[k] and place broadcast against x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, place: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, a, b, place)
        wide = widen(x)
        y = torch.addcmul(b[0], a[0], wide)
        for slope, offset in zip(a[1:], b[1:], strict=True):
            y = torch.maximum(y, torch.addcmul(offset, slope, wide))
        return (y if place is None else y * place).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        x, a, b, place = ctx.saved_tensors
        wide, wide_grad = widen(x), widen(grad)
        largest, parts = torch.addcmul(b[0], a[0], wide), [wide_grad]
        for slope, offset in zip(a[1:], b[1:], strict=True):
            line = torch.addcmul(offset, slope, wide)
            lead = largest - line
            # What the earlier lines keep of the gradient, the later one having it where they are equal.
            parts = [torch.ops.aten.threshold_backward(part, lead, 0) for part in parts]
            parts.append(wide_grad - sum(parts[1:], start=parts[0]))
            largest = torch.maximum(largest, line)
        dplace = None
        if place is not None:
            dplace = (wide_grad * largest).sum_to_size(place.shape)
            parts = [part * place for part in parts]
        dx = sum((part * slope for part, slope in zip(parts[1:], a[1:], strict=True)), start=parts[0] * a[0])
        da = [(part * wide).sum_to_size(slope.shape) for part, slope in zip(parts, a, strict=True)]
        db = [part.sum_to_size(offset.shape) for part, offset in zip(parts, b, strict=True)]
        return dx.to(x.dtype), torch.stack(da), torch.stack(db), dplace


class _Projection(Function):
    """Sum over dim of x * weight, that dimension kept; keeps x as it is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dim = dim
        return (widen(x) * weight).sum(dim, keepdim=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        return (grad * weight).to(x.dtype), (grad * widen(x)).sum_to_size(weight.shape), None


class DyReLU(Activation):
    """See the module's header."""

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        variant: DyReLUVariant = "B",
        reduction: int = 8,
        pieces: int = 2,
        init: DyReLUInit = "zero",
        gate: DyReLUGate = "sigmoid",
    ) -> None:
        super().__init__(num_channels, channel_dim)
        self.pieces, self.gate = pieces, gate
        hidden = max(1, num_channels // reduction)
        self.fc1 = nn.Linear(num_channels, hidden)
        self.fc2 = nn.Linear(hidden, 2 * pieces * (1 if variant == "A" else num_channels))
        self.position = nn.Linear(num_channels, 1) if variant == "C" else None
        if self.position is not None:
            self.position.bias.requires_grad_(
                False
            )  # a softmax is the same wherever all its inputs move alike
        if init == "zero":
            for layer in (self.fc2, self.position):
                if layer is not None:
                    nn.init.zeros_(layer.weight)
                    nn.init.zeros_(layer.bias)
        # K products and sums, K - 1 comparisons, one addition of the mean; C: a product and a sum, and the share.
        self.operations_per_element = 3.0 * pieces + (3.0 if variant == "C" else 0.0)

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" where the compiled kernel serves, else "reference"."""
        is_cpu = self.fc1.weight.device.type == "cpu"
        is_fast = is_cpu and self.pieces <= kernel.MOST_LINES and layout.is_available(kernel.LIBRARY)
        return "cpp" if is_fast else "reference"

    def forward(self, x: Tensor) -> Tensor:
        check_channels(x, self.num_channels, self.channel_dim)
        a, b = self.coefficients(x)
        place = self.shares(x)
        channel, batch, _ = self._dimensions(x)
        # The kernel's rows follow one another sample by sample, and channel by channel within one.
        is_in_order = batch is None or (batch == 0 and channel in (1, x.ndim - 1))
        if is_in_order and self.pieces <= kernel.MOST_LINES and layout.takes(kernel.LIBRARY, x):
            samples = 1 if batch is None else x.shape[batch]
            a, b = (table.reshape(self.pieces, samples, a[0].numel() // max(samples, 1)) for table in (a, b))
            place = None if place is None else place.reshape(samples, place.numel() // max(samples, 1))
            fast: Tensor = kernel.largest_line(x, a, b, place, channel)
            return fast
        y: Tensor = _LargestLine.apply(x, a, b, place)
        return y

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes and offsets, each (K, *) with * broadcasting against x."""
        channel, batch, places = self._dimensions(x)
        mean = _mean(x, places) if places else widen(x)
        rows = mean.movedim(channel, -1).reshape(-1, self.num_channels)
        # The layers are small, and eight bits of a slope would be seen in all of y.
        with _no_autocast(x):
            z = F.linear(F.relu(F.linear(rows, *_wide(self.fc1))), *_wide(self.fc2))
        units = self.fc2.out_features // (2 * self.pieces)  # 1 or C
        residual = _RESIDUALS[self.gate](z).view(-1, 2 * self.pieces, units).movedim(1, 0)
        shape = [1] * x.ndim
        shape[channel] = units
        if batch is not None:
            shape[batch] = residual.shape[1]
            if channel < batch:
                residual = residual.transpose(1, 2)
        slopes, offsets = residual.reshape(2, self.pieces, *shape).unbind()
        # alpha is 1 for the first line and 0 for the others.
        slopes = torch.cat([1 + _SLOPE_RANGE * slopes[:1], _SLOPE_RANGE * slopes[1:]])
        return slopes, _OFFSET_RANGE * offsets

    def shares(self, x: Tensor) -> Tensor | None:
        """pi, broadcasting against x; None where it is 1 everywhere."""
        if self.position is None:
            return None
        channel, batch, places = self._dimensions(x)
        weight, bias = _wide(self.position)
        shape = [1] * x.ndim
        shape[channel] = -1
        z = _Projection.apply(x, weight.view(shape), channel) + bias
        number = torch.Size(x.shape[dim] for dim in places).numel()
        softmax = F.softmax(z.reshape(1 if batch is None else x.shape[batch], number) / _TEMPERATURE, dim=1)
        return (_SHARE * number * softmax).clamp(max=1).reshape(z.shape)

    def _dimensions(self, x: Tensor) -> tuple[int, int | None, list[int]]:
        """Those of the channels, of the batch (None for a single vector), and of the places."""
        channel = self.channel_dim % x.ndim
        others = [dim for dim in range(x.ndim) if dim != channel]
        return channel, others[0] if others else None, others[1:]


def _mean(x: Tensor, places: list[int]) -> Tensor:
    """As `mean`, whose backward would make a tensor as large as x where that of a sum makes a view."""
    total = x.sum(places, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    return total / torch.Size(x.shape[dim] for dim in places).numel()


def _wide(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    return widen(layer.weight), widen(layer.bias)


def _no_autocast(x: Tensor) -> Any:
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
