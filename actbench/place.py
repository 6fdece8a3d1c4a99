"""How far stored runs are from what a claim is about: other networks or data, fewer epochs. Imports no torch."""

from dataclasses import dataclass

from actbench.metrics import Metric
from actbench.papers.matching import is_published, is_setting, setting_label
from actbench.papers.reported import Claim
from actbench.recipe.schema import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """By default the runs are of the claim's very network, data and training."""

    stand_in: str | None = None
    """What stands in for the paper's network, data or whatever else, in words."""
    reduced: bool = False
    """Whether they were trained for less than the paper's training."""
    altered: bool = False
    """Whether settings are not those of the recipe that speaks about the claim."""
    synthetic: bool = False
    """Whether the data is generated: then they say nothing of the claim."""
    unequal: bool = False
    """Whether the arm and its baseline were not trained on equal footing."""

    @property
    def words(self) -> str:
        """What stands before a verdict that was reached here; empty where it may stand bare."""
        parts = [f"on stand-in ({self.stand_in})"] if self.stand_in else []
        parts += ["with settings altered"] if self.altered else []
        parts += ["direction at reduced budget"] if self.reduced else []
        parts += ["on unequal footing"] if self.unequal else []
        return ", ".join(parts)

    @property
    def distance(self) -> tuple[bool, bool, bool, bool, bool]:
        """Smaller is nearer: what is trained and on what counts before how."""
        return self.synthetic, self.stand_in is not None, self.unequal, self.altered, self.reduced


HERE = Place()
"""Where the claim itself is."""


def place_of(
    claim: Claim, plan: Recipe, metric: Metric, *, synthetic: bool, altered: bool, unequal: bool = False
) -> Place:
    """Where runs of the plan, compared by the metric, stand as to the claim.

    The network is the paper's if the profile paper calls it by its name, and any other profile only if it is the
    published one to the last option: a profile lite may keep the name and an eighth of the width.
    """
    is_exact = (
        claim.model is not None
        and is_setting(plan, model=claim.model, data=claim.data)
        and (plan.profile == "paper" or is_published(plan.model))
    )
    other = [] if is_exact else [setting_label(plan)]
    if metric.reported != claim.metric:
        other.append(f"{metric.noun} for {claim.metric.replace('_', ' ')}")
    if not other and claim.stand_in:
        other.append(claim.stand_in)
    return Place(
        stand_in="; ".join(other) or None,
        reduced=plan.profile != "paper" or plan.limit is not None,
        synthetic=synthetic,
        altered=altered,
        unequal=unequal,
    )
