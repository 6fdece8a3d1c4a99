"""Which columns a group has, and what stands over them. Imports no torch."""

from actbench.comparison import Group
from actbench.tables.columns import ColumnName, Columns
from actbench.tables.table import Column


def shown_baselines(group: Group, shown: Columns) -> tuple[str, ...]:
    """The baselines that have columns: the main ones, or all where `differences` asks for them."""
    return group.baselines if "differences" in shown else group.main_baselines


def has(group: Group, name: ColumnName) -> bool:
    """Whether the group has anything to show there."""
    rows, gaps = group.rows, [gap for row in group.rows for gap in row.gaps]
    match name:
        case "gaps":
            return bool(group.main_baselines)
        case "differences":
            return bool(group.baselines)
        case "tuned" | "trials" | "hours":
            return any(row.tuned for row in rows)
        case "p":
            return any(gap.p_holm is not None for gap in gaps)
        case "effect":
            return any(gap.contrast and gap.contrast.effect_size is not None for gap in gaps)
        case "detectable":
            return any(gap.detectable is not None for gap in gaps)
        case "examples":
            return any(row.crossed for row in rows)
        case "diverged":
            return any(row.diverged for row in rows)
        case "time":
            return any(row.step_time_ratio is not None for row in rows)
        case "parameters":
            return any(row.parameters is not None for row in rows)
        case "kept":
            return any(row.kept_per_element is not None for row in rows)
        case "optimism":
            return any(row.optimism is not None for row in rows)
        case "reported":
            return any(row.reported for row in rows)
        case "verdict":
            return group.claim is not None
        case "metric" | "n":
            return True


def columns_of(name: ColumnName, group: Group, shown: Columns) -> list[Column]:
    """The columns of that name: several where each baseline has one."""
    baselines = shown_baselines(group, shown)
    match name:
        case "metric":
            is_best = ("best on test",) if group.which == "best_test" else ()
            named = ("± 95 % t",) if any(row.value and row.value.interval for row in group.rows) else ()
            return [Column(key=group.metric.key, lines=(group.metric.head, *is_best, *named))]
        case "gaps" | "differences":
            return [Column(key=f"vs_{base}", lines=(f"vs {base}",)) for base in baselines]
        case "tuned":
            return [Column(key=f"tuned_{base}", lines=("both tuned", f"vs {base}")) for base in baselines]
        case "hours":
            return [Column(key="hours", lines=("tuning", "hours"))]
        case "p":
            return [Column(key=f"p_{base}", lines=("p (Holm)", f"vs {base}")) for base in baselines]
        case "effect":
            return [Column(key=f"effect_{base}", lines=("Hedges' g", f"vs {base}")) for base in baselines]
        case "detectable":
            return [
                Column(key=f"detectable_{base}", lines=("detectable", f"vs {base}")) for base in baselines
            ]
        case "examples":
            heads = [("examples", group.metric.head), *((f"examples_{b}", f"vs {b}") for b in baselines)]
            return [Column(key=key, lines=("seeds x examples", head)) for key, head in heads]
        case "time":
            return [Column(key="step_time", lines=("step time", *(f"vs {b}" for b in group.baselines[:1])))]
        case "parameters":
            return [Column(key="parameters", lines=("params", "(act.)"))]
        case "kept":
            return [Column(key="kept", lines=("kept bytes", "per element"))]
        case "trials" | "n" | "diverged" | "optimism" | "reported" | "verdict":
            return [Column(key=name, lines=(name,))]
