"""`actbench waterfall`: the gaps of stored runs from the plain recipe to the fairest comparison. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from actbench.analysis import require_arms
from actbench.commands.outcome import Outcome
from actbench.compare import Selection
from actbench.errors import ActbenchError, NotComparableError
from actbench.fair.calibration import stored_calibration
from actbench.fair.lock import lock_notes
from actbench.fair.runs import arms_of, runs_of_part
from actbench.fair.waterfall import Waterfall, waterfall
from actbench.footing import check_footing
from actbench.metrics import metric_of
from actbench.recipe.schema import Profile
from actbench.selection import Sources, select
from actbench.sides import Reading, Side, side_of
from actbench.store import Store, StoredRun, write_atomically
from actbench.tables import json, terminal
from actbench.tables.calibration import calibration_note
from actbench.tables.formats import RENDERERS, Format, format_of
from actbench.tables.waterfall import waterfall_table


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallRequest:
    reference: str
    overrides: Sequence[str] = ()
    profile: Profile | None = None
    arms: Sequence[str] = ()
    """The candidates; all arms that are no baselines if empty."""
    baselines: Sequence[str] = ()
    metric: str | None = None
    limit: int | None = None
    results_dir: Path = Path("results")


class Waterfalls(NamedTuple):
    falls: list[Waterfall]
    warnings: tuple[str, ...]


def show_waterfall(
    request: WaterfallRequest,
    *,
    format: Format | None = None,
    output: Path | None = None,
    check: Path | None = None,
) -> Outcome:
    """One table for each candidate, printed, written to `output` or compared with `check` (exit code 4: stale)."""
    if output is not None and check is not None:
        raise ActbenchError("-o writes a file and --check compares it: give one", where="command line")
    made = waterfalls(request)
    tables = [waterfall_table(fall) for fall in made.falls]
    document = {**json.document(tables), "warnings": list(made.warnings)}
    file = output or check
    if file is None:
        text = RENDERERS[format](tables) if format else terminal.render(tables)
        return Outcome(text=text, document=document, warnings=made.warnings)
    text = RENDERERS[format or format_of(file)](tables)
    if output is not None:
        write_atomically(output, text.encode())
        return Outcome(text=f"wrote {output}\n", document=document, warnings=made.warnings)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        raise NotComparableError(
            "stale: the stored runs give another waterfall",
            where=str(file),
            hints=[f"actbench waterfall {request.reference} -o {file}"],
        )
    return Outcome(text=f"{file} is up to date\n", document=document, warnings=made.warnings)


def waterfalls(request: WaterfallRequest) -> Waterfalls:
    """Raises NotComparableError where there are no runs, and ActbenchError where no arm is a candidate."""
    selected = select(
        Sources(
            [request.reference], request.profile, request.overrides, request.results_dir, limit=request.limit
        )
    )
    falls = [fall for selection in selected.selections for fall in _of_selection(selection, request)]
    return Waterfalls(falls, tuple(selected.warnings))


def _of_selection(selection: Selection, request: WaterfallRequest) -> list[Waterfall]:
    plan = selection.plan
    kept, _ = check_footing(selection.stored, selection.origin, plan)
    fair = runs_of_part(Store(request.results_dir), plan, "fair", footing=kept.footing)
    reading = Reading(metric_of(plan, request.metric), "last", "raw")
    sides = _sides([*selection.stored, *fair.stored], reading)
    names = [arm.name for arm in plan.arms]
    require_arms([*request.baselines, *request.arms], names, whose=f"recipe {plan.name!r}")
    baselines = [name for name in request.baselines or plan.baselines if name in names]
    candidates = [name for name in request.arms or names if name not in baselines]
    if not baselines or not candidates:
        lacks = "baseline" if not baselines else "arm beside its baselines"
        raise ActbenchError(
            f"{plan.name} has no {lacks}: there is no gap to show", hints=["name one: --baseline"]
        )
    lock = selection.lock
    notes = [*(lock_notes(lock, plan, reading.metric, selection.runs) if lock else ())]
    calibration = stored_calibration(plan, selection.calibration, reading=reading, footing=kept.footing)
    notes.append(calibration_note(calibration))
    return [
        waterfall(
            plan,
            candidate,
            baselines,
            sides,
            metric=reading.metric,
            data=kept.data,
            footing=kept.footing,
            fair=fair.plan,
            notes=notes,
        )
        for candidate in candidates
    ]


def _sides(stored: Sequence[StoredRun], reading: Reading) -> dict[str, Side]:
    return {name: side_of(runs[0].record.arm, runs, reading) for name, runs in arms_of(stored).items()}
