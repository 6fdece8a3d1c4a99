"""`actbench power`: how many seeds a wanted difference needs, and what they cost. Imports no torch."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actbench.commands.outcome import Outcome
from actbench.commands.power_text import SeedPlan, plan_document, plan_text
from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.errors import ActbenchError, NotComparableError
from actbench.imported.group import ImportedSelection
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Profile
from actbench.record import FINISHED
from actbench.run_cost import TimedRun, cost_of, timed_runs
from actbench.seed_planning import Wanted, most, needs_of
from actbench.selection import Selected, Sources, select


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRequest:
    reference: str
    overrides: Sequence[str] = ()
    profile: Profile | None = None
    detect: float
    """The wanted difference in points."""
    power: float = 0.8
    arms: Sequence[str] = ()
    """With the baselines the only ones of the table that is planned; all if empty."""
    baselines: Sequence[str] = ()
    metric: str | None = None
    limit: int | None = None
    results_dir: Path = Path("results")


def power(request: PowerRequest) -> Outcome:
    """Raises NotComparableError where there are no records, or none that show a spread."""
    if not (math.isfinite(request.detect) and 0 < request.detect <= 100):
        raise _usage(f"{request.detect:g} is no difference in points: above 0, at most 100", "--detect")
    if not 0.5 <= request.power < 1:
        raise _usage(f"{request.power:g} is no power to plan for: from 0.5 to below 1", "--power")
    selected = _selected(request)
    papers = {key: load_paper(key) for selection in selected.selections if (key := selection.plan.paper)}
    groups = compare(
        selected.selections,
        papers=papers,
        baselines=request.baselines,
        metric=request.metric,
        imported=selected.imported,
    ).groups
    made = [*map(_by_actbench, selected.selections), *map(_by_others, selected.imported)]
    wanted = Wanted(request.detect / 100, request.power)
    plans = [_plan(group, runs, wanted) for group, runs in zip(groups, made, strict=True)]
    # That planned runs are missing is what this command is for.
    warnings = tuple(text for text in selected.warnings if not text.startswith("incomplete: "))
    return Outcome(
        text="\n\n".join(plan_text(plan, wanted) for plan in plans),
        document={"plans": [plan_document(plan, wanted) for plan in plans], "warnings": list(warnings)},
        warnings=warnings,
    )


def _selected(request: PowerRequest) -> Selected:
    sources = Sources(
        [request.reference],
        request.profile,
        request.overrides,
        request.results_dir,
        limit=request.limit,
        takes_imported=True,
    )
    selected = select(sources)
    if not request.arms:
        return selected
    if selected.selections:
        plan = selected.selections[0].plan
        names, usual = [arm.name for arm in plan.arms], plan.baselines
    else:
        names, usual = list(selected.imported[0].arms), selected.imported[0].imported.baselines
    beside = [name for name in request.baselines or usual if name in names]
    return select(sources._replace(arms=tuple(dict.fromkeys([*beside, *request.arms]))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The runs that there are, and how more are made."""

    planned: frozenset[int]
    finished: frozenset[tuple[str, int]]
    timed: Sequence[TimedRun]
    commands: Callable[[Sequence[int], Collection[tuple[str, int]]], Sequence[str]]
    """For the seeds wanted, and the runs of them that are missing."""


def _by_actbench(selection: Selection) -> _Made:
    plan, origin = selection.plan, selection.origin
    current = origin.current

    def commands(seeds: Sequence[int], missing: Collection[tuple[str, int]]) -> Sequence[str]:
        if current and plan.model_copy(update={"arms": current.arms, "seeds": current.seeds}) == current:
            return [replace(origin, seeds=_typed(seeds)).command()]  # trains only what is missing
        return origin.commands(plan, {arm.name: arm for arm in plan.arms}, missing)

    finished = [run for run in selection.runs if run.status in FINISHED]
    return _Made(
        planned=frozenset(plan.seeds),
        finished=frozenset((run.arm.name, run.seed) for run in finished),
        timed=timed_runs(selection.runs),
        commands=commands,
    )


def _by_others(selection: ImportedSelection) -> _Made:
    return _Made(
        planned=frozenset(run.seed for run in selection.runs),
        finished=frozenset((run.arm, run.seed) for run in selection.runs if run.is_finished),
        timed=[
            TimedRun(run.arm, run.wall_time_s, None)
            for run in selection.runs
            if run.status == "completed" and run.wall_time_s
        ],
        commands=lambda _seeds, _missing: (),
    )


def _plan(group: Group, made: _Made, wanted: Wanted) -> SeedPlan:
    needs = tuple(needs_of(group, wanted))
    arms = [row.name for row in group.rows]
    if not needs:
        message = f"{group.setting.name} compares no arm with a baseline"
        raise NotComparableError(message, hints=["name one with --baseline"])
    known = [need.in_table for need in needs if need.in_table]
    if not known:
        raise _no_spread(group, made)
    needed = most(known)
    seeds = _seeds(needed.expected or 0, made.planned | set(group.seeds))
    missing = [(arm, seed) for arm in arms for seed in seeds if (arm, seed) not in made.finished]
    counts = Counter(arm for arm, _ in missing)
    return SeedPlan(
        group=group,
        needs=needs,
        needed=needed,
        seeds=seeds,
        cost=cost_of(counts, made.timed),
        commands=tuple(made.commands(seeds, missing)) if missing else (),
    )


def _no_spread(group: Group, made: _Made) -> NotComparableError:
    arms = [row.name for row in group.rows]
    seeds = range(5 if max(row.completed for row in group.rows) > 1 else 3)
    hints = made.commands(seeds, [(arm, seed) for arm in arms for seed in seeds])
    why = (
        "all seeds of an arm are equal, or one; further ones may differ"
        if len(seeds) > 3
        else "one seed shows none; two show a rough one, three a better"
    )
    return NotComparableError(f"{group.setting.name}: no spread to plan by: {why}", hints=hints)


def _seeds(count: int, known: Collection[int]) -> tuple[int, ...]:
    """So many seeds: of those that are planned or have runs the first, then the least that are neither."""
    further = [seed for seed in range(count) if seed not in known]
    return tuple(sorted([*sorted(known), *further][:count]))


def _typed(seeds: Sequence[int]) -> str:
    """As `--seeds` takes them."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}..{seeds[-1]}"
    return ",".join(map(str, seeds))


def _usage(message: str, option: str) -> ActbenchError:
    return ActbenchError(message, where="command line", key=option)
