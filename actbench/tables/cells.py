"""What stands in a table's cells: the only place where numbers are rounded.

Imports no torch.
"""

from collections.abc import Callable, Sequence
from textwrap import wrap

from actbench import stats
from actbench.comparison import ArmRow, Gap, Group
from actbench.papers.matching import Reported
from actbench.tables.columns import ColumnName, Columns
from actbench.tables.heads import shown_baselines
from actbench.tables.table import NONE, Cell, Emphasis, Number
from actbench.tables.words import hours_text, percent, points, setting_name

LEVEL = ("equal in", "all seeds")
VERDICT_WIDTH = 28
"""Letters in a line of a verdict, which may be a long one."""


def cells_of(name: ColumnName, row: ArmRow, group: Group, shown: Columns) -> list[Cell]:
    """What stands in the columns of that name, in their order."""
    baselines = shown_baselines(group, shown)
    gaps = [gap for gap in row.gaps if gap.baseline in baselines]
    match name:
        case "metric":
            return [_value(row, group, shown)]
        case "gaps" | "differences":
            return [_gap(gap, row) for gap in gaps]
        case "tuned":
            return [_tuned(row, baseline) for baseline in baselines]
        case "trials":
            return [_trials(row)]
        case "hours":
            hours = row.tuned.choice.hours if row.tuned else None
            return [_number(hours, "hours", hours_text)]
        case "p":
            return [_p(gap) for gap in gaps]
        case "effect":
            effects = [gap.contrast.effect_size if gap.contrast else None for gap in gaps]
            return [_number(effect, "effect_size", lambda g: f"{g:+.2f}") for effect in effects]
        case "detectable":
            return [_number(gap.detectable, "detectable", percent) for gap in gaps]
        case "examples":
            return [_interval(row.crossed, percent), *(_interval(gap.crossed, points) for gap in gaps)]
        case "n":
            return [Cell((str(row.completed), *_missing(row)), {"completed": row.completed})]
        case "diverged":
            return [Cell((_share(row) or "0",), {"diverged": row.diverged})]
        case "time":
            return [_number(row.step_time_ratio, "ratio", lambda ratio: f"{ratio:.2f}x")]
        case "parameters":
            return [_parameters(row)]
        case "kept":
            return [_kept(row)]
        case "optimism":
            return [_number(row.optimism, "optimism", points)]
        case "reported":
            return [_reported(row.reported)]
        case "verdict":
            return [_verdict(row, group)]


def headline_gap(row: ArmRow, group: Group, shown: Columns) -> Gap | None:
    """The gap whose signs stand at the mean where no gap has a column: that to the first baseline."""
    if "gaps" in shown or "differences" in shown:
        return None
    return next((gap for gap in row.gaps if gap.baseline in group.main_baselines[:1]), None)


def largest(group: Group) -> float | None:
    """The largest mean of several arms; None where all have the same."""
    values = {row.value.value for row in group.rows if row.value}
    return max(values) if len(values) > 1 else None


def _value(row: ArmRow, group: Group, shown: Columns) -> Cell:
    lines: list[str] = []
    emphasis: set[Emphasis] = set()
    if row.value:
        lines.append(percent(row.value.value))
        if row.value.is_level:
            lines += LEVEL
        elif row.value.interval:
            lines[0] += f" ± {percent(row.value.interval.half_width)}"
        if row.completed != len(group.seeds) and "n" not in shown:
            lines.append(f"(n={row.completed})")
        if row.name in group.near_best:
            emphasis.add("bold")
        if row.value.value == largest(group):
            emphasis.add("underline")
    lines += [f"{_share(row)} diverged"] if row.diverged else []
    lines += _missing(row) if "n" not in shown else []
    gap = headline_gap(row, group, shown)
    counts: dict[str, Number] = {
        "n": row.completed,
        "diverged": row.diverged,
        "missing": len(row.missing_seeds),
        "sd": row.value.sd if row.value else None,
    }
    return Cell(
        tuple(lines) or (NONE,),
        {**_numbers(row.value, "mean"), **counts},
        frozenset(emphasis),
        _marks(gap) if gap else (),
    )


def _share(row: ArmRow) -> str:
    return f"{row.diverged}/{row.completed + row.diverged}" if row.diverged else ""


def _missing(row: ArmRow) -> list[str]:
    return [f"{len(row.missing_seeds)} missing"] if row.missing_seeds else []


def _marks(gap: Gap) -> tuple[str, ...]:
    return ("*",) * gap.is_significant + ("†",) * gap.only_over_seeds


def _gap(gap: Gap, row: ArmRow) -> Cell:
    numbers = {
        **_numbers(gap.difference, "difference"),
        "reported": gap.reported[0].value if gap.reported else None,
    }
    if gap.baseline == row.name:
        return Cell((NONE,), numbers)
    lines: list[str] = []
    if gap.difference is None:
        lines.append(NONE)
    else:
        lines.append(points(gap.difference.value))
        if gap.difference.is_level:
            lines += LEVEL
        elif gap.difference.interval:
            lines.append(bracketed(gap.difference.interval, points))
    lines += [f"({_origin(r)}: {_gain(r)})" for r in gap.reported]
    return Cell(tuple(lines), numbers, marks=_marks(gap))


def _tuned(row: ArmRow, baseline: str) -> Cell:
    """The gap between the two arms as tuning left them."""
    tuned = row.tuned.row if row.tuned else None
    gap = next((gap for gap in tuned.gaps if gap.baseline == baseline), None) if tuned else None
    if tuned is None or gap is None:
        return Cell((NONE,), {"difference": None, "low": None, "high": None})
    return _gap(gap, tuned)


def _trials(row: ArmRow) -> Cell:
    if row.tuned is None:
        return Cell((NONE,), {"trials": None})
    choice = row.tuned.choice
    edges = [f"edge: {setting_name(key)}" for key in choice.at_edge]
    return Cell((str(choice.trials), *edges), {"trials": choice.trials, "at_edge": len(edges)})


def _p(gap: Gap) -> Cell:
    adjusted = gap.p_holm
    text = NONE if adjusted is None else "<0.001" if adjusted < 0.0005 else f"{adjusted:.3f}"
    return Cell((text,), {"holm": adjusted, "unadjusted": gap.contrast.p if gap.contrast else None})


def _interval(interval: stats.Interval | None, shown: Callable[[float], str]) -> Cell:
    low, high = interval or (None, None)
    text = bracketed(interval, shown) if interval else NONE
    return Cell((text,), {"low": low, "high": high})


def bracketed(interval: stats.Interval, shown: Callable[[float], str]) -> str:
    return f"[{shown(interval.low)}, {shown(interval.high)}]"


def _number(value: float | None, name: str, shown: Callable[[float], str]) -> Cell:
    return Cell((NONE if value is None else shown(value),), {name: value})


def _reported(values: Sequence[Reported]) -> Cell:
    known = [r.value for r in values if r.value is not None]
    number: dict[str, Number] = {"value": known[0] if known else None}
    if not known:
        return Cell(("not", "found") if values else (NONE,), number)
    where = {f"on {r.other_data}" for r in values if r.other_data}
    return Cell((" / ".join(f"{value:.2f}" for value in known), *sorted(where)), number)


def _verdict(row: ArmRow, group: Group) -> Cell:
    from actbench.verdict import verdict_of  # for this column alone

    verdict = verdict_of(row, group)
    return Cell(tuple(wrap(verdict.cell, VERDICT_WIDTH, break_on_hyphens=False)) if verdict else (NONE,))


def _origin(reported: Reported) -> str:
    return f"paper, {reported.other_data}" if reported.other_data else "paper"


def _gain(reported: Reported) -> str:
    return "not found" if reported.value is None else f"{reported.value:+.2f}"


def _parameters(row: ArmRow) -> Cell:
    total, own = row.parameters, row.activation_parameters
    lines = (NONE,) if total is None or own is None else (_count(total), f"({_count(own)})")
    return Cell(lines, {"total": total, "activations": own})


def _kept(row: ArmRow) -> Cell:
    kept, beyond = row.kept_per_element, row.kept_beyond_output
    lines = (NONE,) if kept is None or beyond is None else (f"{kept:.1f}", f"({beyond:.1f})")
    return Cell(lines, {"per_element": kept, "beyond_output": beyond})


def _count(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:.2f} M"


def _numbers(estimate: stats.Estimate | None, name: str) -> dict[str, Number]:
    interval = estimate.interval if estimate else None
    return {
        name: estimate.value if estimate else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
