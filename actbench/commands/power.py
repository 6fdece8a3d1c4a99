"""`actbench power`: how many seeds a wanted difference needs, and what they cost. Imports no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actbench.commands.outcome import Outcome
from actbench.commands.power_text import SeedPlan, plan_document, plan_text
from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.errors import ActbenchError, NotComparableError
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Profile
from actbench.run_cost import cost_of
from actbench.seed_planning import Wanted, most, needs_of
from actbench.selection import Sources, select


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
    selections, warnings = _selected(request)
    papers = {key: load_paper(key) for selection in selections if (key := selection.plan.paper)}
    groups = compare(selections, papers=papers, baselines=request.baselines, metric=request.metric).groups
    wanted = Wanted(request.detect / 100, request.power)
    plans = [_plan(group, selection, wanted) for group, selection in zip(groups, selections, strict=True)]
    return Outcome(
        text="\n\n".join(plan_text(plan, wanted) for plan in plans),
        document={"plans": [plan_document(plan, wanted) for plan in plans], "warnings": warnings},
        warnings=tuple(warnings),
    )


def _selected(request: PowerRequest) -> tuple[list[Selection], list[str]]:
    sources = Sources(
        [request.reference], request.profile, request.overrides, request.results_dir, limit=request.limit
    )
    selected = select(sources)
    if request.arms:
        plan = selected.selections[0].plan
        names = {arm.name for arm in plan.arms}
        beside = [name for name in request.baselines or plan.baselines if name in names]
        selected = select(sources._replace(arms=tuple(dict.fromkeys([*beside, *request.arms]))))
    # That planned runs are missing is what this command is for.
    return selected.selections, [text for text in selected.warnings if not text.startswith("incomplete: ")]


def _plan(group: Group, selection: Selection, wanted: Wanted) -> SeedPlan:
    needs = tuple(needs_of(group, wanted))
    if not needs:
        raise NotComparableError(
            f"{group.setting.name} compares no arm with a baseline", hints=["name one with --baseline"]
        )
    known = [need.in_table for need in needs if need.in_table]
    if not known:
        raise _no_spread(group, selection)
    needed = most(known)
    seeds = _seeds(needed.expected or 0, group, selection)
    finished = {(run.arm.name, run.seed) for run in selection.runs if run.status in ("completed", "diverged")}
    missing = {
        arm.name: sum((arm.name, seed) not in finished for seed in seeds) for arm in selection.plan.arms
    }
    cost = cost_of(missing, selection.runs)
    origin = replace(selection.origin, seeds=_typed(seeds))
    return SeedPlan(
        group=group,
        needs=needs,
        needed=needed,
        seeds=seeds,
        cost=cost,
        command=origin.command() if cost.runs else None,
    )


def _no_spread(group: Group, selection: Selection) -> NotComparableError:
    counts = [row.completed for row in group.rows]
    if max(counts) > 1:
        return NotComparableError(
            f"{group.setting.name}: no spread to plan by: every arm is equal in all its seeds, or has one of them",
            hints=["further seeds may differ; train some", replace(selection.origin, seeds="0..4").command()],
        )
    return NotComparableError(
        f"{group.setting.name}: one seed shows no spread to plan by; two show a rough one, three a better",
        hints=[replace(selection.origin, seeds="0..2").command()],
    )


def _seeds(count: int, group: Group, selection: Selection) -> tuple[int, ...]:
    """So many seeds: of those that are planned or have runs the first, then the least that are neither."""
    known = sorted({*group.seeds, *selection.plan.seeds})
    further = [seed for seed in range(count) if seed not in known]
    return tuple(sorted([*known, *further][:count]))


def _typed(seeds: Sequence[int]) -> str:
    """As `--seeds` takes them."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}..{seeds[-1]}"
    return ",".join(map(str, seeds))


def _usage(message: str, option: str) -> ActbenchError:
    return ActbenchError(message, where="command line", key=option)
