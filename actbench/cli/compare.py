"""`actbench compare` and `actbench export-table`: stored runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    FORMATS,
    SELECTION,
    AddedArms,
    AllowMismatch,
    Arms,
    At,
    Baselines,
    ColumnList,
    Json,
    Layout,
    Limit,
    Metric,
    Profile,
    ResultsDir,
    Seeds,
    Weights,
    Wide,
    choice,
    known_columns,
    known_layout,
    known_profile,
    known_which,
    split_arguments,
    with_added_arms,
)
from actbench.cli.output import read
from actbench.errors import ActbenchError

app = typer.Typer()


@app.command()
def compare(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="RECIPE|RUN", help=SELECTION, show_default=False)
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option("--paper", metavar="KEY", help="the claims of this paper, in place of recipes"),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="ID", help="with --paper: this one of its tables too")
    ] = None,
    profile: Profile = None,
    arm: Arms = None,
    add_arm: AddedArms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    columns: ColumnList = None,
    wide: Wide = False,
    layout: Layout = "recipe",
    results_dir: ResultsDir = Path("results"),
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="exit 4 if a planned run is missing; of a paper, if a verdict is unexpected"
        ),
    ] = False,
    as_json: Json = False,
    allow_mismatch: AllowMismatch = False,
) -> None:
    """Compare stored runs: the gain, how sure, at what cost.

    Accuracy (or average precision) with its interval, gaps to the baselines, cost, and the paper's own values.
    """
    if paper or table or not arguments:
        chosen = (profile, arm, add_arm, seeds, limit, baseline, metric, columns)
        if paper and (arguments or any(chosen) or (at, weights) != ("last", "raw")):
            raise ActbenchError(
                "--paper goes with --table, --check, --results-dir and --json alone",
                where="command line",
                hints=["all recipes and profiles are told that have something to say about its claims"],
            )
        _compare_paper(paper, table, check=check, results_dir=results_dir, as_json=as_json)
        return
    from actbench.commands.compare import compare as command

    references, overrides = split_arguments(arguments)
    read(
        lambda: command(
            references,
            profile=known_profile(profile),
            overrides=with_added_arms(overrides, add_arm),
            arms=arm or (),
            seeds=seeds,
            limit=limit,
            baselines=baseline or (),
            metric=metric,
            which=known_which(at),
            weights=choice("--weights", weights, ("raw", "ema")),
            columns=known_columns(columns, wide),
            layout=known_layout(layout),
            results_dir=results_dir,
            check=check,
            allow_mismatch=allow_mismatch,
            with_document=as_json,
        ),
        as_json,
    )


def _compare_paper(
    key: str | None,
    table: str | None,
    *,
    check: bool,
    results_dir: Path,
    as_json: bool,
) -> None:
    from actbench.commands.paper_check import paper_check

    if key is None:
        what = "--table needs --paper" if table else "nothing to compare"
        raise ActbenchError(
            what, where="command line", hints=["name recipes or record files, or a paper by --paper"]
        )
    read(lambda: paper_check(key, table_id=table, check=check, results_dir=results_dir), as_json)


@app.command("export-table")
def export_table(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=SELECTION)],
    table_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="markdown, latex, csv, html, json or terminal  [default: by the file's suffix, else markdown]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="file to write; in a markdown file, between its markers"),
    ] = None,
    check: Annotated[Path | None, typer.Option("--check", help="exit 4 if this file is stale")] = None,
    profile: Profile = None,
    arm: Arms = None,
    add_arm: AddedArms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    columns: ColumnList = None,
    wide: Wide = False,
    layout: Layout = "recipe",
    appendix: Annotated[
        bool,
        typer.Option(
            "--appendix", help="instead of tables the paragraph that tells how their numbers were made"
        ),
    ] = False,
    results_dir: ResultsDir = Path("results"),
    allow_mismatch: AllowMismatch = False,
) -> None:
    """Write compare's table as markdown, LaTeX, CSV, HTML or JSON."""
    from actbench.commands.export_table import export_table as command

    references, overrides = split_arguments(arguments)
    read(
        lambda: command(
            references,
            format=None if table_format is None else choice("--format", table_format, FORMATS),
            output=output,
            check=check,
            profile=known_profile(profile),
            overrides=with_added_arms(overrides, add_arm),
            arms=arm or (),
            seeds=seeds,
            limit=limit,
            baselines=baseline or (),
            metric=metric,
            which=known_which(at),
            weights=choice("--weights", weights, ("raw", "ema")),
            columns=known_columns(columns, wide),
            layout=known_layout(layout),
            appendix=appendix,
            allow_mismatch=allow_mismatch,
            results_dir=results_dir,
        ),
        as_json=False,
    )
