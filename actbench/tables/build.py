"""A comparison becomes tables: the only place where numbers are rounded. Imports no torch."""

import re
from collections.abc import Callable

from actbench import stats
from actbench.comparison import ArmRow, Comparison, Gap, Group
from actbench.papers.matching import Reported, data_label, model_label
from actbench.tables.columns import DEFAULT, ColumnName, Columns
from actbench.tables.notes import table_notes
from actbench.tables.table import Cell, Column, Number, Row, Table

NONE = "-"
LEVEL = ("equal in", "all seeds")


def build_tables(
    comparison: Comparison, columns_of: Callable[[str], Columns] = lambda _recipe: DEFAULT
) -> list[Table]:
    """One table per group, in the comparison's order; `columns_of` tells by the recipe's name what they show."""
    return [_table(group, columns_of(group.plan.name)) for group in comparison.groups]


def _table(group: Group, asked: Columns) -> Table:
    plan = group.plan
    parts = [plan.name, plan.profile, *([plan.variant] if plan.variant else [])]
    shown = asked if asked != DEFAULT else tuple(name for name in DEFAULT if _has(group, name))
    notes, marks = table_notes(group, shown)
    return Table(
        name=plan.name,
        label=re.sub(r"[^A-Za-z0-9]+", "-", "-".join(parts)),
        title=f"{plan.name}: {plan.variant}" if plan.variant else plan.name,
        caption=_caption(group),
        columns=tuple(column for name in shown for column in _columns(name, group)),
        rows=tuple(
            Row(
                arm=row.name,
                mark=marks.get(row.name, ""),
                cells=tuple(cell for name in shown for cell in _cells(name, row, shown)),
            )
            for row in group.rows
        ),
        notes=notes,
        facts=_facts(group),
        asked=asked if asked != DEFAULT else (),
    )


def _caption(group: Group) -> str:
    plan = group.plan
    subject = plan.title.rstrip(".") or plan.name
    variant = f" ({plan.variant})" if plan.variant else ""
    seeds = ", ".join(str(seed) for seed in group.seeds)
    epochs = f"{plan.train.epochs} epoch{'s' if plan.train.epochs != 1 else ''}"
    number = "no finished runs" if not seeds else f"seed{'s' if len(group.seeds) > 1 else ''} {seeds}"
    synthetic = "Synthetic data: shows the tool, not the activation. " if group.data.synthetic else ""
    return (
        f"{synthetic}{subject}{variant}: {group.metric.phrase} on {data_label(plan.data)} with "
        f"{model_label(plan.model)}; profile {plan.profile}, {epochs}, {number}."
    )


def _has(group: Group, name: ColumnName) -> bool:
    """Whether the recipe has anything to show there."""
    return not ((name == "time" and not group.baselines) or (name == "reported" and group.paper is None))


def _columns(name: ColumnName, group: Group) -> tuple[Column, ...]:
    match name:
        case "metric":
            return (Column(key=group.metric.key, lines=(group.metric.head,)),)
        case "differences":
            return tuple(
                Column(key=f"vs_{baseline}", lines=(f"vs {baseline}",)) for baseline in group.baselines
            )
        case "parameters":
            return (Column(key="parameters", lines=("params", "(act.)")),)
        case "time":
            beside = tuple(f"vs {baseline}" for baseline in group.baselines[:1])
            return (Column(key="step_time", lines=("time", *beside)),)
        case "kept":
            return (Column(key="kept", lines=("kept bytes", "per element")),)
        case "n":
            return (Column(key="n", lines=("n",)),)
        case "reported":
            return (Column(key="reported", lines=("reported",)),)


def _cells(name: ColumnName, row: ArmRow, shown: Columns) -> tuple[Cell, ...]:
    match name:
        case "metric":
            return (_value(row, with_runs="n" not in shown),)
        case "differences":
            return tuple(_gap(gap, row) for gap in row.gaps)
        case "parameters":
            return (_parameters(row),)
        case "time":
            ratio = row.step_time_ratio
            return (Cell((NONE if ratio is None else f"{ratio:.2f}x",), {"ratio": ratio}),)
        case "kept":
            return (_kept(row),)
        case "n":
            return (_runs(row),)
        case "reported":
            return (_reported(row.reported),)


def _value(row: ArmRow, *, with_runs: bool) -> Cell:
    lines: list[str] = []
    if row.value:
        lines.append(_percent(row.value.value))
        if row.value.is_level:
            lines += LEVEL
        elif row.value.interval:
            lines[0] += f" ± {_percent(row.value.interval.half_width)}"
    if with_runs:
        lines += [f"(n={row.completed})"] if row.value else []
        lines += _unfinished(row)
    elif not lines:
        lines.append(NONE)
    counts: dict[str, Number] = {
        "n": row.completed,
        "diverged": row.diverged,
        "missing": len(row.missing_seeds),
        "sd": row.value.sd if row.value else None,
    }
    return Cell(tuple(lines), {**_numbers(row.value, "mean"), **counts})


def _unfinished(row: ArmRow) -> list[str]:
    diverged, missing = row.diverged, len(row.missing_seeds)
    lines = [f"{diverged}/{row.completed + diverged} diverged"] if diverged else []
    return lines + ([f"{missing} missing"] if missing else [])


def _runs(row: ArmRow) -> Cell:
    return Cell((str(row.completed), *_unfinished(row)), {"completed": row.completed})


def _kept(row: ArmRow) -> Cell:
    kept, beyond = row.kept_per_element, row.kept_beyond_output
    lines = (NONE,) if kept is None or beyond is None else (f"{kept:.1f}", f"({beyond:.1f})")
    return Cell(lines, {"per_element": kept, "beyond_output": beyond})


def _gap(gap: Gap, row: ArmRow) -> Cell:
    numbers = {
        **_numbers(gap.difference, "difference"),
        "detectable": gap.detectable,
        "reported": gap.reported[0].value if gap.reported else None,
    }
    if gap.baseline == row.name:
        return Cell((NONE,), numbers)
    lines: list[str] = []
    if gap.difference is None:
        lines.append(NONE)
    else:
        lines.append(_signed(gap.difference.value))
        if gap.difference.is_level:
            lines += LEVEL
        elif gap.difference.interval:
            low, high = gap.difference.interval
            lines.append(f"[{_signed(low)}, {_signed(high)}]")
    lines += [f"({_origin(r)}: {_gain(r)})" for r in gap.reported]
    return Cell(tuple(lines), numbers)


def _reported(values: tuple[Reported, ...]) -> Cell:
    known = [r.value for r in values if r.value is not None]
    number: dict[str, Number] = {"value": known[0] if known else None}
    if not known:
        return Cell(("not", "found") if values else (NONE,), number)
    where = {f"on {r.other_data}" for r in values if r.other_data}
    return Cell((" / ".join(f"{value:.2f}" for value in known), *sorted(where)), number)


def _origin(reported: Reported) -> str:
    return f"paper, {reported.other_data}" if reported.other_data else "paper"


def _gain(reported: Reported) -> str:
    return "not found" if reported.value is None else f"{reported.value:+.2f}"


def _parameters(row: ArmRow) -> Cell:
    total, own = row.parameters, row.activation_parameters
    lines = (NONE,) if total is None or own is None else (_count(total), f"({_count(own)})")
    return Cell(lines, {"total": total, "activations": own})


def _count(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:.2f} M"


def _numbers(estimate: stats.Estimate | None, name: str) -> dict[str, Number]:
    interval = estimate.interval if estimate else None
    return {
        name: estimate.value if estimate else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _signed(fraction: float) -> str:
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _facts(group: Group) -> dict[str, str | int | bool | list[int] | None]:
    plan = group.plan
    return {
        "recipe": plan.name,
        "profile": plan.profile,
        "variant": plan.variant,
        "data": plan.data.name,
        "synthetic": group.data.synthetic,
        "model": model_label(plan.model),
        "epochs": plan.train.epochs,
        "seeds": list(group.seeds),
        "protocol": plan.evaluation.protocol,
        "metric": group.metric.name,
        "which": group.which,
        "weights": group.weights,
        "footing": group.footing,
        "paper": plan.paper,
    }
