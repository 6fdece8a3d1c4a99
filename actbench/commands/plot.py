"""`actbench plot shapes`: the learnt curves of stored runs as figures. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.papers.matching import resolved_activation
from actbench.plots.figure import SUFFIXES, Suffix, render, style
from actbench.plots.shapes import draw_shapes, drawn_epochs
from actbench.recipe.schema import Profile
from actbench.record import RunRecord
from actbench.selection import Sources, select
from actbench.store import Store, StoredRecord, write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRequest:
    references: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    profile: Profile | None = None
    arms: tuple[str, ...] = ()
    seeds: str | None = None
    limit: int | None = None
    epochs: tuple[int, ...] = ()
    """Counted from 1, as progress is told; all that were measured if empty."""
    minus_relu: bool = False
    output: Path = Path("plots")
    """A .png or .svg file, or the folder for one of each per run."""
    results_dir: Path = Path("results")


def plot_shapes(request: PlotRequest) -> Outcome:
    """Draws every selected run that has curves. Raises ActbenchError where none has any, saying why."""
    runs, warnings = _selected(request)
    with_curves = [run for run in runs if any(epoch.shapes for epoch in run.record.history)]
    if not with_curves:
        raise _no_curves(runs[0])
    old = [run for run in runs if run not in with_curves and _learns_curve(run.record, run.record.arm.name)]
    warnings += [f"left out: {_no_curves(run)}" for run in old]
    files = _targets(request.output, with_curves)
    drawn = [
        drawn_epochs(run.record, request.epochs) for run in with_curves
    ]  # all checked before the first is written
    written: list[str] = []
    for run, epochs, targets in zip(with_curves, drawn, files, strict=True):
        with style():
            figure = draw_shapes(run.record, epochs, minus_relu=request.minus_relu)
            for path, suffix in targets:
                write_atomically(path, render(figure, suffix))
                written.append(str(path))
    return Outcome(
        text="\n".join(f"wrote {path}" for path in written),
        document={"written": written},
        warnings=tuple(warnings),
    )


def _selected(request: PlotRequest) -> tuple[list[StoredRecord], list[str]]:
    store = Store(request.results_dir)
    files = [Path(reference) for reference in request.references if reference.endswith(".json")]
    runs = [StoredRecord(path, store.read(path)) for path in files]
    others = [reference for reference in request.references if not reference.endswith(".json")]
    warnings: list[str] = []
    if others:
        selected = select(
            Sources(
                references=others,
                profile=request.profile,
                overrides=request.overrides,
                results_dir=request.results_dir,
                arms=request.arms,
                limit=request.limit,
                seeds=request.seeds,
            )
        )
        paths = [path for selection in selected.selections for path in selection.paths]
        runs += [StoredRecord(path, store.read(path)) for path in paths]
        # A figure shows one run: that others are missing concerns tables alone.
        warnings += [warning for warning in selected.warnings if not warning.startswith("incomplete: ")]
    return runs, warnings


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


def _targets(output: Path, runs: Sequence[StoredRecord]) -> list[list[tuple[Path, Suffix]]]:
    """The files of each run, with their formats."""
    if output.suffix in SUFFIXES and not output.is_dir():
        if len(runs) > 1:
            raise ActbenchError(
                f"{len(runs)} runs do not go into one file",
                where="command line",
                key="-o",
                hints=["name a folder, or one run by --arm and --seeds, or by its record's file"],
            )
        return [[(output, suffix) for suffix in SUFFIXES if suffix == output.suffix]]
    if output.suffix and not output.is_dir():
        raise ActbenchError(
            f"figures are written as .png and .svg, not {output.suffix}",
            where="command line",
            key="-o",
            hints=["name a .png or .svg file, or a folder for both"],
        )
    folders = [output / f"{run.record.recipe.name}-{run.record.recipe.profile}" for run in runs]
    return [
        [(folder.with_name(f"{folder.name}-{run.path.stem}-shapes{suffix}"), suffix) for suffix in SUFFIXES]
        for folder, run in zip(folders, runs, strict=True)
    ]
