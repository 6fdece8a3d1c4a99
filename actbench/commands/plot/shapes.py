"""`actbench plot shapes`: the learnt curves of stored runs as figures. Imports no torch."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.commands.outcome import Outcome
from actbench.commands.plot.request import Drawing, PlotRequest, check_width, write_figures
from actbench.errors import ActbenchError
from actbench.papers.matching import resolved_activation
from actbench.plots.shapes import WIDTH, draw_shapes, drawn_epochs
from actbench.record import RunRecord
from actbench.selection import select
from actbench.store import Store, StoredRecord


def plot_shapes(request: PlotRequest, *, epochs: Sequence[int] = (), minus_relu: bool = False) -> Outcome:
    """Draws every selected run that has curves, after those epochs, counted from 1, or after all that were measured.

    Raises ActbenchError where no run has any, saying why.
    """
    check_width(request.width)
    runs, warnings = _selected(request)
    with_curves = [run for run in runs if any(epoch.shapes for epoch in run.record.history)]
    if not with_curves:
        raise _no_curves(runs[0])
    old = [run for run in runs if run not in with_curves and _learns_curve(run.record, run.record.arm.name)]
    warnings += [f"left out: {_no_curves(run)}" for run in old]
    drawings = [
        Drawing(
            f"{run.record.recipe.name}-{run.record.recipe.profile}-{run.path.stem}-shapes",
            partial(
                draw_shapes,
                run.record,
                drawn_epochs(run.record, epochs),
                minus_relu=minus_relu,
                width=request.width or WIDTH,
            ),
        )
        for run in with_curves
    ]
    return write_figures(drawings, request.output, warnings)


def _selected(request: PlotRequest) -> tuple[list[StoredRecord], list[str]]:
    store = Store(request.results_dir)
    files = [Path(reference) for reference in request.references if reference.endswith(".json")]
    others = [reference for reference in request.references if not reference.endswith(".json")]
    warnings: list[str] = []
    if others:
        selected = select(request.sources(others))
        files += [path for selection in selected.selections for path in selection.paths]
        # A figure shows one run: that others are missing concerns tables alone.
        warnings += [warning for warning in selected.warnings if not warning.startswith("incomplete: ")]
    return [StoredRecord(path, store.read(path)) for path in files], warnings


def _no_curves(run: StoredRecord) -> ActbenchError:
    record, name = run.record, resolved_activation(run.record.arm, run.record.recipe)
    entry = ACTIVATIONS.get(name)
    if not entry.learns_curve if entry else name in record.arm.plugins:
        others = [arm.name for arm in record.recipe.arms if _learns_curve(record, arm.name)]
        return ActbenchError(
            f"arm {record.arm.name!r} has no learnt curves: {name} has no parameters, its output depends on "
            "neighbouring places too, or it does not declare is_pointwise",
            where=str(run.path),
            hints=[f"arms of this recipe with curves: {', '.join(others) or 'none'}"],
        )
    return ActbenchError(
        f"this record of arm {record.arm.name!r} holds no curves: it ended before its first epoch did, or an older "
        "version made it",
        where=str(run.path),
        hints=["`actbench train` with --force makes the run again"],
    )


def _learns_curve(record: RunRecord, arm: str) -> bool:
    entry = ACTIVATIONS.get(resolved_activation(record.recipe.arm(arm), record.recipe))
    return entry is not None and entry.learns_curve
