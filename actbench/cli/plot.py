"""`actbench plot`: a command per figure."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    SELECTION,
    Arms,
    Json,
    Limit,
    Profile,
    ResultsDir,
    Seeds,
    known_profile,
    split_arguments,
)
from actbench.cli.output import run

app = typer.Typer(help="Draw figures from stored runs.", no_args_is_help=True)


@app.command()
def shapes(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=SELECTION)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="a .png or .svg file, or a folder for both")
    ] = Path("plots"),
    epoch: Annotated[
        list[int] | None,
        typer.Option("--epoch", help="only the curves after this epoch, from 1; may be repeated"),
    ] = None,
    minus_relu: Annotated[
        bool, typer.Option("--minus-relu", help="draw how far the curves lie from ReLU")
    ] = False,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw each layer's learnt curve and how it moved.

    One panel per layer, over the density of its input; one figure per run, as PNG and SVG.
    """
    from actbench.commands.plot import PlotRequest, plot_shapes

    references, overrides = split_arguments(arguments)
    request = PlotRequest(
        references=references,
        overrides=overrides,
        profile=known_profile(profile),
        arms=tuple(arm or ()),
        seeds=seeds,
        limit=limit,
        epochs=tuple(epoch or ()),
        minus_relu=minus_relu,
        output=output,
        results_dir=results_dir,
    )
    run(lambda: plot_shapes(request), as_json)
