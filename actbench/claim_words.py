"""How much a claim says, and how much was measured, as they stand in tables side by side. Imports no torch."""

from collections.abc import Sequence

from actbench.papers.reported import POINTS, Claim
from actbench.stats.contrasts import Contrast


def unit_of(claim: Claim) -> float:
    """What one unit of a record's metric is in the claim's: records hold fractions, papers tell points."""
    return 100.0 if claim.metric in POINTS else 1.0


def reported(claim: Claim) -> str:
    """The paper's difference, or what it has in its place."""
    if claim.value is not None:
        return f"{claim.value:.2f} reached, no difference"
    if claim.difference is None:
        return "a gain of unknown size"
    return f"{'up to ' if claim.is_upper_end else ''}{_number(claim, claim.difference)}"


def measured(claim: Claim, contrast: Contrast, notes: Sequence[str] = ()) -> str:
    """Our difference in the claim's unit, with its 95 % interval, the seeds behind it and notes on them."""
    estimate = contrast.estimate
    text = _number(claim, unit_of(claim) * estimate.value)
    if estimate.interval and not estimate.is_level:
        low, high = (_number(claim, unit_of(claim) * bound) for bound in estimate.interval)
        text += f" [{low}, {high}]"
    return f"{text} ({'; '.join([f'n={estimate.n}', *notes])})"


def _number(claim: Claim, value: float) -> str:
    return f"{value:+.2f}" if claim.metric in POINTS else f"{value:+.3g}"
