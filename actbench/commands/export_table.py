"""`export-table`: the same tables as `compare`, in a format and a place of one's choice. Imports no torch."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actbench.commands.compare import Tables, tables_of
from actbench.commands.outcome import Outcome
from actbench.commands.table_file import Rendered, table_file
from actbench.errors import ActbenchError, NotComparableError
from actbench.footing import DEFAULT_RESULTS
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Sources
from actbench.tables import markdown
from actbench.tables.appendix import as_latex, as_markdown
from actbench.tables.columns import DEFAULTS, Columns, Layout, shown_columns
from actbench.tables.formats import RENDERERS, Format


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
    place = table_file(output, check, format)
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
    text = place.take(rendered)
    if text is None:
        assert place.file is not None
        view = _View(baselines, metric, which, weights, columns, layout, appendix)
        raise _stale(sources, view, place.format, place.file)
    return Outcome(text=text, warnings=made.warnings, exit_code=made.exit_code)


def _tables(made: Tables, format: Format) -> Rendered:
    blocks = markdown.blocks(made.tables) if format == "markdown" else {}
    return Rendered(RENDERERS[format](made.tables), blocks, "tables")


def _appendix(made: Tables, format: Format) -> Rendered:
    if format == "latex":
        return Rendered("\n".join(map(as_latex, made.groups)), {}, "appendix")
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
    return Rendered("\n".join(f"{block}\n" for block in blocks.values()), blocks, "appendix")


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
