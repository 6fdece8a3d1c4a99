"""The verdict on a paper's claim "these arms beat the baseline by d": one word, its grounds, and where it was reached.

The words are tried in this order, and the first that fits is the verdict (docs/claims.md tells it in full):

not run            an arm or the baseline has no run
no testable claim  the paper gives no difference that could be tested
reproduced         the 90 % interval of the difference lies inside d +- margin, and the 95 % interval excludes 0
better, worse      the 95 % interval excludes 0: than the baseline; and, outside the margin, less or more than claimed
under-powered      the interval holds 0, and these seeds could have shown no difference as small as d
not shown          anything else

Pure: contrasts come in, words go out. Imports no torch.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from actbench.claim_words import measured, reported, unit_of
from actbench.comparison import ArmRow, Group
from actbench.metrics import metrics_of
from actbench.papers.reported import LOWER_IS_BETTER, POINTS, Claim
from actbench.place import HERE, Place, place_of
from actbench.stats.contrasts import Contrast
from actbench.stats.intervals import Interval

Word = Literal[
    "not run", "no testable claim", "reproduced", "better", "worse", "under-powered", "not shown"
]  # fmt: skip
Size = Literal["less than claimed", "more than claimed"]
Direction = Literal["as claimed", "opposite", "not shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What runs say about a claim."""

    word: Word
    size: Size | None = None
    """Of what is better or worse; None where the estimate is within the margin, and only too uncertain."""
    direction: Direction | None = None
    """Whether at least the direction is as claimed, where there is no more to test."""
    reason: str | None = None
    """Why there was nothing to test, where one might have expected a test."""
    place: Place = HERE

    @property
    def text(self) -> str:
        """The verdict alone, without its place."""
        parts: list[str] = [self.word, *([self.size] if self.size else [])]
        parts += [f"direction {self.direction}"] if self.direction else []
        return ", ".join(parts) + (f" ({self.reason})" if self.reason else "")

    @property
    def cell(self) -> str:
        """The verdict as it stands in a table: with its place, and bare only where the runs are the claim's own."""
        if self.place.synthetic:
            return "synthetic data: no verdict"
        if self.word == "not run":
            return self.text
        return f"{self.place.words}: {self.text}" if self.place.words else self.text


def judge(
    claim: Claim,
    contrast: Contrast | None,
    *,
    completed: int,
    diverged: int = 0,
    q: float | None = None,
    alpha: float = 0.05,
    place: Place = HERE,
) -> Verdict:
    """What runs of one of the claim's arms and of its baseline say.

    `completed` and `diverged` count the runs of whichever side has fewer completed ones. Metrics in percent come as
    fractions, as records hold them. `q`, if given, is the p-value adjusted for all claims tested: an effect then counts
    where q is below `alpha`. Intervals are at 1 - alpha and, for what is inside the margin, 1 - 2 alpha.
    """
    if contrast is None or not completed:
        if diverged:
            return Verdict(word="not shown", reason="every run diverged", place=place)
        return Verdict(word="not run", place=place)
    seen = _seen(claim, contrast, alpha, q)
    if claim.difference is None:
        direction = _direction(seen) if claim.value is None and seen else None
        return Verdict(word="no testable claim", direction=direction, place=place)
    if seen is None:
        if contrast.estimate.interval is None:  # no difference is so large that one seed could show it
            return Verdict(word="under-powered", reason="one seed, no test", place=place)
        return Verdict(word="not shown", reason="no spread over seeds, no test", place=place)
    claimed = Claimed.of(claim, claim.difference)
    inside = claimed.low <= seen.narrow.low and seen.narrow.high <= claimed.high
    if seen.is_effect and inside:
        return Verdict(word="reproduced", place=place)
    if seen.is_effect:
        return Verdict(
            word="better" if seen.value > 0 else "worse", size=_size(claim, claimed, seen.value), place=place
        )
    if seen.interval.low <= 0 <= seen.interval.high:
        detectable = contrast.detectable
        if detectable is None or unit_of(claim) * detectable > abs(claimed.difference):
            return Verdict(word="under-powered", place=place)
    excludes_0 = not seen.interval.low <= 0 <= seen.interval.high
    reason = "significant alone, not among all claims" if excludes_0 else None
    return Verdict(word="not shown", reason=reason, place=place)


class Claimed(NamedTuple):
    """What is claimed, in the claim's unit, turned so that more is better."""

    difference: float
    low: float
    """From here to `high` counts as the same."""
    high: float

    @classmethod
    def of(cls, claim: Claim, difference: float) -> "Claimed":
        turned = turn_of(claim) * difference
        margin = abs(difference) / 2 if claim.margin is None else claim.margin
        return cls(turned, turned - margin, turned + margin)


class _Seen(NamedTuple):
    """What was measured, in the claim's unit, turned so that more is better."""

    value: float
    interval: Interval
    narrow: Interval
    """At 1 - 2 alpha: inside the margin at this confidence is inside by two one-sided tests at alpha."""
    is_effect: bool


def turn_of(claim: Claim) -> int:
    """-1 where less is better, so that a difference times it is a gain."""
    return -1 if claim.metric in LOWER_IS_BETTER else 1


def _seen(claim: Claim, contrast: Contrast, alpha: float, q: float | None) -> _Seen | None:
    """None where there is no test: with one seed, or without any spread."""
    interval, narrow = contrast.interval_at(1 - alpha), contrast.interval_at(1 - 2 * alpha)
    if interval is None or narrow is None or contrast.p is None:
        return None
    factor = turn_of(claim) * unit_of(claim)
    interval, narrow = _turned(interval, factor), _turned(narrow, factor)
    excludes_0 = interval.low > 0 or interval.high < 0
    return _Seen(
        factor * contrast.estimate.value,
        interval,
        narrow,
        excludes_0 if q is None else q < alpha,
    )


def _turned(interval: Interval, factor: float) -> Interval:
    low, high = sorted((factor * interval.low, factor * interval.high))
    return Interval(low, high)


def _size(claim: Claim, claimed: Claimed, value: float) -> Size | None:
    """Along the claim's own direction, so that a loss is told as less than a claimed gain."""
    along = 1 if claimed.difference >= 0 else -1
    beyond = along * (value - claimed.difference)
    margin = claimed.high - claimed.difference
    if beyond > margin:
        return "more than claimed"
    # "Up to d" is the paper's largest gain: a smaller one is no less than what it claims, a loss is.
    if beyond < -margin and not (claim.is_upper_end and along * value > 0):
        return "less than claimed"
    return None


def _direction(seen: _Seen) -> Direction:
    if not seen.is_effect:
        return "not shown"
    return "as claimed" if seen.value > 0 else "opposite"


def verdict_of(row: ArmRow, group: Group) -> Verdict | None:
    """The verdict on the group's own claim by this row; None where the claim is not about it."""
    return verdict_on(group.claim, row, group) if group.claim else None


def verdict_on(claim: Claim, row: ArmRow, group: Group, *, q: float | None = None) -> Verdict | None:
    """The verdict on a claim by this row; None where arm or metric is not the claim's, or its baseline is none."""
    gap = next((gap for gap in row.gaps if gap.baseline == claim.baseline), None)
    if gap is None or row.name not in claim.arms or group.plan is None or not is_judged_by(claim, group):
        return None
    sides = _sides(claim, row, group)
    fewest = min(sides, key=lambda side: side.completed)
    setting = group.setting
    return judge(
        claim,
        gap.contrast,
        completed=fewest.completed,
        diverged=fewest.diverged,
        q=q,
        place=place_of(
            claim,
            group.plan,
            group.metric,
            synthetic=setting.synthetic,
            altered=setting.is_altered,
            unequal=len({run.footing for side in sides for run in side.runs}) > 1,
        ),
    )


def is_judged_by(claim: Claim, group: Group) -> bool:
    """Whether the group's metric is the claim's, or the one that stands in for a score that no recipe measures."""
    if group.plan is None:
        return False
    by_name = metrics_of(group.plan)
    if any(metric.reported == claim.metric for metric in by_name.values()):
        return group.metric.reported == claim.metric
    return claim.metric in POINTS and group.metric.name == next(iter(by_name))


def claim_lines(group: Group) -> tuple[str, ...]:
    """One line for each arm of the group's claim that is an arm here: reported, reproduced, verdict."""
    claim = group.claim
    if claim is None:
        return ()
    lines: list[str] = []
    for row in group.rows:
        verdict = verdict_of(row, group)
        if verdict is None:
            continue
        contrast = next(gap.contrast for gap in row.gaps if gap.baseline == claim.baseline)
        told = [f"{row.name} over {claim.baseline}, reported {reported(claim)}"]
        told += [f"measured {measured(claim, contrast, diverged_of(claim, row, group))}"] if contrast else []
        lines.append(f"Claim {claim.id}: {' | '.join([*told, verdict.cell])}")
    return tuple(lines)


def diverged_of(claim: Claim, row: ArmRow, group: Group) -> tuple[str, ...]:
    """How many runs of which side diverged, in words."""
    return tuple(
        f"{side.name} {side.diverged}/{side.completed + side.diverged} diverged"
        for side in _sides(claim, row, group)
        if side.diverged
    )


def _sides(claim: Claim, row: ArmRow, group: Group) -> list[ArmRow]:
    return [row, *(other for other in group.rows if other.name == claim.baseline)]
