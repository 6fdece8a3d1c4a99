"""LSLU: VanillaNet's series activation behind a learnable chain, or sum, of scaled and shifted ReLUs.

Formula     LSLU          u = ReLU(h_n),  h_0 = x,  h_i = theta_i * ReLU(h_{i-1}) + omega_i
            LSLUParallel  u = sum_i theta_i * ReLU(x + omega_i)
            y = BN(DWConv_W(u)), as in series
Shapes      x: (N, C, H, W) -> y: same shape; theta, omega: (n,); LSLUParallel with sharing="channel": (n, C)
Dtype       as series; u is computed, and the gradients of theta and omega summed, in at least float32
Parameters  weight, bn.*: as series. LSLU's theta and omega stand under upstream's keys `alphas` and `biases`;
            learnable unless frozen, theta starts at 1, omega at 0 (LSLUParallel: evenly over
            [-spread, spread]); weight decay on theta and omega: no (upstream's rule for 1-D parameters)
Gradient    of the loop of ReLUs, with 0 at each kink
Source      Feng et al., 2024, arXiv:2409.08283: LSLU as the official code computes it, LSLUParallel as the
            paper's word "series" suggests
Departures  LSLU          theta and omega are n-vectors; upstream stores one entry per channel and uses the
                          first n. Upstream's deployed form multiplies channel c by theta_c and drops the
                          chain, which is another function; ours keeps p + q*clip(x, t0, t1) before the
                          convolution
            LSLUParallel  the paper starts omega at 0. All n terms would then be equal, get equal gradients,
                          and stay equal for ever; so omega starts spread out
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd import Function

from actbench.activations.catalog import Sharing
from actbench.activations.channelwise import beside, widen
from actbench.activations.ramp import Ramp, RampPass, clip, clip_pass, collapse
from actbench.activations.series import SpatialSeries


class LSLU(SpatialSeries):
    """The serial form. A layer whose chain is constant (q = 0 in the log) passes nothing of its input on."""

    operations_per_element = 4.0

    def __init__(self, num_channels: int, channel_dim: int = 1, *, n: int = 3, freeze: bool = False) -> None:
        super().__init__(num_channels, channel_dim, n=n)
        self.alphas = nn.Parameter(torch.ones(n), requires_grad=not freeze)
        self.biases = nn.Parameter(torch.zeros(n), requires_grad=not freeze)
        self.register_buffer("ramp", None)
        self.ramp: Tensor | None
        self._only_clips = False

    def pointwise(self, x: Tensor) -> Tensor:
        if self.ramp is None:
            u: Tensor = RampPass.apply(x, *collapse(self.alphas, self.biases))
            return u
        bounds, (p, q) = self.ramp[:2], self.ramp[2:].unbind()
        return clip(widen(x), bounds, q).to(x.dtype) if self._only_clips else clip_pass(x, bounds, p, q)

    def as_ramp(self) -> Ramp:
        return collapse(self.alphas, self.biases) if self.ramp is None else Ramp(self.ramp[:2], self.ramp[2:])

    @torch.no_grad()
    def deploy(self) -> Self:
        """Puts t0, t1, p, q in the place of theta and omega, and folds BN.

        p stays before the zero-padded convolution: behind it, it would be another constant at each border
        position.
        """
        if self.ramp is not None:
            return self
        super().deploy()
        self.ramp = self._ramp_values()
        if not self.ramp[2]:
            self.weight.mul_(self.ramp[3])
            self.ramp[3] = 1
        del self.alphas, self.biases
        self._note_ramp()
        return self

    def _ramp_values(self) -> Tensor:
        bounds, values = collapse(self.alphas, self.biases)
        return torch.cat((bounds, values[:2]))

    def _note_ramp(self) -> None:
        if self.ramp is not None:
            self._only_clips = self.ramp[2:].tolist() == [0, 1]
            self.operations_per_element = 2.0 if self._only_clips else 4.0

    def log_values(self) -> dict[str, Tensor]:
        ramp = self._ramp_values() if self.ramp is None else self.ramp
        named = dict(zip(("t0", "t1", "p", "q"), ramp.detach().clone(), strict=True))
        if self.ramp is not None:
            return named
        return {"theta": self.alphas.detach().clone(), "omega": self.biases.detach().clone(), **named}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        error_msgs: list[str] = args[-1]
        for key in (f"{prefix}alphas", f"{prefix}biases"):
            value = state_dict.get(key)
            if self.ramp is not None or not isinstance(value, Tensor) or value.ndim != 1:
                continue
            if len(value) < self.n:
                error_msgs.append(f"{key} has {len(value)} values, but n = {self.n} are needed.")
            elif len(value) == self.num_channels:
                state_dict[key] = value[: self.n]  # upstream's other entries are never used
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._note_ramp()


class _ReLUSum(Function):
    """sum_i theta_i * ReLU(x + omega_i), each theta_i and omega_i as it broadcasts against x.

    Of tensors as large as x only x is kept; the price is n passes in either direction.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, theta: Tensor, omega: Tensor) -> Tensor:
        ctx.save_for_backward(x, theta, omega)
        wide = widen(x)
        terms = zip(theta.unbind(), omega.unbind(), strict=True)
        scale, shift = next(terms)
        y = torch.relu(wide + shift) * scale
        for scale, shift in terms:
            y = y + torch.relu(wide + shift) * scale
        return y.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, theta, omega = ctx.saved_tensors
        wide, wide_grad = widen(x), widen(grad)
        dx, dtheta, domega = torch.zeros_like(wide), [], []
        for scale, shift in zip(theta.unbind(), omega.unbind(), strict=True):
            shifted = wide + shift
            active = torch.ops.aten.threshold_backward(wide_grad, shifted, 0)
            dx = dx + active * scale
            if ctx.needs_input_grad[1]:
                dtheta.append((wide_grad * torch.relu(shifted)).sum_to_size(scale.shape))
            if ctx.needs_input_grad[2]:
                domega.append((active * scale).sum_to_size(shift.shape))
        return (
            dx.to(x.dtype) if ctx.needs_input_grad[0] else None,
            torch.stack(dtheta).to(theta.dtype) if dtheta else None,
            torch.stack(domega).to(omega.dtype) if domega else None,
        )


class LSLUParallel(SpatialSeries):
    """The parallel form."""

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        n: int = 3,
        sharing: Sharing = "layer",
        spread: float = 1.0,
        freeze: bool = False,
    ) -> None:
        super().__init__(num_channels, channel_dim, n=n)
        omega = torch.linspace(-spread, spread, n) if n > 1 else torch.zeros(1)
        if sharing == "channel":
            omega = omega[:, None].repeat(1, num_channels)
        self.theta = nn.Parameter(torch.ones_like(omega), requires_grad=not freeze)
        self.omega = nn.Parameter(omega, requires_grad=not freeze)
        self.operations_per_element = 4.0 * n - 1

    def pointwise(self, x: Tensor) -> Tensor:
        theta, omega = (
            torch.stack([beside(term, x, self.channel_dim) for term in values])
            for values in (self.theta, self.omega)
        )
        u: Tensor = _ReLUSum.apply(x, theta, omega)
        return u

    def param_groups(self) -> list[dict[str, Any]]:
        """No weight decay on theta and omega even where they are 2-D."""
        return [{"params": [self.theta, self.omega], "weight_decay": 0.0}]

    def log_values(self) -> dict[str, Tensor]:
        return {"theta": self.theta.detach().clone(), "omega": self.omega.detach().clone()}
