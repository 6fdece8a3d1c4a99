"""PWLU: a piecewise-linear unit on uniform intervals, its heights, range and outer slopes learnt.

Formula     d = (B_R - B_L) / N, knots B_i = B_L + i d with heights Y_0 .. Y_N:
            y = Y_0 + K_L (x - B_L)                    x < B_L
            y = Y_i + (Y_{i+1} - Y_i) (x - B_i) / d    B_i <= x < B_{i+1},  i = floor((x - B_L) / d)
            y = Y_N + K_R (x - B_R)                    x >= B_R
Shapes      x: (N, C, *) -> y: same shape; units K = C along channel_dim, or 1 with sharing="layer":
            heights (K, N + 1); bound_left, bound_right, slope_left, slope_right (K,)
Dtype       y has the dtype of x; computed in at least float32; gradients are summed in float64, by a
            kernel in float32 over 256 terms at most before that
Parameters  N + 5 per unit, all learnable unless frozen. Start: B_R = -B_L = `bound`, K = (0, 1), Y_i = ReLU(B_i); N is
            even, so 0 is a knot and y = ReLU(x) exactly. Weight decay: none, or with `decay` the model's on the
            heights (the paper says nothing; chosen by the sweep in docs/pwlu.md)
Learning    `begin_epoch(e)` with e < phase_epochs (paper: 5) starts phase one: y = ReLU(x), the parameters rest, and
            mean mu and deviation sigma of each unit's input are averaged with momentum 0.9. At e = phase_epochs
            `realign` sets B = mu -+ 3 sigma, K = (0, 1), Y_i = ReLU(B_i) in place; phase two learns everything.
            A loop that never calls `begin_epoch` learns from the first step on [-bound, bound]; so does
            phase_epochs = 0, the start without realignment
Gradient    with i held fixed, s the slope of the piece (at a knot the right one's) and r = (x - B_i) / d:
            dy/dx = s; dy/dY_i = 1 - r, dy/dY_{i+1} = r; dy/dK = x - B beyond that bound;
            dy/dB_L = -s (B_R - x) / (B_R - B_L), dy/dB_R = -s (x - B_L) / (B_R - B_L) inside, -K beyond that bound
At the ends -inf with K_L = 0 gives Y_0, +inf with K_R = 0 gives Y_N; NaN stays NaN. Finite inputs are told in steps d,
            which overflows for |x| beyond the largest float32 times d (`finite_to`); the deploy form has no such bound
Source      Zhou et al., ICCV 2021, arXiv:2104.03693
Departures  averages are corrected for their start at 0, so a short phase one is unbiased (the paper's start is not
            known); sigma is the population deviation; under data parallelism both are those of the whole batch.
            Bounds keep a distance of LEAST_WIDTH: a narrower range acts as that wide around its middle, and only
            gradients that widen it pass (the paper names no constraint)
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function

from actbench.activations.base import Activation, PhaseChange
from actbench.activations.catalog import Freeze, Sharing
from actbench.activations.channelwise import check_channels, widen
from actbench.activations.kernels import pwlu as kernels
from actbench.activations.kernels.batch_norm import Kernel
from actbench.activations.kernels.layout import backend, takes
from actbench.activations.kernels.piecewise_linear import LIBRARY
from actbench.activations.piecewise_linear import look_up, piecewise_linear, piecewise_linear_kernel

MOMENTUM = 0.9
SIGMAS = 3.0
V_SLOPE = 0.1
"""Both outer slopes must be steeper than this, away from the middle, for a unit to be logged as V-shaped."""
LEAST_WIDTH = 1e-2
"""A unit whose input never varies still has pieces of a finite slope."""

_LEARNING, _TRACKING = 0, 1


class _Floor(Function):
    """max(width, LEAST_WIDTH), with the gradient of a projection: at the floor, only what widens passes."""

    @staticmethod
    def forward(ctx: Any, width: Tensor) -> Tensor:
        ctx.save_for_backward(width)
        return width.clamp(min=LEAST_WIDTH)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (width,) = ctx.saved_tensors
        return torch.where((width > LEAST_WIDTH) | (grad < 0), grad, 0)


class PWLU(Activation):
    """See the module's header."""

    is_pointwise = True
    operations_per_element = 7.0
    limits = (0.0, torch.inf)

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        intervals: int = 16,
        sharing: Sharing = "channel",
        bound: float = 3.0,
        phase_epochs: int = 5,
        freeze: Freeze = "none",
        decay: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim)
        units = num_channels if sharing == "channel" else 1
        self.intervals, self.sharing, self.phase_epochs = intervals, sharing, phase_epochs
        self.freeze, self.decay = freeze, decay
        self.heights = nn.Parameter(torch.empty(units, intervals + 1), requires_grad=freeze == "none")
        for name in ("bound_left", "bound_right", "slope_left", "slope_right"):
            setattr(self, name, nn.Parameter(torch.empty(units), requires_grad=freeze != "all"))
        self.bound_left: nn.Parameter
        self.bound_right: nn.Parameter
        self.slope_left: nn.Parameter
        self.slope_right: nn.Parameter
        self.register_buffer("running_mean", torch.zeros(units))
        self.register_buffer("running_std", torch.zeros(units))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("phase", torch.zeros((), dtype=torch.int64))
        self.running_mean: Tensor
        self.running_std: Tensor
        self.batches: Tensor
        self.phase: Tensor
        self.deployed = False
        self._tracking = False  # `phase` as a bool that needs no synchronisation
        self._resting: tuple[str, ...] = ()
        with torch.no_grad():
            self._start_as_relu(torch.full((units,), -bound), torch.full((units,), bound))

    # ---- the function -----------------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        if self.sharing == "channel":
            check_channels(x, self.num_channels, self.channel_dim)
        if self.deployed:
            return look_up(x, self.offset, self.slope, self.low, self.inv_step, channel_dim=self.channel_dim)
        if self._tracking:
            if self.training:
                self._track(x)
            return torch.relu(x)
        if x.device.type == "cpu" and takes(LIBRARY, x):
            parameters = (self.bound_left, self.bound_right, self.slope_left, self.slope_right)
            y: Tensor = kernels.pwlu(x, self.heights, *parameters, LEAST_WIDTH, self.channel_dim)
            return y
        return piecewise_linear(x, *self._tables(), channel_dim=self.channel_dim)

    def fusible_kernel(self) -> Kernel | None:
        if self.deployed or self._tracking:
            return None  # phase one looks at its input
        return piecewise_linear_kernel(*self._tables())

    def _tables(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """base and rise (K, N + 2), low and inv_step (K,), as `piecewise_linear` takes them; differentiable."""
        heights = widen(self.heights)
        left, _, width = self._range()
        step = width / self.intervals
        left_rise = (widen(self.slope_left) * step)[:, None]
        right_rise = (widen(self.slope_right) * step)[:, None]
        base = torch.cat((heights[:, :1], heights), dim=1)
        rise = torch.cat((left_rise, heights.diff(dim=1), right_rise), dim=1)
        return base, rise, left, 1 / step

    def bounds(self) -> tuple[Tensor, Tensor]:
        """B_L and B_R as they act, (K,) each: at least LEAST_WIDTH apart, the middle unchanged."""
        left, right, _ = self._range()
        return left, right

    def _range(self) -> tuple[Tensor, Tensor, Tensor]:
        """B_L, B_R and their distance as they act; far from 0 both bounds may round to one number, it does not."""
        left, right = widen(self.bound_left), widen(self.bound_right)
        width: Tensor = _Floor.apply(right - left)
        missing = (width - (right - left)) / 2
        return left - missing, right + missing, width

    @property
    def at_least_width(self) -> Tensor:
        """Which units' bounds are as close as they may get, or closer: (K,) bool."""
        return (self.bound_right - self.bound_left).detach() <= LEAST_WIDTH

    # ---- the learning method ----------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int) -> PhaseChange | None:
        """Starts phase one while epoch < phase_epochs, realigns and starts phase two after it."""
        if self.deployed:
            return None
        if epoch < self.phase_epochs and not self._tracking:
            for statistic in (self.running_mean, self.running_std, self.batches):
                statistic.zero_()
            self._set_tracking(True)
            return PhaseChange((), "phase one: ReLU, statistics of the input are gathered", True)
        if epoch >= self.phase_epochs and self._tracking:
            return self.realign()
        return None

    @torch.no_grad()
    def realign(self) -> PhaseChange | None:
        """Moves the range over the input seen in phase one, in place, and starts phase two.

        Without statistics nothing moves, and a warning says so.
        """
        was_tracking = self._tracking
        self._set_tracking(False)
        if not self.batches:
            warnings.warn(
                "PWLU: no statistics of the input were gathered (phase one saw no training batch), so the range stays "
                "as it was",
                stacklevel=2,
            )
            return (
                PhaseChange((), "phase two without realignment: no statistics", True)
                if was_tracking
                else None
            )
        mean, std = self.statistics()
        # A unit that met an infinite input has no statistics; ReLU survives it, and so does the unit's old range.
        known = mean.isfinite() & std.isfinite()
        left = torch.where(known, mean - SIGMAS * std, self.bound_left)
        right = torch.where(known, mean + SIGMAS * std, self.bound_right)
        self._start_as_relu(left, right)
        far, narrow = int((mean.abs() > SIGMAS * std).sum()), int(self.at_least_width.sum())
        note = (
            f"phase two: range set to mean -+ {SIGMAS:g} deviations, averaged over {int(self.batches)} batches; of "
            f"{len(mean)} units {far} have 0 outside it, {narrow} are at the least width"
        )
        if not known.all():
            note += f", {int((~known).sum())} met infinite inputs and keep their range"
        return PhaseChange(tuple(self.parameters()), note, True)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each unit's input, (K,) each: averages over batches, corrected for their start."""
        weight = 1 - MOMENTUM ** self.batches.to(self.running_mean.dtype)
        return self.running_mean / weight, self.running_std / weight

    @torch.no_grad()
    def _track(self, x: Tensor) -> None:
        mean, std, count = self._batch_statistics(widen(x.detach()))
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            mean, std, count = _over_ranks(mean, std, count)
        if count == 0:
            return
        self.batches += 1
        for average, value in ((self.running_mean, mean), (self.running_std, std)):
            average.lerp_(value.to(average.dtype), 1 - MOMENTUM)

    def _batch_statistics(self, x: Tensor) -> tuple[Tensor, Tensor, int]:
        """Mean and population deviation of each unit's input, and over how many values."""
        units = len(self.running_mean)
        if x.numel() == 0:
            zeros = x.new_zeros(units)
            return zeros, zeros, 0
        own = self.channel_dim % x.ndim if units > 1 else None
        others = [dim for dim in range(x.ndim) if dim != own]
        if own is not None and not others:  # one value per channel; torch takes no dimensions for all
            return x, torch.zeros_like(x), 1
        std, mean = torch.std_mean(x, others, correction=0)
        return mean.view(units), std.view(units), x.numel() // units

    def _set_tracking(self, tracking: bool) -> None:
        """Parameters that rest in phase one learn again in phase two, if they did before."""
        if tracking == self._tracking:
            return
        named = dict(self.named_parameters())
        if tracking:
            self._resting = tuple(name for name, value in named.items() if value.requires_grad)
        for name in self._resting:
            named[name].requires_grad_(not tracking)
        self._tracking = tracking
        self.phase.fill_(_TRACKING if tracking else _LEARNING)

    def _start_as_relu(self, left: Tensor, right: Tensor) -> None:
        self.bound_left.copy_(left)
        self.bound_right.copy_(right)
        self.slope_left.fill_(0)
        self.slope_right.fill_(1)
        left, right = (bound.detach()[:, None] for bound in self.bounds())
        share = torch.arange(self.intervals + 1, device=left.device) / self.intervals
        self.heights.copy_(torch.lerp(left, right, share.to(left.dtype)).relu())

    # ---- declarations -----------------------------------------------------------------------------------------

    @property
    def finite_to(self) -> float:  # type: ignore[override]
        """Half of the bound in the module's header, so that roundings and the bounds themselves are covered."""
        if self.deployed:
            return math.inf
        _, _, width = self._range()
        return torch.finfo(torch.float32).max * min(1.0, float(width.detach().min()) / (2 * self.intervals))

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" or "triton" where a compiled kernel serves, else "reference"."""
        return backend(LIBRARY, self.slope if self.deployed else self.heights)

    def extra_repr(self) -> str:
        told = f"{self.num_channels}, intervals={self.intervals}, sharing={self.sharing}"
        if self.deployed:
            return f"{told}, deployed"
        return f"{told}, {f'phase one of {self.phase_epochs} epochs' if self._tracking else 'learning'}"

    def param_groups(self) -> Iterator[dict[str, Any]]:
        """No weight decay, whatever the parameters' dimensions; with `decay`, the model's on the heights."""
        for name, parameter in self.named_parameters():
            if not (self.decay and name == "heights"):
                yield {"params": [parameter], "weight_decay": 0.0}

    def log_values(self) -> dict[str, Tensor]:
        if self.deployed:
            return {}
        if self._tracking:
            return (
                dict(zip(("input_mean", "input_std"), self.statistics(), strict=True)) if self.batches else {}
            )
        left, right, width = (value.detach() for value in self._range())
        slopes = self.heights.detach().diff(dim=1) * (self.intervals / width)[:, None]
        return {
            "bound_left": left,
            "bound_right": right,
            "slope_left": self.slope_left.detach().clone(),
            "slope_right": self.slope_right.detach().clone(),
            # How bent the curve is inside its range: mean change of slope from piece to piece.
            "bend": slopes.diff(dim=1).abs().mean(dim=1),
            "units_v_shaped": ((self.slope_left < -V_SLOPE) & (self.slope_right > V_SLOPE)).sum(),
            "units_at_least_width": self.at_least_width.sum(),
        }

    @torch.no_grad()
    def deploy(self) -> Self:
        """Tables of a slope and an offset per piece in the place of the parameters: y = offset[j] + slope[j] * x."""
        if self.deployed:
            return self
        if self._tracking:  # in phase one the function is ReLU, whatever shape the parameters rest at
            self._set_tracking(False)
            self._start_as_relu(-torch.ones_like(self.bound_left), torch.ones_like(self.bound_right))
        base, rise, low, inv_step = (table.detach() for table in self._tables())
        origin = torch.arange(-1, self.intervals + 1, device=low.device).clamp(min=0)
        slope = rise * inv_step[:, None]
        offset = base - slope * (low[:, None] + origin / inv_step[:, None])
        for name in [name for name, _ in self.named_parameters()]:
            delattr(self, name)
        for name, table in (("offset", offset), ("slope", slope), ("low", low), ("inv_step", inv_step)):
            self.register_buffer(name, table)
        self.deployed = True
        return self

    offset: Tensor
    slope: Tensor
    low: Tensor
    inv_step: Tensor

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if f"{prefix}phase" in state_dict and not self.deployed:
            self._set_tracking(bool(self.phase == _TRACKING))


def _over_ranks(mean: Tensor, std: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """The same statistics over the batches of all ranks, in one exchange."""
    wide = torch.float32 if mean.device.type == "mps" else torch.float64
    mean, std = mean.to(wide), std.to(wide)
    sums = torch.cat((mean * count, (std**2 + mean**2) * count, mean.new_full((1,), count)))
    dist.all_reduce(sums)
    total = int(sums[-1])
    first, second = (sums[:-1] / max(total, 1)).chunk(2)
    return first, (second - first**2).clamp(min=0).sqrt(), total
