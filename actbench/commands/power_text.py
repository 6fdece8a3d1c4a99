"""A plan of seeds, told: a line for each test, what all of them need, and the command. Imports no torch."""

from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from actbench.comparison import LEVEL, Group
from actbench.run_cost import RunCost
from actbench.seed_planning import SPREAD_CONFIDENCE, PairNeed, Seeds, Wanted
from actbench.stats.contrasts import METHOD_NAMES
from actbench.stats.power import MOST_SEEDS

_HEADS = ("arm", "vs", "seeds", "sd", "needs, alone", "needs, in the table")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPlan:
    group: Group
    needs: tuple[PairNeed, ...]
    needed: Seeds
    """For all tests of the table that show a spread."""
    seeds: tuple[int, ...]
    """Those to have runs of; empty where more than MOST_SEEDS would be needed."""
    cost: RunCost
    """Of the runs among them that are not stored."""
    commands: tuple[str, ...]
    """Make them; none where nothing is missing, or words cannot say it."""


def plan_text(plan: SeedPlan, wanted: Wanted) -> str:
    setting, needs = plan.group.setting, plan.needs
    place = f"{setting.name} ({setting.variant})" if setting.variant else setting.name
    place += f", profile {setting.profile}" if setting.is_audited else f", imported from {setting.source}"
    method = METHOD_NAMES[plan.group.method]
    rows = [
        (need.arm, need.baseline, need.n, _points(need.spread), _range(need.alone), _range(need.in_table))
        for need in needs
    ]
    return "\n".join(
        [
            f"{place}: seeds for a true difference of {_size(wanted)} in {plan.group.metric.noun},",
            f"found with {100 * wanted.power:g} % power by {method} at the {100 * LEVEL:g} % level",
            "",
            tabulate(rows, headers=_HEADS, tablefmt="plain", disable_numparse=True),
            "",
            *_total(plan),
            *_notes(plan),
        ]
    )


def _total(plan: SeedPlan) -> list[str]:
    every = f"all {len(plan.needs)} tests in one table" if len(plan.needs) > 1 else "this test"
    lines = [f"For {every}: {_range(plan.needed)} seeds of every arm."]
    if plan.needed.expected is None:
        lines.append(f"More than {MOST_SEEDS}: no plan; --arm and --baseline make a smaller table.")
    elif not plan.cost.runs:
        lines.append("All of them are stored.")
    else:
        is_one = plan.cost.runs == 1
        lines.append(f"{plan.cost.runs} run{' is' if is_one else 's are'} missing, {plan.cost.words}.")
        if plan.group.setting.is_audited and not plan.commands:
            lines.append("The recipe as it stands would make runs of other settings: see actbench compare.")
        lines += [f"  {command}" for command in plan.commands]
        if plan.group.setting.variant and plan.commands:
            lines.append("  (which makes those of the other variants too)")
    return lines


def _notes(plan: SeedPlan) -> list[str]:
    tests = len(plan.needs)
    notes = [
        "sd: of one seed's difference in points. In brackets: needs if the true spread lies at either end of its "
        f"{100 * SPREAD_CONFIDENCE:g} % interval (chi-square); few seeds know it badly.",
    ]
    if tests > 1:
        notes.append(
            f"In the table: at {100 * LEVEL:g} % / {tests}, the level of Holm's first step over its {tests} tests."
        )
    lacking = [f"{need.arm} vs {need.baseline}" for need in plan.needs if need.spread is None]
    if lacking:
        notes.append(f"No spread to plan by (fewer than two seeds, or all equal): {', '.join(lacking)}.")
    diverged = [f"{row.name} {row.diverged}" for row in plan.group.rows if row.diverged]
    if diverged:
        notes.append(f"Diverged runs give no value, and further ones may: {', '.join(diverged)}.")
    return ["", *notes]


def _size(wanted: Wanted) -> str:
    points = 100 * wanted.difference
    return f"{points:g} point{'' if points == 1 else 's'}"


def _points(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def _range(seeds: Seeds | None) -> str:
    if seeds is None:
        return "-"
    return f"{_count(seeds.expected)} ({_count(seeds.low)} to {_count(seeds.high)})"


def _count(number: int | None) -> str:
    return f">{MOST_SEEDS}" if number is None else str(number)


def plan_document(plan: SeedPlan, wanted: Wanted) -> dict[str, Any]:
    """The same as plain data; differences and deviations are fractions, null seeds more than MOST_SEEDS."""
    setting = plan.group.setting
    return {
        "recipe": setting.name,
        "profile": setting.profile,
        "variant": setting.variant,
        "metric": plan.group.metric.name,
        "difference": wanted.difference,
        "power": wanted.power,
        "level": LEVEL,
        "family": len(plan.needs),
        "method": plan.group.method,
        "most_seeds": MOST_SEEDS,
        "tests": [
            {
                "arm": need.arm,
                "baseline": need.baseline,
                "n": need.n,
                "sd": need.spread,
                "alone": need.alone._asdict() if need.alone else None,
                "in_table": need.in_table._asdict() if need.in_table else None,
            }
            for need in plan.needs
        ],
        "needed": plan.needed._asdict(),
        "seeds": list(plan.seeds),
        "missing_runs": plan.cost.runs,
        "hours": plan.cost.hours,
        "hardware": plan.cost.hardware,
        "timed_runs": plan.cost.timed,
        "commands": list(plan.commands),
    }
