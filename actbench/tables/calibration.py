"""What a bench can see, as a table of its calibration and as the line below other tables. Imports no torch."""

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from actbench.metrics import Metric
from actbench.recipe.schema import Recipe
from actbench.setting import setting_of
from actbench.sides import Side
from actbench.stats import METHOD_NAMES
from actbench.stats.intervals import Estimate, mean_estimate
from actbench.stats.power import MOST_SEEDS
from actbench.tables.arm_notes import arm_note
from actbench.tables.cells import LEVEL, bracketed
from actbench.tables.table import NONE, Cell, Column, Note, Row, Table
from actbench.tables.words import percent, points

if TYPE_CHECKING:  # most tables have none
    from actbench.fair.calibration import Calibration, Seen

NOT_CALIBRATED = "Not calibrated: no run tells what gap this bench can see."


def calibration_note(calibration: "Calibration | None") -> str:
    """The line below a table: the gap where there is none, and the smallest planted loss that was found."""
    if calibration is None:
        return NOT_CALIBRATED
    again = calibration.again.contrast
    assert again is not None  # or there would be no calibration
    alarm = "" if calibration.is_silent else ", significant where there is nothing to find"
    planted = _planted(calibration)
    return (
        f"Calibrated: {calibration.baseline.name} with other random streams, {_gap(again.estimate)} points against "
        f"itself{alarm}; {planted}."
    )


def _planted(calibration: "Calibration") -> str:
    smallest = calibration.smallest_found
    if smallest and smallest.loss is not None:
        return f"smallest planted loss found: {percent(smallest.loss)} points ({smallest.arm.name})"
    tried = [
        f"{seen.arm.name} {_gap(seen.contrast.estimate)}" for seen in calibration.planted if seen.contrast
    ]
    return f"no planted loss was found ({', '.join(tried)})" if tried else "no loss was planted yet"


def calibration_facts(calibration: "Calibration | None") -> dict[str, Any] | None:
    """The same for programs."""
    if calibration is None:
        return None
    smallest = calibration.smallest_found
    return {
        "baseline": calibration.baseline.name,
        "silent": calibration.is_silent,
        "smallest_loss_found": smallest.loss if smallest else None,
        "arms": [
            _evidence(seen.side, seen, with_seeds=False) for seen in (calibration.again, *calibration.planted)
        ],
        "missing": list(calibration.missing),
    }


def calibration_table(calibration: "Calibration", recipe: Recipe, metric: Metric) -> Table:
    """A row for the baseline and for each arm of the calibration."""
    setting = setting_of(recipe)
    parts = [setting.name, setting.profile or "", *([setting.variant] if setting.variant else [])]
    rows: list[tuple[Side, Seen | None]] = [
        (calibration.side, None),
        *((seen.side, seen) for seen in (calibration.again, *calibration.planted)),
    ]
    notes = [note for _, seen in rows if seen and (note := arm_note(seen.arm, recipe))]
    return Table(
        name=setting.name,
        label=re.sub(r"[^A-Za-z0-9]+", "-", "-".join([*parts, "calibration"])),
        title=f"{setting.name}: calibration",
        caption=_caption(calibration, recipe, metric),
        columns=(
            Column(key=metric.key, lines=(metric.head,)),
            Column(key="gap", lines=(f"vs {calibration.baseline.name}",)),
            Column(key="p", lines=("p", "Holm")),
            Column(key="found", lines=("found",)),
            Column(key="seeds", lines=("seeds", "needed")),
        ),
        rows=tuple(
            Row(
                arm=side.name,
                mark=_mark(seen, recipe, notes),
                cells=_cells(side, seen, is_planted=seen in calibration.planted),
                evidence=partial(_evidence, side, seen),
            )
            for side, seen in rows
        ),
        notes=(
            *(Note(mark=str(place), text=note) for place, note in enumerate(notes, 1)),
            *(Note(mark="", text=text) for text in _notes(calibration, recipe)),
        ),
        facts={
            "recipe": setting.name,
            "profile": setting.profile,
            "variant": setting.variant,
            "metric": metric.name,
            "method": recipe.analysis.method,
            **(calibration_facts(calibration) or {}),
        },
        setting=(setting.model, setting.data),
        files={side.name: side.files for side, _ in rows},
    )


def _caption(calibration: "Calibration", recipe: Recipe, metric: Metric) -> str:
    setting = setting_of(recipe)
    synthetic = "Synthetic data: shows the tool, not the activation. " if setting.synthetic else ""
    interim = "Interim: runs are missing. " if calibration.missing else ""
    return (
        f"{synthetic}{interim}What {setting.title or setting.name} can see: {metric.phrase} on {setting.data} with "
        f"{setting.model}; profile {setting.profile}, {setting.epochs} epoch{'s' if setting.epochs != 1 else ''}."
    )


def _mark(seen: "Seen | None", recipe: Recipe, notes: list[str]) -> str:
    note = arm_note(seen.arm, recipe) if seen else ""
    return str(notes.index(note) + 1) if note else ""


def _cells(side: Side, seen: "Seen | None", *, is_planted: bool) -> tuple[Cell, ...]:
    value = mean_estimate(list(side.values.values())) if side.values else None
    gap = seen.contrast.estimate if seen and seen.contrast else None
    p = seen.p_holm if seen else None
    seeds = seen.seeds if seen and is_planted else None
    found = NONE if seen is None or p is None else "yes" if _is_found(seen, is_planted=is_planted) else "no"
    return (
        Cell((_value(value),), _numbers("mean", value)),
        Cell(_gap_lines(gap), _numbers("difference", gap)),
        Cell((NONE if p is None else "<0.001" if p < 0.0005 else f"{p:.3f}",), {"holm": p}),
        Cell((found,), {"found": None if found == NONE else int(found == "yes")}),
        Cell((_seeds(seen) if seen and is_planted and p is not None else NONE,), {"seeds": seeds}),
    )


def _is_found(seen: "Seen", *, is_planted: bool) -> bool:
    return seen.is_found if is_planted else seen.is_significant


def _seeds(seen: "Seen") -> str:
    if seen.loss is None or seen.loss <= 0:
        return NONE
    return f">{MOST_SEEDS}" if seen.seeds is None else str(seen.seeds)


def _value(value: Estimate | None) -> str:
    if value is None:
        return NONE
    spread = f" ± {percent(value.interval.half_width)}" if value.interval and not value.is_level else ""
    return f"{percent(value.value)}{spread}"


def _gap_lines(gap: Estimate | None) -> tuple[str, ...]:
    if gap is None:
        return (NONE,)
    if gap.is_level:
        return (points(gap.value), *LEVEL)
    return (points(gap.value), *([bracketed(gap.interval, points)] if gap.interval else []))


def _gap(gap: Estimate) -> str:
    return " ".join(_gap_lines(gap))


def _notes(calibration: "Calibration", recipe: Recipe) -> Iterator[str]:
    from actbench.fair.calibration import FOUND

    yield calibration_note(calibration)
    yield (
        "± and [ ]: 95 % intervals over seeds, gaps in points; found: significant at 5 % after Holm over "
        f"{calibration.again.tests} test{'s' if calibration.again.tests != 1 else ''} "
        f"({METHOD_NAMES[recipe.analysis.method]}), and for a planted arm worse. seeds needed: so many find a loss of "
        f"this size in {100 * FOUND:.0f} % of cases, if the spread is as seen."
    )
    if all(seen.arm.model == calibration.baseline.model for seen in calibration.planted):
        yield f"No size control: the model {recipe.model.name} has no width that could be a tenth less."
    if calibration.missing:
        shown = "; ".join(calibration.missing[:6])
        more = f" and {len(calibration.missing) - 6} more" if len(calibration.missing) > 6 else ""
        yield f"Still missing: {shown}{more}."


def _evidence(side: Side, seen: "Seen | None", *, with_seeds: bool = True) -> dict[str, Any]:
    contrast = seen.contrast if seen else None
    return {
        "arm": side.name,
        "values": {str(seed): value for seed, value in side.values.items()},
        "diverged": list(side.diverged),
        **(_numbers("difference", contrast.estimate if contrast else None)),
        "p": contrast.p if contrast else None,
        "p_holm": seen.p_holm if seen else None,
        **({"seeds_needed": seen.seeds} if seen and with_seeds else {}),
        "files": [path.as_posix() for path in side.files],
    }


def _numbers(name: str, estimate: Estimate | None) -> dict[str, float | int | None]:
    interval = estimate.interval if estimate else None
    return {
        name: estimate.value if estimate else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
