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

from typing import Literal

from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.network import TokenActivationFactory

Placement = Literal["mlp", "kat"]

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
        placement: Placement = "mlp",
    ) -> None:
        super().__init__()
        self.width, self.hidden = width, hidden
        if placement == "kat":
            self.act_in = act(width, channel_dim=-1)
            if getattr(self.act_in, "is_gated", False):
                raise ActbenchError(
                    "a gated activation has no place before fc1, where nothing doubles the channels",
                    hints=["let the arm's `sites` name the others: ['*.act']"],
                )
        self.placement = placement
        self.fc1 = nn.Linear(width, hidden)
        self.act = act(hidden, channel_dim=-1)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, width)
        if getattr(self.act, "is_gated", False):
            self.widen_for_gate("act", act)

    def widen_for_gate(self, site: str, act: TokenActivationFactory) -> None:
        """Makes room for a gated activation at that site, of as many channels as match the parameters."""
        if site != "act":
            raise ActbenchError(
                f"a gated activation has no place at {site!r}, where nothing doubles the channels"
            )
        inner = gated_hidden(self.hidden)
        self.fc1 = nn.Linear(self.width, 2 * inner)
        self.act = act(inner, channel_dim=-1)
        self.fc2 = nn.Linear(inner, self.width)

    def forward(self, x: Tensor) -> Tensor:
        if self.placement == "kat":
            x = self.dropout(self.act_in(x))
        y: Tensor = self.fc2(self.dropout(self.act(self.fc1(x))))
        return y

    def site_names(self) -> tuple[str, ...]:
        """The block's sites in the order in which data meets them."""
        return ("act_in", "act") if self.placement == "kat" else ("act",)
