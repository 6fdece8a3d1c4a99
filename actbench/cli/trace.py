"""`actbench trace` and `actbench diff`: what lies behind a number, and behind two that are not the same."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    AllowMismatch,
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
    split_arguments,
)
from actbench.cli.output import read
from actbench.errors import ActbenchError

app = typer.Typer()
_SIDE = "a record file, RECIPE:ARM:SEED, or a recipe"


@app.command()
def trace(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE ARM [COLUMN]",
            help="as the table shows them: COLUMN is a head such as 'vs relu'; every cell of the row without it",
        ),
    ],
    profile: Profile = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    results_dir: ResultsDir = Path("results"),
    allow_mismatch: AllowMismatch = False,
    as_json: Json = False,
) -> None:
    """Name the records behind a cell of compare's table.

    The cell unrounded, how it is made, each run's value with its file, a paper's value with its line; the number is
    made again from the files, and exit code 4 says that it is not the table's.
    """
    from actbench.commands.trace import trace as command

    words, overrides = split_arguments(arguments)
    if not 2 <= len(words) <= 3:
        raise ActbenchError(
            "trace takes a recipe, an arm and, if you like, a column",
            where="command line",
            hints=["actbench trace zoo_resnet8_c100 sqish 'vs relu'"],
        )
    read(
        lambda: command(
            *words,
            profile=known_profile(profile),
            overrides=overrides,
            baselines=baseline or (),
            metric=metric,
            which=known_which(at),
            weights=choice("--weights", weights, ("raw", "ema")),
            results_dir=results_dir,
            limit=limit,
            seeds=seeds,
            allow_mismatch=allow_mismatch,
        ),
        as_json,
    )


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    second: Annotated[str, typer.Argument(metavar="B", help="the same kind of thing")],
    profile: Profile = None,
    results_dir: ResultsDir = Path("results"),
    check: Annotated[bool, typer.Option("--check", help="exit 4 if they differ")] = False,
    as_json: Json = False,
) -> None:
    """Say why two records differ, or two recipes.

    Settings, data, plug-ins, machine, kernels; the epoch from which histories part, the test examples on which the
    two disagree, the cost. Of recipes every key with the line that sets it.
    """
    from actbench.commands.diff import diff as command

    read(
        lambda: command(first, second, profile=known_profile(profile), results_dir=results_dir, check=check),
        as_json,
    )
