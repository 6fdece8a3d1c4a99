"""Stored runs and a paper's values become a comparison: numbers with their uncertainty, nothing rounded.

One group is one table: a recipe under one profile and variant. Its runs must have been trained on equal
footing, and runs of one arm under one and the same arm; otherwise they are refused, with what to redo.
Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actbench.comparison import ArmRow, Comparison, Gap, Group
from actbench.errors import ActbenchError
from actbench.footing import Origin, check_footing
from actbench.metrics import Metric, metric_of
from actbench.papers.matching import Reported, is_plain, reported_values, resolved_activation
from actbench.papers.reported import Paper
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import AnalysisSettings, Recipe
from actbench.record import RunFacts, Weights, Which
from actbench.setting import setting_of
from actbench.sides import Reading, Side, StepTime, kept_bytes, side_of, step_time
from actbench.stats.contrasts import Contrast, contrasts
from actbench.stats.crossed import crossed_difference, crossed_mean
from actbench.stats.equivalence import shown_near_best
from actbench.stats.intervals import mean_estimate
from actbench.stats.multiplicity import holm
from actbench.store import StoredRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What goes into one table: the plan (which arms and seeds belong to it) and the runs there are."""

    plan: Recipe
    stored: tuple[StoredRun, ...]
    """The runs with their files; at least one."""
    origin: Origin

    @property
    def runs(self) -> tuple[RunFacts, ...]:
        return tuple(run.record for run in self.stored)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of `runs`, in the same order."""
        return tuple(run.path for run in self.stored)


def compare(
    selections: Sequence[Selection],
    *,
    papers: Mapping[str, Paper],
    baselines: Sequence[str] = (),
    metric: str | None = None,
    which: Which = "last",
    weights: Weights = "raw",
) -> Comparison:
    """One group per selection. `baselines`, if given, replace those of the recipes; `papers` are by key.

    Without a metric each recipe's task has its own. Raises NotComparableError where runs are not on equal footing,
    ActbenchError where weights, a metric or a baseline are asked for that the runs do not have.
    """
    return Comparison(
        groups=tuple(
            _group(
                selection,
                papers,
                tuple(baselines),
                Reading(metric_of(selection.plan, metric), which, weights),
            )
            for selection in selections
        )
    )


def _group(
    selection: Selection, papers: Mapping[str, Paper], asked: tuple[str, ...], reading: Reading
) -> Group:
    plan = selection.plan
    check_footing(selection.stored, selection.origin)
    paper = papers[plan.paper] if plan.paper else None
    if paper and plan.table:
        paper.table(plan.table)  # a misspelt id would only look like a paper without values
    by_arm: dict[str, list[StoredRun]] = {arm.name: [] for arm in plan.arms}
    for run in selection.stored:
        by_arm.setdefault(run.record.arm.name, []).append(run)
    sides = {arm.name: side_of(arm, by_arm[arm.name], reading) for arm in plan.arms}
    main, absent = _main_baselines(plan, asked)
    own = _own_baselines(plan, paper, reading.metric)
    baselines = (*main, *(name for name in own if name not in main))
    tested = analyse(sides, baselines, plan.analysis)
    return Group(
        setting=setting_of(plan),
        plan=plan,
        data=selection.runs[0].data,
        footing=selection.runs[0].footing,
        metric=reading.metric,
        which=reading.which,
        weights=reading.weights,
        baselines=baselines,
        main_baselines=main,
        absent_baselines=absent,
        seeds=tuple(sorted(set[int]().union(*(side.finished for side in sides.values())))),
        rows=tuple(
            _row(side, plan, baselines, sides, tested, paper, reading.metric) for side in sides.values()
        ),
        method=plan.analysis.method,
        family=tested.family,
        margin=plan.analysis.margin / 100,
        near_best=tested.near_best,
        paper=paper,
        claim=paper.claim(plan.claim) if paper and plan.claim else None,
    )


def _main_baselines(plan: Recipe, asked: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The baselines that are arms, and the wanted ones that are no arms."""
    names = [arm.name for arm in plan.arms]
    for name in asked:
        if name not in names:
            raise ActbenchError(
                f"recipe {plan.name!r} has no arm {name!r} to compare against", hints=name_hints(name, names)
            )
    wanted = tuple(dict.fromkeys(asked or plan.baselines))
    present = tuple(name for name in wanted if name in names)
    return present, tuple(name for name in wanted if name not in names)


def _own_baselines(plan: Recipe, paper: Paper | None, metric: Metric) -> tuple[str, ...]:
    """The arms that the paper's gains, or the recipe's claim, are against."""
    if paper is None:
        return ()
    gains = [gain for arm in plan.arms for gain in reported_values(paper, plan, arm, "gain", metric)]
    named = [_arm_of(gain.row.baseline, plan) for gain in gains]
    if plan.claim:
        claimed = paper.claim(plan.claim).baseline
        named += [claimed if claimed in {arm.name for arm in plan.arms} else None]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _arm_of(activation: str | None, plan: Recipe) -> str | None:
    """The arm that is this activation as it comes."""
    fitting = (
        arm.name for arm in plan.arms if resolved_activation(arm, plan) == activation and is_plain(arm)
    )
    return next(fitting, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A group's tests: each arm against each baseline."""

    contrasts: Mapping[tuple[str, str], Contrast | None]
    adjusted: Mapping[tuple[str, str], float | None]
    """Holm's p values."""
    family: int
    near_best: frozenset[str]


def analyse(sides: Mapping[str, Side], baselines: Sequence[str], settings: AnalysisSettings) -> Tested:
    """Every arm against every baseline, of two baselines the later against the earlier: one family.

    The earlier baseline's gap to the later one is the same test with its sign turned and does not count again.
    """
    samples = {name: side.values for name, side in sides.items()}
    pairs = [
        (name, baseline)
        for place, baseline in enumerate(baselines)
        for name in sides
        if name not in baselines[: place + 1]
    ]
    found = contrasts(samples, pairs, method=settings.method)
    adjusted = holm([contrast.p if contrast else None for contrast in found])
    turned = [(second, first) for first, second in pairs if first in baselines]
    back = contrasts(samples, turned, method=settings.method)
    p_of = dict(zip(pairs, adjusted, strict=True))
    return Tested(
        contrasts={**dict(zip(pairs, found, strict=True)), **dict(zip(turned, back, strict=True))},
        adjusted={**p_of, **{(first, second): p_of[second, first] for first, second in turned}},
        family=sum(p is not None for p in adjusted),
        near_best=shown_near_best(samples, settings.margin / 100, method=settings.method) or frozenset(),
    )


def _row(
    side: Side,
    plan: Recipe,
    baselines: tuple[str, ...],
    sides: Mapping[str, Side],
    tested: Tested,
    paper: Paper | None,
    metric: Metric,
) -> ArmRow:
    arm = plan.arm(side.name)
    gains = reported_values(paper, plan, arm, "gain", metric) if paper else ()
    homes = {id(gain): _arm_of(gain.row.baseline, plan) for gain in gains}
    cost = side.cost
    timed = step_time(side, sides[baselines[0]]) if baselines else StepTime(None, None)
    kept = kept_bytes(side)
    values = list(side.values.values())
    return ArmRow(
        name=side.name,
        arm=arm,
        completed=len(values),
        diverged=len(side.diverged),
        missing_seeds=tuple(seed for seed in plan.seeds if seed not in side.finished),
        value=mean_estimate(values) if values else None,
        crossed=crossed_mean(list(side.bits.values()), side.examples) if side.bits else None,
        gaps=tuple(
            _gap(side, sides[name], tested, tuple(gain for gain in gains if homes[id(gain)] == name))
            for name in baselines
        ),
        parameters=cost.parameters if cost else None,
        activation_parameters=cost.activation_parameters if cost else None,
        step_time_ratio=timed.ratio,
        step_clock=timed.clock,
        kept_per_element=kept.per_element,
        kept_beyond_output=kept.beyond_output,
        optimism=side.optimism,
        reported=reported_values(paper, plan, arm, "absolute", metric) if paper else (),
        reported_elsewhere=tuple(gain for gain in gains if homes[id(gain)] not in baselines),
        runs=side.runs,
        files=side.files,
    )


def _gap(side: Side, baseline: Side, tested: Tested, reported: tuple[Reported, ...]) -> Gap:
    pair = side.name, baseline.name
    contrast, crossed = tested.contrasts.get(pair), None
    if contrast and side.bits and baseline.bits and side.examples == baseline.examples:
        crossed = crossed_difference(contrast, side.bits, baseline.bits, side.examples)
    return Gap(
        baseline=baseline.name,
        contrast=contrast,
        crossed=crossed,
        p_holm=tested.adjusted.get(pair),
        reported=reported,
    )
