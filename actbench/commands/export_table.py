"""`export-table`: the same tables as `compare`, in a format and a place of one's choice. Imports no torch."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from actbench.commands.compare import tables_of
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError, NotComparableError
from actbench.footing import DEFAULT_RESULTS
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Sources
from actbench.store import write_atomically
from actbench.tables import json, markdown
from actbench.tables.columns import DEFAULT, Columns
from actbench.tables.formats import RENDERERS, Format
from actbench.tables.table import Table

_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".json": "json",
    ".txt": "terminal",
}


def export_table(
    references: Sequence[str],
    *,
    format: Format | None = None,
    output: Path | None = None,
    check: Path | None = None,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    arms: Sequence[str] = (),
    baselines: Sequence[str] = (),
    metric: str | None = None,
    which: Which = "last",
    weights: Weights = "raw",
    results_dir: Path = Path("results"),
    limit: int | None = None,
    seeds: str | None = None,
    columns: Columns | None = None,
) -> Outcome:
    """Renders the tables as text, or writes them to `output`, or compares them with the file `check`.

    Without a format the file's suffix tells it; markdown where that tells nothing. A markdown file keeps
    everything outside the markers of these recipes, and the columns that a marker names unless others are asked
    for. Exit code 4: `check` is stale, or what `compare` gives it for.
    """
    if output is not None and check is not None:
        raise ActbenchError("-o writes a file and --check compares it: give one", where="command line")
    file = output or check
    format = format or _SUFFIXES.get(file.suffix if file else "", "markdown")
    page = _page(file) if file and format == "markdown" else None
    marked = markdown.marked_columns(page, where=str(file)) if page is not None else {}
    sources = Sources(references, profile, overrides, results_dir, arms, limit, seeds)
    made = tables_of(
        sources,
        baselines=baselines,
        metric=metric,
        which=which,
        weights=weights,
        check=check is not None,
        columns_of=lambda recipe: columns or marked.get(recipe, DEFAULT),
    )
    if check is not None:
        if _read(check) != _content(made.tables, format, page, check):
            shown = {
                "--baseline": baselines,
                "--metric": [metric] if metric else [],
                "--at": [] if which == "last" else [which.replace("_", "-")],
                "--weights": [] if weights == "raw" else [weights],
                "--columns": [",".join(columns)] if columns else [],
            }
            raise NotComparableError(
                "stale: the stored runs give another table",
                where=str(check),
                hints=[_command(sources, shown, format, check)],
            )
        text = f"{check} is up to date\n"
    elif output is not None:
        _write(output, _content(made.tables, format, page, output))
        text = f"wrote {output}\n"
    else:
        text = RENDERERS[format](made.tables)
    document = json.document(made.tables)
    return Outcome(text=text, document=document, warnings=made.warnings, exit_code=made.exit_code)


def _command(sources: Sources, shown: dict[str, Sequence[str]], format: Format, path: Path) -> str:
    """The command that writes the file anew, every option as it was given."""
    options: dict[str, Sequence[str]] = {
        "--format": [format],
        "-o": [str(path)],
        "--profile": [sources.profile] if sources.profile else [],
        "--arm": sources.arms,
        **shown,
        "--limit": [str(sources.limit)] if sources.limit else [],
        "--seeds": [sources.seeds] if sources.seeds else [],
        "--results-dir": [str(sources.results_dir)] if sources.results_dir != DEFAULT_RESULTS else [],
    }
    words = [word for option, values in options.items() for value in values for word in (option, value)]
    return shlex.join(["actbench", "export-table", *sources.references, *sources.overrides, *words])


def _page(path: Path) -> str | None:
    """The text in which tables have their marked places; None where there is no such file yet."""
    content = _read(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise ActbenchError("not UTF-8 text", where=str(path)) from error


def _content(tables: Sequence[Table], format: Format, page: str | None, path: Path) -> bytes:
    """What the file holds once the tables are in it."""
    if page is None:
        return RENDERERS[format](tables).encode()
    for name, block in markdown.blocks(tables).items():
        replaced = markdown.replace_block(page, name, block)
        if replaced is None:
            marks = [f"<!-- actbench: {name} -->", "<!-- /actbench -->"]
            raise ActbenchError(
                f"no place marked for the tables of {name}",
                where=str(path),
                hints=["put these two lines where they shall stand:", *marks],
            )
        page = replaced
    return page.encode()


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ActbenchError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ActbenchError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
