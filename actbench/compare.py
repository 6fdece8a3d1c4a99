"""Stored runs and a paper's values become a comparison: numbers with their uncertainty, nothing rounded.

One group is one table: a recipe under one profile and variant. Its runs must have been trained on equal
footing, and runs of one arm under one and the same arm; otherwise they are refused, with what to redo.
Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from actbench import stats
from actbench.errors import ActbenchError
from actbench.footing import Origin, check_footing
from actbench.metrics import Metric, metric_of
from actbench.papers.matching import Reported, is_plain, reported_values, resolved_activation
from actbench.papers.reported import Claim, Paper
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Arm, Recipe
from actbench.record import Cost, DataFacts, Weights, Which
from actbench.store import StoredRun
from actbench.summary import RunFacts

Clock = Literal["cpu", "wall"]
CLOCKS: tuple[Clock, ...] = ("cpu", "wall")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An arm's value minus a baseline's."""

    baseline: str
    difference: stats.Estimate | None
    """None where either side has no completed run, and for the baseline against itself."""
    detectable: float | None
    """The smallest true difference that these seeds could have shown; only for pairs that differ in it."""
    reported: tuple[Reported, ...]
    """The paper's gain against this very baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    arm: Arm
    completed: int
    diverged: int
    missing_seeds: tuple[int, ...]
    """Planned seeds that neither completed nor diverged."""
    value: stats.Estimate | None
    """Of the group's metric."""
    gaps: tuple[Gap, ...]
    parameters: int | None
    activation_parameters: int | None
    step_time_ratio: float | None
    """Median time of an update over the first baseline's; None where not timed, or timed on different hardware."""
    step_clock: Clock | None
    """By which clock."""
    kept_per_element: float | None
    """Bytes that the activations keep for backward per element of their output; None where it was not counted."""
    kept_beyond_output: float | None
    """The same without the output itself, which the next layer keeps in most networks."""
    reported: tuple[Reported, ...]
    reported_elsewhere: tuple[Reported, ...]
    """Gains that the paper reports against baselines which are no arms here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    plan: Recipe
    data: DataFacts
    footing: str
    metric: Metric
    which: Which
    weights: Weights
    baselines: tuple[str, ...]
    absent_baselines: tuple[str, ...]
    """Baselines that the recipe asks for and has no arm of."""
    seeds: tuple[int, ...]
    """The seeds of all runs that completed or diverged."""
    rows: tuple[ArmRow, ...]
    paper: Paper | None
    claim: Claim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    groups: tuple[Group, ...]


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
                _Reading(metric_of(selection.plan, metric), which, weights),
            )
            for selection in selections
        )
    )


class _Reading(NamedTuple):
    """Which number of a run is compared."""

    metric: Metric
    which: Which
    weights: Weights

    def of(self, run: RunFacts) -> float:
        name = f"{run.recipe.name} {run.arm.name} seed {run.seed}"
        result = run.result(self.which, self.weights)
        if result is None:
            held = ", ".join(f"{r.which} ({r.weights})" for r in run.results) or "none"
            raise ActbenchError(
                f"{name} has no test result at {self.which} ({self.weights})", hints=[f"it has: {held}"]
            )
        value = self.metric.of(result)
        if value is None:
            other = "--at last: other weights were not attacked" if self.metric.attack else "--metric box_ap"
            raise ActbenchError(f"{name} has no {self.metric.noun}", hints=[f"another one: {other}"])
        return value


def _group(
    selection: Selection, papers: Mapping[str, Paper], asked: tuple[str, ...], reading: _Reading
) -> Group:
    plan = selection.plan
    check_footing(selection.stored, selection.origin)
    paper = papers[plan.paper] if plan.paper else None
    if paper and plan.table:
        paper.table(plan.table)  # a misspelt id would only look like a paper without values
    finished = [run for run in selection.runs if run.status in ("completed", "diverged")]
    baselines, absent = _baselines(plan, asked, paper, reading.metric)
    sides = {
        arm.name: _Side(arm, [run for run in finished if run.arm.name == arm.name], reading)
        for arm in plan.arms
    }
    return Group(
        plan=plan,
        data=selection.runs[0].data,
        footing=selection.runs[0].footing,
        metric=reading.metric,
        which=reading.which,
        weights=reading.weights,
        baselines=baselines,
        absent_baselines=absent,
        seeds=tuple(sorted({run.seed for run in finished})),
        rows=tuple(_row(side, plan, baselines, sides, paper, reading.metric) for side in sides.values()),
        paper=paper,
        claim=paper.claim(plan.claim) if paper and plan.claim else None,
    )


def _baselines(
    plan: Recipe, asked: tuple[str, ...], paper: Paper | None, metric: Metric
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The baselines that are arms, the paper's own included, and the wanted ones that are no arms."""
    names = [arm.name for arm in plan.arms]
    for name in asked:
        if name not in names:
            raise ActbenchError(
                f"recipe {plan.name!r} has no arm {name!r} to compare against", hints=name_hints(name, names)
            )
    wanted = list(dict.fromkeys(asked or plan.baselines))
    if paper:
        gains = [gain for arm in plan.arms for gain in reported_values(paper, plan, arm, "gain", metric)]
        named = [_arm_of(gain.row.baseline, plan) for gain in gains]
        wanted += [name for name in dict.fromkeys(named) if name is not None and name not in wanted]
    present = tuple(name for name in wanted if name in names)
    return present, tuple(name for name in wanted if name not in names)


def _arm_of(activation: str | None, plan: Recipe) -> str | None:
    """The arm that is this activation as it comes."""
    fitting = (
        arm.name for arm in plan.arms if resolved_activation(arm, plan) == activation and is_plain(arm)
    )
    return next(fitting, None)


class _Side:
    """One arm's finished runs, in order of seed."""

    def __init__(self, arm: Arm, runs: Sequence[RunFacts], reading: _Reading) -> None:
        self.arm = arm
        self.runs = sorted(runs, key=lambda run: run.seed)
        self.values = {run.seed: reading.of(run) for run in self.runs if run.status == "completed"}
        self.diverged = len(self.runs) - len(self.values)

    @property
    def cost(self) -> Cost | None:
        return next((run.cost for run in self.runs if run.cost is not None), None)

    def step_time_s(self, clock: Clock) -> float | None:
        """Median over the runs; None unless every run that has a cost measured it by this clock."""
        costs = [run.cost for run in self.runs if run.cost]
        times = [cost.step_cpu_s if clock == "cpu" else cost.step_time_s for cost in costs]
        return median(time for time in times if time is not None) if times and None not in times else None

    @property
    def hardware(self) -> set[tuple[str, str, int]]:
        return {(run.provenance.device, run.provenance.hardware, run.provenance.threads) for run in self.runs}


def _row(
    side: _Side,
    plan: Recipe,
    baselines: tuple[str, ...],
    sides: Mapping[str, _Side],
    paper: Paper | None,
    metric: Metric,
) -> ArmRow:
    values = list(side.values.values())
    gains = reported_values(paper, plan, side.arm, "gain", metric) if paper else ()
    homes = {id(gain): _arm_of(gain.row.baseline, plan) for gain in gains}
    finished = {run.seed for run in side.runs}
    cost = side.cost
    step_time = _step_time(side, sides[baselines[0]]) if baselines else _StepTime(None, None)
    kept = _kept(side)
    return ArmRow(
        arm=side.arm,
        completed=len(values),
        diverged=side.diverged,
        missing_seeds=tuple(seed for seed in plan.seeds if seed not in finished),
        value=stats.mean_estimate(values) if values else None,
        gaps=tuple(
            _gap(side, sides[name], tuple(gain for gain in gains if homes[id(gain)] == name))
            for name in baselines
        ),
        parameters=cost.parameters if cost else None,
        activation_parameters=cost.activation_parameters if cost else None,
        step_time_ratio=step_time.ratio,
        step_clock=step_time.clock,
        kept_per_element=kept.per_element,
        kept_beyond_output=kept.beyond_output,
        reported=reported_values(paper, plan, side.arm, "absolute", metric) if paper else (),
        reported_elsewhere=tuple(gain for gain in gains if homes[id(gain)] not in baselines),
    )


def _gap(side: _Side, baseline: _Side, reported: tuple[Reported, ...]) -> Gap:
    difference, detectable = None, None
    ours, theirs = side.values, baseline.values
    if ours and theirs and side is not baseline:
        if ours.keys() == theirs.keys():
            difference = stats.paired_difference(list(ours.values()), list(theirs.values()))
        else:
            difference = stats.welch_difference(list(ours.values()), list(theirs.values()))
        if difference.sd is not None:
            detectable = stats.detectable_difference(difference.sd, difference.n)
    return Gap(baseline=baseline.arm.name, difference=difference, detectable=detectable, reported=reported)


class _Kept(NamedTuple):
    per_element: float | None
    beyond_output: float | None


def _kept(side: _Side) -> _Kept:
    """Of the first run that counted it; the count is the same for every seed."""
    for cost in (run.cost for run in side.runs if run.cost):
        kept, output = cost.activation_kept_bytes, cost.activation_kept_output_bytes
        if kept is not None and output is not None and cost.activation_elements:
            return _Kept(kept / cost.activation_elements, (kept - output) / cost.activation_elements)
    return _Kept(None, None)


class _StepTime(NamedTuple):
    ratio: float | None
    clock: Clock | None


def _step_time(side: _Side, baseline: _Side) -> _StepTime:
    """On a CPU by CPU time, which other work on the machine disturbs least; by wall time elsewhere."""
    if len(hardware := side.hardware | baseline.hardware) > 1:
        return _StepTime(None, None)
    on_cpu = all(device == "cpu" for device, _, _ in hardware)
    for clock in CLOCKS if on_cpu else CLOCKS[1:]:
        ours, theirs = side.step_time_s(clock), baseline.step_time_s(clock)
        if ours is not None and theirs:
            return _StepTime(ours / theirs, clock)
    return _StepTime(None, None)
