"""How much an activation shrinks the second moment of a standard normal input, measured by quadrature.

A linear layer of fan-in d that follows F keeps the variance of its input when its weights have the variance
alpha / d, alpha = Var[x] / E[F(x)^2] for x ~ N(0, 1) (2409.10594, section 4.3). Tables of alpha go stale with the
curve; this measures it for whatever the curve is.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from actbench.errors import ActbenchError

_REACH = 12.0
"""Beyond it lie 4e-33 of the distribution; even x^10 adds less than 1e-18 there."""
_PANELS = 24 * 32
"""Panels end at multiples of 1/32, so the usual kinks fall between panels, where they cost nothing."""


def second_moment_gain(function: Callable[[Tensor], Tensor], num_channels: int | None = None) -> float:
    """alpha = Var[x] / E[F(x)^2] for x ~ N(0, 1), to about ten digits for curves smooth between multiples of 1/32.

    `function` gets float64 points (N,), or with `num_channels` (N, num_channels), all channels alike; E is then the
    mean over the channels too. Raises ActbenchError where the second moment is 0 or not finite.
    """
    points, weights = _normal_rule()
    with torch.no_grad():
        x = points if num_channels is None else points[:, None].expand(-1, num_channels)
        squares = function(x.clone()).double().square().reshape(len(points), -1).mean(dim=1)
    second_moment = float(squares @ weights)
    if not 0 < second_moment < math.inf:
        raise ActbenchError(
            f"no weights can keep the variance behind this activation: E[F(x)^2] = {second_moment:g} for x ~ N(0, 1)"
        )
    return 1 / second_moment


def _normal_rule() -> tuple[Tensor, Tensor]:
    """Points and weights, (N,) each: Gauss-Legendre of four points per panel, weighted by the normal density."""
    inner, outer = math.sqrt((3 - 2 * math.sqrt(1.2)) / 7), math.sqrt((3 + 2 * math.sqrt(1.2)) / 7)
    near, far = (18 + math.sqrt(30)) / 36, (18 - math.sqrt(30)) / 36
    nodes = torch.tensor([-outer, -inner, inner, outer], dtype=torch.float64)
    shares = torch.tensor([far, near, near, far], dtype=torch.float64)
    half = _REACH / _PANELS
    middles = (2 * torch.arange(_PANELS, dtype=torch.float64) + 1) * half - _REACH
    points = (middles[:, None] + half * nodes).flatten()
    density = torch.exp(-points.square() / 2) / math.sqrt(2 * math.pi)
    return points, (half * shares).repeat(_PANELS) * density
