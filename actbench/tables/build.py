"""A comparison becomes tables, one for each group. Imports no torch."""

import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from actbench.comparison import ArmRow, Comparison, Group
from actbench.tables.calibration import calibration_facts
from actbench.tables.captions import caption
from actbench.tables.cells import cells_of
from actbench.tables.columns import DEFAULT, WIDE, Columns
from actbench.tables.heads import columns_of, has
from actbench.tables.notes import table_notes
from actbench.tables.table import Row, Table

_BY_WHAT_THERE_IS = (DEFAULT, WIDE)


def build_tables(
    comparison: Comparison, columns_of: Callable[[str], Columns] = lambda _recipe: DEFAULT
) -> list[Table]:
    """One table per group, in the comparison's order; `columns_of` tells by the recipe's name what they show."""
    return [build_table(group, columns_of(group.setting.name)) for group in comparison.groups]


def build_table(group: Group, asked: Columns = DEFAULT) -> Table:
    """The table of one group. Of the default and of all columns it has those that it has something for."""
    setting = group.setting
    parts = [setting.name, setting.profile or "imported", *([setting.variant] if setting.variant else [])]
    shown = tuple(name for name in asked if has(group, name)) if asked in _BY_WHAT_THERE_IS else asked
    notes, marks = table_notes(group, shown)
    return Table(
        name=setting.name,
        label=re.sub(r"[^A-Za-z0-9]+", "-", "-".join(parts)),
        title=f"{setting.name}: {setting.variant}" if setting.variant else setting.name,
        caption=caption(group),
        columns=tuple(column for name in shown for column in columns_of(name, group, shown)),
        rows=tuple(
            Row(
                arm=row.name,
                mark=marks.get(row.name, ""),
                cells=tuple(cell for name in shown for cell in cells_of(name, row, group, shown)),
                evidence=partial(_evidence, row, group),
            )
            for row in group.rows
        ),
        notes=notes,
        facts=_facts(group),
        setting=(setting.model, setting.data),
        claims=_claims(group),
        files={row.name: row.files for row in group.rows},
        asked=asked if asked != DEFAULT else (),
    )


def _evidence(row: ArmRow, group: Group) -> dict[str, Any]:
    from actbench.tables.evidence import evidence_of  # what few tables need is imported for these

    return evidence_of(row, group)


def _claims(group: Group) -> tuple[str, ...]:
    if group.claim is None:
        return ()
    from actbench.verdict import claim_lines  # likewise

    return claim_lines(group)


def _facts(group: Group) -> dict[str, Any]:
    setting, plan = group.setting, group.plan
    return {
        "recipe": setting.name,
        "profile": setting.profile,
        "variant": setting.variant,
        "data": plan.data.name if plan else setting.data,
        "synthetic": setting.synthetic,
        "model": setting.model,
        "epochs": setting.epochs,
        "seeds": list(group.seeds),
        "protocol": setting.protocol,
        "metric": group.metric.name,
        "which": group.which if setting.is_audited else None,
        "weights": group.weights if setting.is_audited else None,
        "footing": group.footing,
        **({"mismatches": [asdict(mismatch) for mismatch in group.mismatches]} if group.mismatches else {}),
        "source": setting.source,
        "paper": group.paper.paper.key if group.paper else None,
        "baselines": list(group.baselines),
        "method": group.method,
        "tests": group.family,
        "margin": group.margin,
        "near_best": sorted(group.near_best),
        "calibration": calibration_facts(group.calibration),
    }
