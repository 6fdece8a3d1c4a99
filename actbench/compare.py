"""Stored runs and a paper's values become a comparison: numbers with their uncertainty, nothing rounded.

One group is one table: a recipe under one profile and variant. Its runs must have been trained on equal
footing, and runs of one arm under one and the same arm; otherwise they are refused, with what to redo.
Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actbench.analysis import NOTHING_BESIDE, Beside, analyse, finished_seeds, require_arms, row_of
from actbench.comparison import Comparison, Group, TunedRow
from actbench.fair.lock import Lock, lock_notes
from actbench.fair.runs import TuningRuns
from actbench.footing import Origin, check_footing
from actbench.metrics import Metric, metric_of
from actbench.papers.matching import Reported, arm_of, reported_values
from actbench.papers.reported import Paper
from actbench.recipe.differences import differing_arm_settings, differing_settings
from actbench.recipe.schema import Arm, Recipe
from actbench.record import RunFacts, Weights, Which
from actbench.setting import setting_of
from actbench.sides import Reading, Side, side_of
from actbench.store import StoredRun

if TYPE_CHECKING:
    from actbench.fair.calibration import Calibration
    from actbench.imported.group import ImportedSelection


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What goes into one table: the plan (which arms and seeds belong to it) and the runs there are."""

    plan: Recipe
    stored: tuple[StoredRun, ...]
    """The runs with their files; at least one."""
    origin: Origin
    unshown: tuple[StoredRun, ...] = ()
    """Runs of arms that are not to be shown."""
    lock: Lock | None = None
    """What was fixed before its runs were looked at."""
    calibration: tuple[StoredRun, ...] = ()
    """Runs of the recipe's calibration, and those that its baseline may have; empty where it was not calibrated."""
    tuning: TuningRuns | None = None

    @property
    def runs(self) -> tuple[RunFacts, ...]:
        return tuple(run.record for run in self.stored)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of `runs`, in the same order."""
        return tuple(run.path for run in self.stored)

    @property
    def is_altered(self) -> bool:
        """Whether the recipe as it stands has other settings: overridden, edited since, or no recipe is at hand."""
        current, plan = self.origin.current, self.plan
        if current is None or any(text.partition("=")[0] != "seeds" for text in self.origin.overrides):
            return True
        arms = {arm.name: arm for arm in current.arms}
        return bool(differing_settings(current, plan)) or any(
            arm.name not in arms or differing_arm_settings(arms[arm.name], arm) for arm in plan.arms
        )


def compare(
    selections: Sequence[Selection],
    *,
    papers: Mapping[str, Paper],
    baselines: Sequence[str] = (),
    metric: str | None = None,
    which: Which = "last",
    weights: Weights = "raw",
    imported: "Sequence[ImportedSelection]" = (),
    allow_mismatch: bool = False,
) -> Comparison:
    """One group per selection, then one per imported set.

    `baselines`, if given, replace those of the recipes; `papers` are by key. Without a metric each recipe's task has
    its own. Raises NotComparableError where runs are not on equal footing, unless a mismatch is allowed, and
    ActbenchError where weights, a metric or a baseline are asked for that the runs do not have.
    """
    own = [
        _group(
            selection,
            papers,
            tuple(baselines),
            Reading(metric_of(selection.plan, metric), which, weights),
            allow_mismatch=allow_mismatch,
        )
        for selection in selections
    ]
    return Comparison(groups=(*own, *_imported(imported, tuple(baselines), metric, which, weights)))


def _imported(
    selections: "Sequence[ImportedSelection]",
    baselines: tuple[str, ...],
    metric: str | None,
    which: Which,
    weights: Weights,
) -> list[Group]:
    if not selections:
        return []
    from actbench.imported.group import imported_group  # what few tables need is imported for these

    return [imported_group(selection, baselines, metric, which, weights) for selection in selections]


def _group(
    selection: Selection,
    papers: Mapping[str, Paper],
    asked: tuple[str, ...],
    reading: Reading,
    *,
    allow_mismatch: bool,
) -> Group:
    plan = selection.plan
    kept, mismatches = check_footing(selection.stored, selection.origin, plan, allow_mismatch=allow_mismatch)
    paper = papers[plan.paper] if plan.paper else None
    if paper and plan.table:
        paper.table(plan.table)  # a misspelt id would only look like a paper without values
    by_arm: dict[str, list[StoredRun]] = {arm.name: [] for arm in plan.arms}
    for run in selection.stored:
        by_arm.setdefault(run.record.arm.name, []).append(run)
    sides = {arm.name: side_of(arm, by_arm[arm.name], reading) for arm in plan.arms}
    names = [arm.name for arm in plan.arms]
    require_arms(asked, names, whose=f"recipe {plan.name!r}")
    wanted = tuple(dict.fromkeys(asked or plan.baselines))
    main = tuple(name for name in wanted if name in names)
    own = _own_baselines(plan, paper, reading.metric)
    baselines = (*main, *(name for name in own if name not in main))
    unshown = _unshown(selection, reading, kept.footing)
    tested = analyse({**sides, **unshown}, baselines, plan.analysis)
    tuned = _tuned(selection, baselines, reading, kept)
    return Group(
        setting=setting_of(plan, is_altered=selection.is_altered),
        plan=plan,
        data=kept.data,
        footing=kept.footing,
        metric=reading.metric,
        which=reading.which,
        weights=reading.weights,
        baselines=baselines,
        main_baselines=main,
        absent_baselines=tuple(name for name in wanted if name not in names),
        seeds=finished_seeds(sides),
        rows=tuple(
            row_of(
                sides[arm.name],
                sides,
                baselines,
                tested,
                planned=plan.seeds,
                beside=_beside(plan, arm, baselines, paper, reading.metric),
                tuned=tuned.get(arm.name),
            )
            for arm in plan.arms
        ),
        method=plan.analysis.method,
        family=tested.family,
        margin=plan.analysis.margin / 100,
        near_best=frozenset() if mismatches else tested.near_best & sides.keys(),
        paper=paper,
        claim=paper.claim(plan.claim) if paper and plan.claim else None,
        unshown=unshown,
        mismatches=mismatches,
        calibration=_calibration(selection, reading, kept),
        lock_notes=tuple(lock_notes(selection.lock, plan, reading.metric, selection.runs))
        if selection.lock
        else (),
    )


def _tuned(
    selection: Selection, baselines: Sequence[str], reading: Reading, kept: RunFacts
) -> dict[str, TunedRow]:
    """The rows of tuned arms, on the footing of the kept run; empty without tuning."""
    if selection.tuning is None:
        return {}
    from actbench.fair.tuned_rows import tuned_rows  # likewise

    recipe, stored = selection.tuning
    seeds = set(recipe.seeds) if selection.origin.seeds else None
    return tuned_rows(recipe, stored, baselines, reading, data=kept.data, footing=kept.footing, seeds=seeds)


def _calibration(selection: Selection, reading: Reading, kept: RunFacts) -> "Calibration | None":
    if not selection.calibration:
        return None
    from actbench.fair.calibration import stored_calibration  # likewise

    return stored_calibration(selection.plan, selection.calibration, reading=reading, footing=kept.footing)


def _unshown(selection: Selection, reading: Reading, footing: str) -> dict[str, Side]:
    """The sides of the arms that are not shown, of their runs on that footing."""
    runs: dict[str, list[StoredRun]] = {}
    for run in selection.unshown:
        if run.record.footing == footing:
            runs.setdefault(run.record.arm.name, []).append(run)
    return {name: side_of(found[0].record.arm, found, reading) for name, found in sorted(runs.items())}


def _own_baselines(plan: Recipe, paper: Paper | None, metric: Metric) -> tuple[str, ...]:
    """The arms that the paper's gains, or the recipe's claim, are against."""
    if paper is None:
        return ()
    gains = [gain for arm in plan.arms for gain in reported_values(paper, plan, arm, "gain", metric)]
    named = [arm_of(gain.row.baseline, plan) for gain in gains]
    if plan.claim:
        claimed = paper.claim(plan.claim).baseline
        named += [claimed if claimed in {arm.name for arm in plan.arms} else None]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _beside(plan: Recipe, arm: Arm, baselines: Sequence[str], paper: Paper | None, metric: Metric) -> Beside:
    """What the paper reports beside the arm."""
    if paper is None:
        return NOTHING_BESIDE
    gains: dict[str | None, tuple[Reported, ...]] = {}
    for gain in reported_values(paper, plan, arm, "gain", metric):
        home = arm_of(gain.row.baseline, plan)
        key = home if home in baselines else None
        gains[key] = (*gains.get(key, ()), gain)
    return Beside(
        values=reported_values(paper, plan, arm, "absolute", metric),
        gains={name: found for name, found in gains.items() if name is not None},
        gains_elsewhere=gains.get(None, ()),
    )
