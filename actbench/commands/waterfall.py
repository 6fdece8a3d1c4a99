"""`actbench waterfall`: the gaps of stored runs from the plain recipe to the fairest comparison. Imports no torch."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from actbench.analysis import require_arms
from actbench.commands.outcome import Outcome
from actbench.commands.request import TrainRequest
from actbench.commands.table_file import Rendered, table_file
from actbench.compare import Selection
from actbench.errors import ActbenchError, NotComparableError
from actbench.fair.calibration import stored_calibration
from actbench.fair.lock import lock_notes
from actbench.fair.naming import part_name
from actbench.fair.runs import arms_of, runs_of_part
from actbench.fair.tuning import choices
from actbench.fair.waterfall import Waterfall, waterfall
from actbench.footing import DEFAULT_RESULTS, check_footing
from actbench.metrics import metric_of
from actbench.recipe.schema import Profile
from actbench.selection import Sources, select
from actbench.sides import Reading, Side, side_of
from actbench.store import Store, StoredRun
from actbench.tables import json, markdown, terminal
from actbench.tables.calibration import calibration_note
from actbench.tables.formats import RENDERERS, Format
from actbench.tables.waterfall import tuning_notes, waterfall_table


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallRequest:
    reference: str
    overrides: Sequence[str] = ()
    profile: Profile | None = None
    arms: Sequence[str] = ()
    """The candidates; all arms that are no baselines if empty."""
    baselines: Sequence[str] = ()
    metric: str | None = None
    seeds: str | None = None
    """As on the command line; all that there are if None."""
    limit: int | None = None
    results_dir: Path = DEFAULT_RESULTS


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
    place = table_file(output, check, format)
    made = waterfalls(request)
    tables = [waterfall_table(fall) for fall in made.falls]
    if place.file is None and format is None:
        text: str | None = terminal.render(tables)
    else:
        blocks = markdown.blocks(tables) if place.format == "markdown" else {}
        text = place.take(Rendered(RENDERERS[place.format](tables), blocks, "waterfall"))
    if text is None:
        raise NotComparableError(
            "stale: the stored runs give another waterfall",
            where=str(place.file),
            hints=[_command(request, place.format, str(place.file))],
        )
    document = {**json.document(tables), "warnings": list(made.warnings)}
    return Outcome(text=text, document=document, warnings=made.warnings)


def _command(request: WaterfallRequest, format: Format, file: str) -> str:
    """The command that writes the file anew, every option as it was given."""
    options: dict[str, Sequence[str]] = {
        "--format": [format],
        "-o": [file],
        "--profile": [request.profile] if request.profile else [],
        "--arm": request.arms,
        "--baseline": request.baselines,
        "--metric": [request.metric] if request.metric else [],
        "--seeds": [request.seeds] if request.seeds else [],
        "--limit": [str(request.limit)] if request.limit else [],
        "--results-dir": [str(request.results_dir)] if request.results_dir != DEFAULT_RESULTS else [],
    }
    words = [word for option, values in options.items() for value in values for word in (option, value)]
    return shlex.join(["actbench", "waterfall", request.reference, *request.overrides, *words])


def trained_waterfalls(request: TrainRequest, reference: str) -> Waterfalls:
    """Of the runs that a request asks for of one recipe."""
    return waterfalls(
        WaterfallRequest(
            reference=reference,
            overrides=request.overrides,
            profile=request.profile,
            seeds=request.seeds,
            limit=request.limit,
            results_dir=request.results_dir,
        )
    )


def waterfalls(request: WaterfallRequest) -> Waterfalls:
    """Raises NotComparableError where there are no runs, and ActbenchError where no arm is a candidate."""
    selected = select(
        Sources(
            [request.reference],
            request.profile,
            request.overrides,
            request.results_dir,
            limit=request.limit,
            seeds=request.seeds,
        )
    )
    falls = [
        fall
        for selection in selected.selections
        for fall in waterfalls_of(
            selection,
            request.results_dir,
            arms=request.arms,
            baselines=request.baselines,
            metric=request.metric,
        )
    ]
    return Waterfalls(falls, tuple(selected.warnings))


def waterfalls_of(
    selection: Selection,
    results_dir: Path,
    *,
    arms: Sequence[str] = (),
    baselines: Sequence[str] = (),
    metric: str | None = None,
) -> list[Waterfall]:
    """One for each of the arms, or else for all that are no baselines."""
    plan, store = selection.plan, Store(results_dir)
    kept, _ = check_footing(selection.stored, selection.origin, plan)
    fair = runs_of_part(store, plan, "fair", footing=kept.footing)
    reading = Reading(metric_of(plan, metric), "last", "raw")
    made = [run for run in fair.stored if not selection.origin.seeds or run.record.seed in plan.seeds]
    sides = _sides([*selection.stored, *made], reading)
    names = [arm.name for arm in plan.arms]
    require_arms([*baselines, *arms], names, whose=f"recipe {plan.name!r}")
    against = [name for name in baselines or plan.baselines if name in names]
    candidates = [name for name in arms or names if name not in against]
    if not against or not candidates:
        lacks = "baseline" if not against else "arm beside its baselines"
        raise ActbenchError(
            f"{plan.name} has no {lacks}: there is no gap to show", hints=["name one: --baseline"]
        )
    lock = selection.lock
    notes = [*(lock_notes(lock, plan, reading.metric, selection.runs) if lock else ())]
    calibration = stored_calibration(plan, selection.calibration, reading=reading, footing=kept.footing)
    notes.append(calibration_note(calibration))
    trials, _ = store.scan(part_name(plan, "tune"), plan.profile) if plan.tune else ([], [])
    notes += tuning_notes(plan, choices(plan, trials, fingerprint=kept.data.fingerprint))
    return [
        waterfall(
            plan,
            candidate,
            against,
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
