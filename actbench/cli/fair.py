"""The commands of the fair comparison."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    FORMATS,
    RECIPES,
    Baselines,
    Json,
    Limit,
    Metric,
    Profile,
    ResultsDir,
    Seeds,
    choice,
    known_profile,
    split_arguments,
)
from actbench.cli.output import run
from actbench.errors import ActbenchError

app = typer.Typer()


@app.command("lock")
def lock(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    profile: Profile = None,
    seeds: Seeds = None,
    limit: Limit = None,
    metric: Metric = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Fix arms, seeds, metric, margin and analysis before runs are looked at.

    Tables of the recipe then say when that was, and what has been otherwise since, such as seeds that came later.
    """
    from actbench.commands.lock import lock as command

    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError("lock takes one recipe", where="command line", hints=[" ".join(references)])
    run(
        lambda: command(
            references[0],
            profile=known_profile(profile),
            overrides=overrides,
            seeds=seeds,
            limit=limit,
            metric=metric,
            results_dir=results_dir,
        ),
        as_json,
    )


@app.command("waterfall")
def waterfall(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help=f"{', '.join(FORMATS)}  [default: by the file's suffix]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="write the table to this file")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="exit with 4 unless this file holds the same table")
    ] = None,
    profile: Profile = None,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", help="the candidate; may be repeated  [default: all but the baselines]"),
    ] = None,
    baseline: Baselines = None,
    metric: Metric = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Show how a gain shrinks, or survives, as the comparison gets fairer.

    A row for each comparison: same recipe, both tuned, and then the baseline made equal in parameters, time or slot.
    """
    from actbench.commands.waterfall import WaterfallRequest, show_waterfall

    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError("waterfall takes one recipe", where="command line", hints=[" ".join(references)])
    request = WaterfallRequest(
        reference=references[0],
        overrides=overrides,
        profile=known_profile(profile),
        arms=tuple(arm or ()),
        baselines=tuple(baseline or ()),
        metric=metric,
        limit=limit,
        results_dir=results_dir,
    )
    known = None if format is None else choice("--format", format, FORMATS)
    run(lambda: show_waterfall(request, format=known, output=output, check=check), as_json)
