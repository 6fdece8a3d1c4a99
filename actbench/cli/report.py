"""`actbench report`: its options."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    SELECTION,
    AllowMismatch,
    Arms,
    At,
    Baselines,
    Json,
    Limit,
    Metric,
    Profile,
    ResultsDir,
    Seeds,
    Weights,
    choice,
    known_profile,
    known_which,
)
from actbench.cli.output import run

app = typer.Typer()


@app.command()
def report(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="RECIPE|RUN", help=f"{SELECTION}  [default: all recipes with records]"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write")] = Path("report.html"),
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="draw the figures")] = True,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    allow_mismatch: AllowMismatch = False,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Write one HTML page: the answer, tables, figures, runs.

    A chapter per recipe. It needs no network, prints well, and the same records give the same bytes.
    """
    from actbench.commands.report import ReportRequest
    from actbench.commands.report import report as command
    from actbench.recipe.overrides import is_override

    words = tuple(arguments or ())
    request = ReportRequest(
        references=tuple(word for word in words if not is_override(word)),
        overrides=tuple(word for word in words if is_override(word)),
        profile=known_profile(profile),
        arms=tuple(arm or ()),
        seeds=seeds,
        limit=limit,
        baselines=tuple(baseline or ()),
        metric=metric,
        which=known_which(at),
        weights=choice("--weights", weights, ("raw", "ema")),
        output=output,
        with_figures=figures,
        allow_mismatch=allow_mismatch,
        results_dir=results_dir,
    )
    run(lambda: command(request), as_json)
