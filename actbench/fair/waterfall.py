"""The gap waterfall: how a gain over a baseline shrinks, or survives, as the comparison gets fairer.

Each rung is one comparison of the candidate with one baseline, seed by seed: as the recipe has them, both tuned, and
then both tuned with the baseline made equal to the candidate in one respect more. Numbers only; imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actbench.comparison import LEVEL
from actbench.fair.controls import Pair, control_in
from actbench.fair.naming import tuned_name
from actbench.metrics import Metric
from actbench.recipe.schema import Control, Recipe
from actbench.record import DataFacts
from actbench.seed_planning import spread_of
from actbench.sides import Side, StepTime, step_time
from actbench.stats.contrasts import Contrast, contrasts
from actbench.stats.equivalence import inside
from actbench.stats.intervals import Estimate, mean_estimate
from actbench.stats.multiplicity import adjusted
from actbench.stats.power import seeds_needed

RungKey = Literal["same", "tuned", "params", "macs", "time", "slot"]
RUNGS: tuple[RungKey, ...] = ("same", "tuned", "params", "macs", "time", "slot")
LABELS: dict[RungKey, str] = {
    "same": "same recipe",
    "tuned": "both tuned",
    "params": "equal parameters",
    "macs": "equal operations",
    "time": "equal time",
    "slot": "same slot",
}
CONTROLS: dict[RungKey, Control] = {"params": "params", "macs": "macs", "time": "time", "slot": "slot"}
POWER = 0.8

Word = Literal[
    "better", "worse", "better alone", "worse alone", "as good", "undecided", "no test", "diverged", "not run"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    key: RungKey
    candidate: str
    """The arm's name in its records; so is the baseline's."""
    baseline: str
    contrast: Contrast | None
    """None where either side has no completed run."""
    p_holm: float | None
    """Adjusted over all rungs of the waterfall."""
    word: Word
    seeds: int | None
    """With so many a true gap of the margin would be found; None where the runs show no spread, or a thousand are
    too few."""
    values: tuple[Estimate | None, Estimate | None]
    """Of the candidate and of the baseline."""
    time: StepTime
    """An update's time, candidate over baseline."""
    parameters: tuple[int | None, int | None]
    seeds_used: tuple[int, ...]
    """Those of which both sides have completed runs."""
    missing: tuple[str, ...]
    """`relu.tuned seed 1`: planned runs that are not there yet."""
    files: tuple[Path, ...]

    @property
    def gap(self) -> Estimate | None:
        return self.contrast.estimate if self.contrast else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """One candidate against every baseline."""

    recipe: Recipe
    candidate: str
    baselines: tuple[str, ...]
    metric: Metric
    data: DataFacts
    footing: str
    margin: float
    """In the metric's unit: a gap shown to lie within it is none."""
    notes: tuple[str, ...]
    """What else must be said of the runs: when they were locked, how arms were tuned, what the bench can see."""
    rungs: Mapping[str, tuple[Rung, ...]]
    """By the baseline; those that there are plans or runs of, in the order of RUNGS."""

    @property
    def is_interim(self) -> bool:
        """Whether planned runs are missing."""
        return any(rung.missing for rungs in self.rungs.values() for rung in rungs)

    def rung(self, baseline: str, key: RungKey) -> Rung | None:
        return next((rung for rung in self.rungs[baseline] if rung.key == key), None)


def waterfall(
    recipe: Recipe,
    candidate: str,
    baselines: Sequence[str],
    sides: Mapping[str, Side],
    *,
    metric: Metric,
    data: DataFacts,
    footing: str,
    fair: Recipe | None,
    notes: Sequence[str] = (),
) -> Waterfall:
    """Of the arms in `sides`, by name; `fair` is the plan of tuned arms and controls, None where there are none."""
    margin = recipe.analysis.margin / 100
    pairs = {
        (baseline, key): pair
        for baseline in baselines
        for key in RUNGS
        if (pair := _pair(fair, candidate, baseline, key)) is not None
    }
    samples = {name: dict(side.values) for name, side in sides.items()}
    tests = list(dict.fromkeys(pairs.values()))  # a control that changes nothing is no further test
    found = contrasts(samples, tests, method=recipe.analysis.method)
    tested = dict(zip(tests, zip(found, adjusted(found), strict=True), strict=True))
    made: dict[str, list[Rung]] = {baseline: [] for baseline in baselines}
    for (baseline, key), pair in pairs.items():
        made[baseline].append(_rung(key, pair, *tested[pair], sides, recipe.seeds, margin))
    return Waterfall(
        recipe=recipe,
        candidate=candidate,
        baselines=tuple(baselines),
        metric=metric,
        data=data,
        footing=footing,
        margin=margin,
        notes=tuple(notes),
        rungs={baseline: tuple(rungs) for baseline, rungs in made.items()},
    )


def _pair(plan: Recipe | None, candidate: str, baseline: str, key: RungKey) -> tuple[str, str] | None:
    """The names of the two arms; None where the plan of fair runs has no such comparison.

    Without tuning the controls stand against the candidate as the recipe has it.
    """
    if key == "same":
        return candidate, baseline
    if plan is None:
        return None
    names = {arm.name for arm in plan.arms}
    first = tuned_name(candidate) if tuned_name(candidate) in names else candidate
    if key == "tuned":
        second = tuned_name(baseline)
        return (first, second) if first != candidate and second in names else None
    control = control_in(plan, Pair(baseline, CONTROLS[key], candidate))
    return None if control is None else (first, control)


def _rung(
    key: RungKey,
    pair: tuple[str, str],
    contrast: Contrast | None,
    p_holm: float | None,
    sides: Mapping[str, Side],
    seeds: Sequence[int],
    margin: float,
) -> Rung:
    first, second = (sides.get(name) for name in pair)
    values = tuple(
        mean_estimate(list(side.values.values())) if side and side.values else None
        for side in (first, second)
    )
    spread = spread_of(contrast, *values)
    return Rung(
        key=key,
        candidate=pair[0],
        baseline=pair[1],
        contrast=contrast,
        p_holm=p_holm,
        word=_word(contrast, p_holm, margin, [side for side in (first, second) if side]),
        seeds=seeds_needed(margin, spread, method=contrast.method, power=POWER)
        if contrast and spread
        else None,
        values=(values[0], values[1]),
        time=step_time(first, second) if first and second else StepTime(None, None),
        parameters=(first.parameters if first else None, second.parameters if second else None),
        seeds_used=tuple(sorted(set(first.values) & set(second.values))) if first and second else (),
        missing=tuple(
            f"{name} seed {seed}"
            for name, side in zip(pair, (first, second), strict=True)
            for seed in seeds
            if side is None or seed not in side.finished
        ),
        files=tuple(path for side in (first, second) if side for path in side.files),
    )


def _word(contrast: Contrast | None, p_holm: float | None, margin: float, sides: Sequence[Side]) -> Word:
    """better, worse: significant among all rungs; with `alone`, only by itself: the 95 % interval excludes 0.

    as good: the 90 % interval lies within the margin.
    """
    if contrast is None:
        return "diverged" if any(side.diverged and not side.values for side in sides) else "not run"
    if contrast.estimate.interval is None:
        return "no test"
    if p_holm is not None and p_holm < LEVEL:
        return "better" if contrast.estimate.value > 0 else "worse"
    if inside(contrast, -margin, margin, confidence=1 - 2 * LEVEL):
        return "as good"
    if contrast.p is not None and contrast.p < LEVEL:
        return "better alone" if contrast.estimate.value > 0 else "worse alone"
    return "undecided"
