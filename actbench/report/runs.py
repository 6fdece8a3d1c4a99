"""The runs behind a chapter, one by one, and the sums by which their files are known again."""

from collections.abc import Sequence

from actbench.comparison import Group
from actbench.record import RunRecord
from actbench.report.chapter import ReadRun
from actbench.report.grid import Field, grid
from actbench.report.markup import Html, element, join
from actbench.report.words import listed

LONG = 24
"""From so many runs on the list begins folded."""
_HEADS = ("arm", "seed", "status", "epochs", "wall time", "commit", "run", "sha256", "file")


def runs_section(group: Group, runs: Sequence[ReadRun]) -> Html:
    """Each run with its value, and their sums in the form that sha256sum checks."""
    heads = (*_HEADS[:3], f"{group.metric.noun} %", *_HEADS[3:])
    folders = sorted({run.path.parent.as_posix() for run in runs})
    table = grid(
        f"Each run; files in {listed(folders)}", heads, [_row(group, run) for run in runs], class_="small"
    )
    sums = "\n".join(f"{run.sha256}  {run.path.as_posix()}" for run in runs)
    return join(
        [
            element("details", element("summary", f"All {len(runs)} runs"), table, open=len(runs) < LONG),
            element(
                "details",
                element("summary", "Sums of the record files, as sha256sum -c reads them"),
                element("pre", sums),
            ),
        ]
    )


def _row(group: Group, run: ReadRun) -> list[str | Html | Field]:
    record, provenance = run.record, run.record.provenance
    value = _value(group, record)
    status = f"{record.status}: {record.reason}" if record.reason else record.status
    return [
        record.arm.name,
        Field(text=str(record.seed), number=True),
        status,
        Field(text="-" if value is None else f"{100 * value:.2f}", sort=_sortable(value), number=True),
        Field(
            text=f"{len(record.history)}/{record.recipe.train.epochs}",
            sort=str(len(record.history)),
            number=True,
        ),
        Field(text=duration(provenance.wall_time_s), sort=f"{provenance.wall_time_s:.3f}", number=True),
        commit(record),
        Field(text=element("code", record.run[:8]), title=record.run),
        Field(text=element("code", run.sha256[:8]), title=run.sha256),
        element("code", run.path.name),
    ]


def _value(group: Group, record: RunRecord) -> float | None:
    result = record.result(group.which, group.weights)
    return group.metric.of(result) if result and record.status == "completed" else None


def _sortable(value: float | None) -> str:
    return "" if value is None else repr(value)


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
