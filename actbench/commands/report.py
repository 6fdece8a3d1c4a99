"""`report`: one self-contained page about the selected runs. Imports no torch."""

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from actbench.claims import profiles_with_records
from actbench.commands.outcome import Outcome
from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.errors import ActbenchError, NotComparableError
from actbench.footing import DEFAULT_RESULTS
from actbench.papers.reported import load_paper
from actbench.recipe.find import find_recipe
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.report.answer import answer
from actbench.report.chapter import Chapter, ReadRun
from actbench.report.drawings import draw
from actbench.report.limits import limits
from actbench.report.page import digest, page
from actbench.report.results import claims_section, result_tables
from actbench.selection import Sources, select
from actbench.store import Store, write_atomically
from actbench.tables.appendix import items
from actbench.verdict import claim_lines


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
    results_dir: Path = DEFAULT_RESULTS

    def sources(self) -> Sources:
        return Sources(
            self.references, self.profile, self.overrides, self.results_dir, self.arms, self.limit, self.seeds
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
            compared += _compared(selected.selections, sources, request)
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
    _write(request.output, content)
    document = {
        "written": str(request.output),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "made_from": digest(chapters),
        "chapters": [_told(chapter) for chapter in chapters],
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
            "settings are given and no recipe is named", where="command line", hints=list(request.overrides)
        )
    for name in sorted({path.parent.parent.name for path in Store(request.results_dir).paths()}):
        for profile in profiles_with_records(name, request.results_dir):
            if request.profile in (None, profile):
                reference = name if _is_recipe(name) else str(request.results_dir / name / profile)
                yield request.sources()._replace(references=(reference,), profile=profile)


def _is_recipe(name: str) -> bool:
    """Records may outlive their recipe, and are then read as files."""
    try:
        find_recipe(name)
    except ActbenchError:
        return False
    return True


class _Compared(NamedTuple):
    selection: Selection
    group: Group
    references: tuple[str, ...]
    """By which it was selected."""


def _compared(selections: Sequence[Selection], sources: Sources, request: ReportRequest) -> list[_Compared]:
    keys = {selection.plan.paper for selection in selections if selection.plan.paper}
    comparison = compare(
        selections,
        papers={key: load_paper(key) for key in sorted(keys)},
        baselines=request.baselines,
        metric=request.metric,
        which=request.which,
        weights=request.weights,
    )
    return [
        _Compared(selection, group, tuple(sources.references))
        for selection, group in zip(selections, comparison.groups, strict=True)
    ]


def _chapter(compared: _Compared, request: ReportRequest, key: str) -> Chapter:
    group, runs = compared.group, _read(compared.selection, Store(request.results_dir))
    return Chapter(
        key=key,
        group=group,
        tables=result_tables(group, key),
        claims=claims_section(group),
        runs=runs,
        drawings=draw(group, [run.record for run in runs]) if request.with_figures else (),
        appendix=tuple(items(group)),
        commands=_commands(compared, request),
    )


def _read(selection: Selection, store: Store) -> tuple[ReadRun, ...]:
    """The whole records, in the order of the plan's arms and of seeds."""
    order = {arm.name: place for place, arm in enumerate(selection.plan.arms)}
    runs = [
        ReadRun(
            path=stored.path,
            sha256=hashlib.sha256(stored.path.read_bytes()).hexdigest(),
            record=store.read(stored.path),
        )
        for stored in selection.stored
    ]
    return tuple(
        sorted(runs, key=lambda run: (order.get(run.record.arm.name, len(order)), run.record.seed, run.path))
    )


def _commands(compared: _Compared, request: ReportRequest) -> tuple[tuple[str, str], ...]:
    """Training, table and page once more, every option as it was given."""
    selection, origin = compared.selection, compared.selection.origin
    files = [name for name in compared.references if name.endswith(".json") or Path(name).is_dir()]
    named = files or [origin.reference]
    options: dict[str, Sequence[str]] = {
        "--profile": [] if files else [origin.profile],
        "--arm": request.arms,
        "--seeds": [request.seeds] if request.seeds else [],
        "--limit": [str(request.limit)] if request.limit else [],
        "--baseline": request.baselines,
        "--metric": [request.metric] if request.metric else [],
        "--at": [] if request.which == "last" else [request.which.replace("_", "-")],
        "--weights": [] if request.weights == "raw" else [request.weights],
        "--results-dir": [str(request.results_dir)] if request.results_dir != DEFAULT_RESULTS else [],
    }
    words = [word for option, values in options.items() for value in values for word in (option, value)]
    shown = [*named, *request.overrides, *words]
    sources = {(run.provenance.commit, run.provenance.dirty) for run in selection.runs}
    source = [
        ("The source that made all runs", f"git checkout {commit}")
        for commit, dirty in sources
        if commit and not dirty and len(sources) == 1
    ]
    return (
        *source,
        ("Training; what is stored is not trained again", origin.command()),
        ("The table", shlex.join(["actbench", "compare", *shown])),
        ("The table for a paper", shlex.join(["actbench", "export-table", *shown, "--format", "latex"])),
        ("This chapter", shlex.join(["actbench", "report", *shown, "-o", "report.html"])),
    )


def _told(chapter: Chapter) -> dict[str, object]:
    group, told = chapter.group, answer(chapter.group)
    return {
        "recipe": group.setting.name,
        "profile": group.setting.profile,
        "variant": group.setting.variant,
        "question": told.question,
        "answer": list(told.sentences),
        "limits": limits(group),
        "claims": list(claim_lines(group)),
        "figures": [drawing.title for drawing in chapter.drawings],
        "records": [
            {
                "arm": run.record.arm.name,
                "seed": run.record.seed,
                "status": run.record.status,
                "run": run.record.run,
                "file": str(run.path),
                "sha256": run.sha256,
            }
            for run in chapter.runs
        ],
        "commands": [command for _, command in chapter.commands],
    }


def _check_writable(path: Path) -> None:
    """Before anything is read: a page takes seconds."""
    if path.is_dir() or not path.parent.is_dir():
        why = "is a folder" if path.is_dir() else "its folder does not exist"
        raise ActbenchError(
            f"cannot be written: {why}", where=str(path), hints=["name a file: -o report.html"]
        )


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ActbenchError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
