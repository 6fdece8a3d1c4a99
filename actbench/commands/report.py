"""`report`: one self-contained page about the selected runs. Imports no torch."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from actbench.claims import profiles_with_records
from actbench.commands.outcome import Outcome
from actbench.commands.waterfall import waterfalls_of
from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.errors import ActbenchError, NotComparableError
from actbench.fair.naming import part_name
from actbench.fair.waterfall import Waterfall
from actbench.footing import DEFAULT_RESULTS
from actbench.imported.group import ImportedSelection, imported_side
from actbench.imported.places import paths as set_paths
from actbench.papers.reported import load_paper
from actbench.recipe.find import is_recipe
from actbench.recipe.schema import Part, Profile
from actbench.record import Weights, Which
from actbench.report.chapter import Chapter, RecordFile, chapter_document
from actbench.report.drawings import draw
from actbench.report.figures import Drawing
from actbench.report.page import digest, page
from actbench.report.repeat import Shown, repeat_imported, repeat_runs
from actbench.selection import Selected, Sources, select
from actbench.store import Store, StoredRecord, write_atomically
from actbench.tables.appendix import items


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    references: tuple[str, ...] = ()
    """All recipes with records if none is named."""
    overrides: tuple[str, ...] = ()
    profile: Profile | None = None
    arms: tuple[str, ...] = ()
    seeds: str | None = None
    limit: int | None = None
    baselines: tuple[str, ...] = ()
    metric: str | None = None
    which: Which = "last"
    weights: Weights = "raw"
    output: Path = Path("report.html")
    with_figures: bool = True
    allow_mismatch: bool = False
    results_dir: Path = DEFAULT_RESULTS

    def sources(self) -> Sources:
        return Sources(
            self.references,
            self.profile,
            self.overrides,
            self.results_dir,
            self.arms,
            self.limit,
            self.seeds,
            takes_imported=True,
            allow_mismatch=self.allow_mismatch,
        )

    def shown(self) -> Shown:
        return Shown(
            overrides=self.overrides,
            arms=self.arms,
            seeds=self.seeds,
            limit=self.limit,
            baselines=self.baselines,
            metric=self.metric,
            which=self.which,
            weights=self.weights,
            allow_mismatch=self.allow_mismatch,
            results_dir=self.results_dir,
        )


def report(request: ReportRequest) -> Outcome:
    """Writes the page. Raises what `compare` raises for the selection, ActbenchError where it cannot be written."""
    _check_writable(request.output)
    warnings: list[str] = []
    compared: list[_Compared] = []
    incomplete = False
    for sources in _sources(request):
        try:
            selected = select(sources)
            compared += _compared(selected, sources, request)
        except ActbenchError as error:
            if request.references:
                raise
            warnings.append(f"{', '.join(sources.references)} left out: {error}")
            incomplete = True
            continue
        warnings += selected.warnings
        incomplete |= selected.damaged and selected.incomplete
    if not compared:
        raise NotComparableError(
            f"no records to report on in {request.results_dir}", hints=[*warnings, "actbench train RECIPE"]
        )
    chapters = [_chapter(one, request, f"c{number}") for number, one in enumerate(compared, 1)]
    content = page(chapters, warnings).encode()
    write_atomically(request.output, content)
    document = {
        "written": str(request.output),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "made_from": digest(chapters),
        "chapters": [chapter_document(chapter) for chapter in chapters],
        "warnings": warnings,
    }
    return Outcome(
        text=f"wrote {request.output}",
        document=document,
        warnings=tuple(warnings),
        exit_code=NotComparableError.exit_code if incomplete else 0,
    )


def _sources(request: ReportRequest) -> Iterator[Sources]:
    """What to select, in order: what was named, or every recipe with records under every profile that has some."""
    if request.references:
        yield request.sources()
        return
    if request.overrides:
        raise ActbenchError(
            "settings are given and no recipe is named", where="command line", hints=request.overrides
        )
    results = request.results_dir
    for name in _whole({path.parent.parent.name for path in Store(results).paths()}):
        for profile in profiles_with_records(name, results):
            if request.profile in (None, profile):
                reference = name if is_recipe(name) else str(results / name / profile)
                yield request.sources()._replace(references=(reference,), profile=profile)
    for file in set_paths(results) if request.profile is None else ():
        yield request.sources()._replace(references=(str(file),))


def _whole(names: set[str]) -> list[str]:
    """Without those that belong to another: what was trained to tune, control or calibrate it."""
    parts = {f"{name}.{part}" for name in names for part in get_args(Part)}
    return sorted(names - parts)


class _Compared(NamedTuple):
    selection: Selection | ImportedSelection
    group: Group
    references: tuple[str, ...]
    """By which it was selected."""


def _compared(selected: Selected, sources: Sources, request: ReportRequest) -> list[_Compared]:
    keys = {selection.plan.paper for selection in selected.selections if selection.plan.paper}
    comparison = compare(
        selected.selections,
        papers={key: load_paper(key) for key in sorted(keys)},
        baselines=request.baselines,
        metric=request.metric,
        which=request.which,
        weights=request.weights,
        imported=selected.imported,
        allow_mismatch=request.allow_mismatch,
    )
    chosen: list[Selection | ImportedSelection] = [*selected.selections, *selected.imported]
    return [
        _Compared(selection, group, tuple(sources.references))
        for selection, group in zip(chosen, comparison.groups, strict=True)
    ]


def _chapter(compared: _Compared, request: ReportRequest, key: str) -> Chapter:
    selection, group = compared.selection, compared.group
    shown = request.shown()
    if isinstance(selection, ImportedSelection):
        return Chapter(
            key=key,
            group=group,
            files=(_summed(selection.path),),
            imported=selection,
            drawings=_imported_drawings(group, selection) if request.with_figures else (),
            appendix=tuple(items(group)),
            commands=repeat_imported(selection, shown),
        )
    runs = _read(selection, Store(request.results_dir))
    falls = _falls(selection, request)
    return Chapter(
        key=key,
        group=group,
        files=tuple(_summed(run.path) for run in runs),
        records=tuple(run.record for run in runs),
        drawings=draw(group, [run.record for run in runs], falls=falls) if request.with_figures else (),
        falls=falls,
        appendix=tuple(items(group)),
        commands=repeat_runs(selection, compared.references, shown),
    )


def _falls(selection: Selection, request: ReportRequest) -> tuple[Waterfall, ...]:
    """Where tuned arms or controls were trained."""
    if not Store(request.results_dir).paths(part_name(selection.plan, "fair"), selection.plan.profile):
        return ()
    baselines = request.baselines or selection.plan.baselines
    arms = [arm.name for arm in selection.plan.arms if arm.name not in baselines]
    if not arms or len(arms) == len(selection.plan.arms):
        return ()
    return tuple(
        waterfalls_of(selection, request.results_dir, baselines=request.baselines, metric=request.metric)
    )


def _imported_drawings(group: Group, selection: ImportedSelection) -> tuple[Drawing, ...]:
    sides = {
        row.name: imported_side(
            row.name,
            [run for run in selection.runs if run.arm == row.name],
            group.metric.name,
            selection.path,
        )
        for row in group.rows
    }
    values = {name: side.values for name, side in sides.items()}
    return draw(group, (), values, shares_seeds=selection.imported.is_paired)


def _summed(path: Path) -> RecordFile:
    return RecordFile(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def _read(selection: Selection, store: Store) -> list[StoredRecord]:
    """The whole records, in the order of the plan's arms and of seeds."""
    order = {arm.name: place for place, arm in enumerate(selection.plan.arms)}
    runs = [StoredRecord(path, store.read(path)) for path in selection.paths]
    return sorted(
        runs, key=lambda run: (order.get(run.record.arm.name, len(order)), run.record.seed, run.path)
    )


def _check_writable(path: Path) -> None:
    """Before anything is read: a page takes seconds."""
    if path.is_dir() or not path.parent.is_dir():
        why = "is a folder" if path.is_dir() else "its folder does not exist"
        raise ActbenchError(
            f"cannot be written: {why}", where=str(path), hints=["name a file: -o report.html"]
        )
