"""`export-table`: the same tables as `compare`, in a format and a place of one's choice. Imports no torch."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actbench.commands.compare import Tables, tables_of
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError, NotComparableError
from actbench.footing import DEFAULT_RESULTS
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Sources
from actbench.store import write_atomically
from actbench.tables import markdown
from actbench.tables.appendix import as_latex, as_markdown
from actbench.tables.columns import DEFAULTS, Columns, Layout, shown_columns
from actbench.tables.formats import RENDERERS, Format

_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".html": "html",
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
    layout: Layout = "recipe",
    appendix: bool = False,
    allow_mismatch: bool = False,
) -> Outcome:
    """Renders the tables, or the paragraphs for the appendix, as text, or writes them to `output`, or compares them
    with the file `check`.

    Without a format the file's suffix tells it; markdown where that tells nothing. A markdown file keeps
    everything outside the markers of these recipes, and the columns that a marker names unless others are asked
    for. Exit code 4: `check` is stale, or what `compare` gives it for.
    """
    place = _place(output, check, format)
    sources = Sources(
        references, profile, overrides, results_dir, arms, limit, seeds, allow_mismatch=allow_mismatch
    )
    made = tables_of(
        sources,
        baselines=baselines,
        metric=metric,
        which=which,
        weights=weights,
        check=False,  # a table of what there is can be up to date
        layout=layout,
        columns_of=lambda name: columns or place.marked.get(name, DEFAULTS[layout]),
    )
    rendered = _appendix(made, place.format) if appendix else _tables(made, place.format)
    text = rendered.text
    if place.file is not None:
        content = _content(rendered, place.page, place.file)
        if check is None:
            _write(place.file, content)
            text = f"wrote {place.file}\n"
        elif _read(place.file) == content:
            text = f"{place.file} is up to date\n"
        else:
            view = _View(baselines, metric, which, weights, columns, layout, appendix)
            raise _stale(sources, view, place.format, place.file)
    return Outcome(text=text, warnings=made.warnings, exit_code=made.exit_code)


class _Place(NamedTuple):
    file: Path | None
    """To be written or compared; None for standard output."""
    format: Format
    page: str | None
    """The markdown file that takes tables in at its markers; None where there is none yet."""
    marked: dict[str, Columns]
    """Name of a table in the page -> the columns that its marker asks for."""


def _place(output: Path | None, check: Path | None, format: Format | None) -> _Place:
    if output is not None and check is not None:
        raise ActbenchError("-o writes a file and --check compares it: give one", where="command line")
    file = output or check
    format = format or _SUFFIXES.get(file.suffix if file else "", "markdown")
    page = _page(file) if file and format == "markdown" else None
    marked = markdown.marked_columns(page, where=str(file)) if page is not None else {}
    return _Place(file, format, page, marked)


class _Rendered(NamedTuple):
    text: str
    blocks: dict[str, str]
    """What a markdown page takes in, by the key of its markers."""
    what: str


def _tables(made: Tables, format: Format) -> _Rendered:
    blocks = markdown.blocks(made.tables) if format == "markdown" else {}
    return _Rendered(RENDERERS[format](made.tables), blocks, "tables")


def _appendix(made: Tables, format: Format) -> _Rendered:
    if format == "latex":
        return _Rendered("\n".join(map(as_latex, made.groups)), {}, "appendix")
    if format != "markdown":
        raise ActbenchError(
            "the appendix is text, which can be had as markdown or latex",
            where="command line",
            key="--format",
        )
    by_name: dict[str, list[str]] = {}
    for group in made.groups:
        by_name.setdefault(group.setting.name, []).append(as_markdown(group))
    blocks = {
        f"{name} appendix": markdown.enclosed(f"{name} appendix", "\n" + "\n".join(texts))
        for name, texts in by_name.items()
    }
    return _Rendered("\n".join(f"{block}\n" for block in blocks.values()), blocks, "appendix")


class _View(NamedTuple):
    """How the chosen runs are told."""

    baselines: Sequence[str]
    metric: str | None
    which: Which
    weights: Weights
    columns: Columns | None
    layout: Layout
    appendix: bool

    def typed(self) -> dict[str, Sequence[str]]:
        """The options that ask for it, what is usual left out."""
        return {
            "--baseline": self.baselines,
            "--metric": [self.metric] if self.metric else [],
            "--at": [] if self.which == "last" else [self.which.replace("_", "-")],
            "--weights": [] if self.weights == "raw" else [self.weights],
            "--columns": [shown_columns(self.columns)] if self.columns else [],
            "--layout": [] if self.layout == "recipe" else [self.layout],
        }


def _stale(sources: Sources, view: _View, format: Format, path: Path) -> NotComparableError:
    what = "text" if view.appendix else "table"
    return NotComparableError(
        f"stale: the stored runs give another {what}",
        where=str(path),
        hints=[_command(sources, view, format, path)],
    )


def _command(sources: Sources, view: _View, format: Format, path: Path) -> str:
    """The command that writes the file anew, every option as it was given."""
    options: dict[str, Sequence[str]] = {
        "--format": [format],
        "-o": [str(path)],
        "--profile": [sources.profile] if sources.profile else [],
        "--arm": sources.arms,
        **view.typed(),
        "--limit": [str(sources.limit)] if sources.limit else [],
        "--seeds": [sources.seeds] if sources.seeds else [],
        "--results-dir": [str(sources.results_dir)] if sources.results_dir != DEFAULT_RESULTS else [],
    }
    words = [word for option, values in options.items() for value in values for word in (option, value)]
    words += ["--allow-mismatch"] * sources.allow_mismatch + ["--appendix"] * view.appendix
    return shlex.join(["actbench", "export-table", *sources.references, *sources.overrides, *words])


def _page(path: Path) -> str | None:
    """The text in which tables have their marked places; None where there is no such file yet."""
    content = _read(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise ActbenchError("not UTF-8 text", where=str(path)) from error


def _content(rendered: _Rendered, page: str | None, path: Path) -> bytes:
    """What the file holds once the tables are in it."""
    if page is None:
        return rendered.text.encode()
    for key, block in rendered.blocks.items():
        replaced = markdown.replace_block(page, key, block)
        if replaced is None:
            marks = [f"<!-- actbench: {key} -->", "<!-- /actbench -->"]
            raise ActbenchError(
                f"no place marked for the {rendered.what} of {key.removesuffix(' appendix')}",
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
