"""An imported set becomes a group, as a recipe's runs do: by the same tests and rows. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from actbench.analysis import analyse, finished_seeds, require_arms, row_of
from actbench.comparison import Group
from actbench.errors import ActbenchError
from actbench.imported.runs import ImportedRun, ImportedSet
from actbench.metrics import Metric, imported_metric
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import AnalysisSettings
from actbench.record import Weights, Which
from actbench.setting import Setting
from actbench.sides import Side, ToldCost


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSelection:
    """What of an imported set goes into one table."""

    imported: ImportedSet
    path: Path
    arms: tuple[str, ...]
    runs: tuple[ImportedRun, ...]
    """Of these arms, and of the seeds that are wanted."""
    unshown: tuple[ImportedRun, ...] = ()
    """Of the other arms."""

    @property
    def unfinished(self) -> tuple[ImportedRun, ...]:
        return tuple(run for run in self.runs if not run.is_finished)


def imported_group(
    selection: ImportedSelection,
    asked: tuple[str, ...],
    metric: str | None,
    which: Which,
    weights: Weights,
) -> Group:
    """The group. Raises ActbenchError for a metric, a baseline or weights that the set does not have."""
    imported, name = selection.imported, f"imported set {selection.imported.name!r}"
    chosen = _metric(imported, metric, name)
    if which != "last" or weights != "raw":
        option = "--at" if which != "last" else "--weights"
        raise ActbenchError(
            f"{name} has one value a run, of whichever weights", where="command line", key=option
        )
    require_arms(asked, selection.arms, whose=name)
    wanted = tuple(dict.fromkeys(asked or imported.baselines))
    baselines = tuple(arm for arm in wanted if arm in selection.arms)
    runs: dict[str, list[ImportedRun]] = {arm: [] for arm in selection.arms}
    for run in selection.runs:
        runs[run.arm].append(run)
    sides = {arm: imported_side(arm, runs[arm], chosen.name, selection.path) for arm in selection.arms}
    settings, unshown = AnalysisSettings(), _unshown(selection, chosen)
    tested = analyse({**sides, **unshown}, baselines, settings, share_seeds=imported.is_paired)
    return Group(
        setting=_setting(imported, chosen),
        plan=None,
        data=None,
        footing=None,
        metric=chosen,
        which=which,
        weights=weights,
        baselines=baselines,
        main_baselines=baselines,
        absent_baselines=tuple(arm for arm in wanted if arm not in selection.arms),
        seeds=finished_seeds(sides),
        rows=tuple(
            row_of(sides[arm], sides, baselines, tested, planned=sorted(run.seed for run in runs[arm]))
            for arm in selection.arms
        ),
        method=settings.method if imported.is_paired else "welch",
        family=tested.family,
        margin=settings.margin / 100,
        near_best=tested.near_best & sides.keys(),
        paper=None,
        claim=None,
        unshown=unshown,
    )


def _unshown(selection: ImportedSelection, metric: Metric) -> dict[str, Side]:
    runs: dict[str, list[ImportedRun]] = {}
    for run in selection.unshown:
        runs.setdefault(run.arm, []).append(run)
    return {arm: imported_side(arm, found, metric.name, selection.path) for arm, found in runs.items()}


def _metric(imported: ImportedSet, asked: str | None, name: str) -> Metric:
    if asked is not None and asked not in imported.metrics:
        hints = name_hints(asked, imported.metrics)
        raise ActbenchError(
            f"{name} has no metric {asked!r}", where="command line", key="--metric", hints=hints
        )
    return imported_metric(asked or imported.metrics[0])


def _setting(imported: ImportedSet, metric: Metric) -> Setting:
    return Setting(
        name=imported.name,
        title=imported.title,
        profile=None,
        variant=None,
        task=metric.tasks[0],
        data=imported.data,
        model=imported.model,
        epochs=None,
        protocol=None,
        synthetic=False,
        source=imported.source.label,
    )


def imported_side(arm: str, runs: Sequence[ImportedRun], metric: str, path: Path) -> Side:
    """The arm's runs; one that completed without this metric's value counts as missing."""
    values = {
        run.seed: run.values[metric] for run in runs if run.status == "completed" and metric in run.values
    }
    times = [run.step_time_s for run in runs if run.step_time_s is not None]
    return Side(
        name=arm,
        arm=None,
        values=dict(sorted(values.items())),
        diverged=tuple(sorted(run.seed for run in runs if run.status == "diverged")),
        files=(path,),
        told=ToldCost(
            parameters=next((run.parameters for run in runs if run.parameters is not None), None),
            activation_parameters=next(
                (run.activation_parameters for run in runs if run.activation_parameters is not None), None
            ),
            step_time_s=median(times) if times else None,
        ),
    )
