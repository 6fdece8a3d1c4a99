"""The tests of a group, and the rows that they and its sides make, whoever made the runs. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from actbench.comparison import ArmRow, Gap, TunedRow
from actbench.errors import ActbenchError
from actbench.papers.matching import Reported
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import AnalysisSettings
from actbench.sides import Side, StepTime, kept_bytes, step_time
from actbench.stats.contrasts import Contrast, Samples, contrasts
from actbench.stats.crossed import crossed_difference, crossed_mean
from actbench.stats.equivalence import shown_near_best
from actbench.stats.intervals import Interval, mean_estimate
from actbench.stats.multiplicity import adjusted
from actbench.stats.standard_errors import StandardErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A group's tests: each arm against each baseline."""

    contrasts: Mapping[tuple[str, str], Contrast | None]
    adjusted: Mapping[tuple[str, str], float | None]
    """Holm's p values."""
    family: int
    near_best: frozenset[str]


def analyse(
    sides: Mapping[str, Side],
    baselines: Sequence[str],
    settings: AnalysisSettings,
    *,
    share_seeds: bool = True,
) -> Tested:
    """Every arm against every baseline, of two baselines the later against the earlier: one family.

    The earlier baseline's gap to the later one is the same test with its sign turned and does not count again.
    Unless arms share their seeds, equal numbers are no pairs, whatever the method.
    """
    samples: Samples = {name: side.values for name, side in sides.items()}
    if not share_seeds:
        samples = _apart(samples)
    pairs = [
        (name, baseline)
        for place, baseline in enumerate(baselines)
        for name in sides
        if name not in baselines[: place + 1]
    ]
    errors = StandardErrors(samples)
    found = contrasts(samples, pairs, method=settings.method, errors=errors)
    p_holm = adjusted(found)
    turned = [(second, first) for first, second in pairs if first in baselines]
    back = contrasts(samples, turned, method=settings.method, errors=errors)
    near_best = shown_near_best(samples, settings.margin / 100, method=settings.method, errors=errors)
    p_of = dict(zip(pairs, p_holm, strict=True))
    return Tested(
        contrasts={**dict(zip(pairs, found, strict=True)), **dict(zip(turned, back, strict=True))},
        adjusted={**p_of, **{(first, second): p_of[second, first] for first, second in turned}},
        family=sum(p is not None for p in p_holm),
        near_best=near_best or frozenset(),
    )


def _apart(samples: Samples) -> dict[str, dict[int, float]]:
    """The same values under seeds of which no two arms have one in common."""
    numbers = iter(range(sum(map(len, samples.values()))))
    return {
        arm: {next(numbers): value for _, value in sorted(values.items())}
        for arm, values in sorted(samples.items())
    }


class Beside(NamedTuple):
    """What a paper reports beside an arm."""

    values: tuple[Reported, ...] = ()
    gains: Mapping[str, tuple[Reported, ...]] = {}
    """By the baseline that they are against."""
    gains_elsewhere: tuple[Reported, ...] = ()
    """Against baselines that are no arms."""


NOTHING_BESIDE = Beside()


def row_of(
    side: Side,
    sides: Mapping[str, Side],
    baselines: Sequence[str],
    tested: Tested,
    *,
    planned: Sequence[int],
    beside: Beside = NOTHING_BESIDE,
    tuned: TunedRow | None = None,
) -> ArmRow:
    """The arm's row; `planned` are the seeds that it was to have."""
    timed = step_time(side, sides[baselines[0]]) if baselines else StepTime(None, None)
    kept = kept_bytes(side)
    values, finished = list(side.values.values()), side.finished
    return ArmRow(
        name=side.name,
        arm=side.arm,
        completed=len(values),
        diverged=len(side.diverged),
        missing_seeds=tuple(seed for seed in planned if seed not in finished),
        value=mean_estimate(values) if values else None,
        over_examples=lambda: crossed_mean(side.bits.values(), side.examples) if side.bits else None,
        gaps=tuple(_gap(side, sides[name], tested, beside.gains.get(name, ())) for name in baselines),
        parameters=side.parameters,
        activation_parameters=side.activation_parameters,
        step_time_ratio=timed.ratio,
        step_clock=timed.clock,
        kept_per_element=kept.per_element,
        kept_beyond_output=kept.beyond_output,
        optimism=side.optimism,
        reported=beside.values,
        reported_elsewhere=beside.gains_elsewhere,
        runs=side.runs,
        files=side.files,
        tuned=tuned,
    )


def require_arms(asked: Sequence[str], names: Sequence[str], *, whose: str) -> None:
    """Raises ActbenchError unless the baselines asked for are arms."""
    for name in asked:
        if name not in names:
            raise ActbenchError(
                f"{whose} has no arm {name!r} to compare against", hints=name_hints(name, names)
            )


def finished_seeds(sides: Mapping[str, Side]) -> tuple[int, ...]:
    """The seeds of all runs that completed or diverged."""
    return tuple(sorted(set[int]().union(*(side.finished for side in sides.values()))))


def _gap(side: Side, baseline: Side, tested: Tested, reported: tuple[Reported, ...]) -> Gap:
    pair = side.name, baseline.name
    contrast = tested.contrasts.get(pair)

    def crossed() -> Interval | None:
        same_examples = side.examples == baseline.examples and side.fingerprint == baseline.fingerprint
        if not contrast or not same_examples or not side.bits or not baseline.bits:
            return None
        return crossed_difference(contrast, side.bits, baseline.bits, side.examples)

    return Gap(
        baseline=baseline.name,
        contrast=contrast,
        over_examples=crossed,
        p_holm=tested.adjusted.get(pair),
        reported=reported,
    )
