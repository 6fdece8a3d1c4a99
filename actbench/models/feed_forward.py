"""The feed-forward block of a transformer: two linear maps around an activation site, or GR-KAN's two rationals.

Structure   mlp: x -> fc1 -> act -> dropout -> fc2
            kat: x -> act_in -> dropout -> fc1 -> act -> dropout -> fc2, with a second site before fc1
Shapes      x: (..., width) -> y: same shape; channels last, so a site is made as act(n, channel_dim=-1):
            `act_in` of `width` channels, `act` of `hidden`
Gated       an activation whose `is_gated` is true takes 2 n channels (gate, then value) and gives n. fc1 then
            gives 2 n with n = 2/3 hidden, rounded to the nearest multiple of 8 (never to 0), which matches the
            parameters of the plain block: 3 width n + 2 n against 2 width hidden + hidden (and width in both). They
            differ by at most 4 (3 width + 2) + hidden / 3 scalars, which is hidden / 3 where 2/3 hidden is such a
            multiple: 256 of 295,872 at width 192 and hidden 768. No gate at `act_in`, which nothing widens.
Source      Vaswani et al., 2017, arXiv:1706.03762, section 3.3; Shazeer, 2020, arXiv:2002.05202 (gates, and the
            factor 2/3); Yang and Wang, 2024, arXiv:2409.10594 (kat)
Departures  none
"""

import copy

import torch
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.gain import second_moment_gain
from actbench.models.catalog import FeedForwardPlacement
from actbench.models.network import TokenActivationFactory

_MULTIPLE = 8
"""Of channels behind a gate; for the tiles of matrix units, and so that 8 groups of channels fit."""


def gated_hidden(hidden: int) -> int:
    """Channels behind the gate that match the parameters of a plain block with that many hidden channels."""
    return max(1, round(2 * hidden / (3 * _MULTIPLE))) * _MULTIPLE


class FeedForward(nn.Module):
    """fc1, the site `act` (for kat also `act_in` before fc1), dropout, fc2."""

    def __init__(
        self,
        width: int,
        hidden: int,
        act: TokenActivationFactory,
        *,
        dropout: float = 0.0,
        placement: FeedForwardPlacement = "mlp",
    ) -> None:
        super().__init__()
        self.width, self.hidden, self.placement = width, hidden, placement
        if placement == "kat":
            self.act_in = act(width, channel_dim=-1)
            if getattr(self.act_in, "is_gated", False):
                raise ActbenchError(
                    "a gated activation has no place before fc1, where nothing doubles the channels"
                )
        self.act = act(hidden, channel_dim=-1)
        is_gated = getattr(self.act, "is_gated", False)
        if is_gated:
            hidden = gated_hidden(hidden)
            self.act = act(hidden, channel_dim=-1)
        self.fc1 = nn.Linear(width, 2 * hidden if is_gated else hidden)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        if self.placement == "kat":
            x = self.dropout(self.act_in(x))
        y: Tensor = self.fc2(self.dropout(self.act(self.fc1(x))))
        return y

    def gain(self, site: str) -> float:
        """1 / E[F(z)^2] of the activation at that site as it stands; behind a gate, of gate and value independent.

        A gate is taken as a product F(gate) * G(value), whose second moment is that of the two factors multiplied.
        """
        activation = copy.deepcopy(self.get_submodule(site)).double().eval()
        if not getattr(activation, "is_gated", False):
            return second_moment_gain(activation, self.width if site == "act_in" else self.hidden)

        def gated(gate: Tensor, value: Tensor) -> Tensor:
            y: Tensor = activation(torch.cat([gate, value], dim=-1))
            return y

        def gate_alone(gate: Tensor) -> Tensor:
            return gated(gate, torch.ones_like(gate))

        def value_alone(value: Tensor) -> Tensor:
            return gated(torch.ones_like(value), value)

        inner = self.fc2.in_features
        at_one = gate_alone(torch.ones(1, inner, dtype=torch.float64)).detach().square().mean().item()
        return second_moment_gain(gate_alone, inner) * second_moment_gain(value_alone, inner) * at_one

    def site_names(self) -> tuple[str, ...]:
        """The block's sites in the order in which data meets them."""
        return ("act_in", "act") if self.placement == "kat" else ("act",)
