"""The runs behind a chapter, one by one, and the sums by which their files are known again."""

from collections.abc import Sequence

from actbench.comparison import Group
from actbench.imported.group import ImportedSelection
from actbench.record import RunRecord
from actbench.report.chapter import RecordFile
from actbench.report.grid import Field, grid
from actbench.report.markup import Html, element, join
from actbench.tables.words import listed

LONG = 24
"""From so many runs on the list begins folded."""
_HEADS = ("arm", "seed", "status", "epochs", "wall time", "commit", "run", "sha256", "file")


def runs_section(group: Group, files: Sequence[RecordFile], records: Sequence[RunRecord]) -> Html:
    """Each run with its value, and the files' sums in the form that sha256sum checks."""
    heads = (*_HEADS[:3], f"{group.metric.noun} %", *_HEADS[3:])
    folders = sorted({file.path.parent.as_posix() for file in files})
    rows = [_row(group, file, record) for file, record in zip(files, records, strict=True)]
    table = grid(f"Each run; files in {listed(folders)}", heads, rows, class_="small")
    return join(
        [
            element("details", element("summary", f"All {len(rows)} runs"), table, open=len(rows) < LONG),
            sums(files),
        ]
    )


def sums(files: Sequence[RecordFile]) -> Html:
    text = "\n".join(f"{file.sha256}  {file.path.as_posix()}" for file in files)
    return element(
        "details",
        element("summary", "Sums of the record files, as sha256sum -c reads them"),
        element("pre", text),
    )


def imported_runs(group: Group, selection: ImportedSelection) -> Html:
    """Each line of an imported file that is a run here."""
    source = selection.imported.source
    return grid(
        f"Each run as {source.name} has it, sha256 {source.sha256}",
        ("arm", "seed", "status", f"{group.metric.noun} %", "lines"),
        [
            [
                run.arm,
                Field(text=str(run.seed), number=True),
                run.status,
                _number(run.values.get(group.metric.name)),
                ", ".join(map(str, run.lines)),
            ]
            for run in selection.runs
        ],
    )


def _row(group: Group, file: RecordFile, record: RunRecord) -> list[str | Html | Field]:
    provenance = record.provenance
    done = len(record.history)
    wall_time_s = provenance.wall_time_s
    return [
        record.arm.name,
        Field(text=str(record.seed), number=True),
        join([record.status, element("span", record.reason, class_="reason") if record.reason else None]),
        _number(_value(group, record)),
        Field(
            text=f"{done}/{record.recipe.trained_as(record.arm).train.epochs}", sort=str(done), number=True
        ),
        Field(text=duration(wall_time_s), sort=f"{wall_time_s:.3f}", number=True),
        commit(record),
        Field(text=element("code", record.run[:8]), title=record.run),
        Field(text=element("code", file.sha256[:8]), title=file.sha256),
        element("code", file.path.name),
    ]


def _value(group: Group, record: RunRecord) -> float | None:
    result = record.result(group.which, group.weights)
    return group.metric.of(result) if result and record.status == "completed" else None


def _number(value: float | None) -> Field:
    return Field(
        text="-" if value is None else f"{100 * value:.2f}",
        sort="" if value is None else repr(value),
        number=True,
    )


def commit(record: RunRecord) -> str:
    """The source that made the run, in short."""
    provenance = record.provenance
    if provenance.commit is None:
        return f"version {provenance.actbench}"
    return provenance.commit[:8] + (" + changes" if provenance.dirty else "")


def duration(seconds: float) -> str:
    """`52 s`, `14 min`, `3.2 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
