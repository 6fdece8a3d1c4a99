"""`actbench power`."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    RECIPES,
    Arms,
    Baselines,
    Json,
    Limit,
    Metric,
    Profile,
    ResultsDir,
    known_profile,
    split_arguments,
)
from actbench.cli.output import read
from actbench.errors import ActbenchError

app = typer.Typer()


@app.command("power")
def power(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    detect: Annotated[float, typer.Option("--detect", help="the true difference to find, in points")],
    wanted: Annotated[float, typer.Option("--power", help="the chance to find it")] = 0.8,
    profile: Profile = None,
    arm: Arms = None,
    baseline: Baselines = None,
    metric: Metric = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Tell how many seeds a difference needs, and their cost.

    From the spread that the stored runs show so far, for each arm against each baseline, by the analysis that compare
    makes: for that test alone, and among all tests of the table. With --arm the table is of these and the baselines.
    """
    from actbench.commands.power import PowerRequest
    from actbench.commands.power import power as command

    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError("power takes one recipe", where="command line", hints=[" ".join(references)])
    request = PowerRequest(
        reference=references[0],
        overrides=overrides,
        profile=known_profile(profile),
        detect=detect,
        power=wanted,
        arms=tuple(arm or ()),
        baselines=tuple(baseline or ()),
        metric=metric,
        limit=limit,
        results_dir=results_dir,
    )
    read(lambda: command(request), as_json)
