"""`actbench plot`: a command per figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actbench.cli.options import (
    SELECTION,
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
    split_arguments,
)
from actbench.cli.output import run

if TYPE_CHECKING:
    from actbench.commands.plot.compared import Reading
    from actbench.commands.plot.request import PlotRequest

app = typer.Typer(help="Draw figures from stored runs.", no_args_is_help=True)

References = Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=SELECTION)]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="a .png, .svg or .pdf file, or a folder for all three")
]
Width = Annotated[
    float | None,
    typer.Option(
        "--width", metavar="INCHES", help="letters keep their size  [default: 3.3, a paper's column, or 6.6]"
    ),
]


@app.command()
def curves(
    arguments: References,
    output: Output = Path("plots"),
    show: Annotated[
        list[str] | None,
        typer.Option("--show", help="loss, val or test; may be repeated  [default: all there is]"),
    ] = None,
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    metric: Metric = None,
    weights: Weights = "raw",
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw training loss and accuracy over epochs.

    Mean over seeds, with a band from the lowest seed to the highest; beyond eight arms, a panel for each.
    """
    from actbench.commands.plot.curves import plot_curves

    request = _request(arguments, output, width, profile, arm, seeds, limit, results_dir)
    wanted = [choice("--show", one, ("loss", "val", "test")) for one in show or ()]
    known = choice("--weights", weights, ("raw", "ema"))
    run(lambda: plot_curves(request, show=wanted, metric=metric, weights=known), as_json)


@app.command()
def seeds(
    arguments: References,
    output: Output = Path("plots"),
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw every seed's value, arm by arm.

    A row per arm with its mean and 95 % interval, the best on top.
    """
    from actbench.commands.plot.compared import plot_seeds

    request = _request(arguments, output, width, profile, arm, seeds, limit, results_dir)
    reading = _reading(baseline, metric, at, weights)
    run(lambda: plot_seeds(request, reading), as_json)


@app.command()
def lr(
    arguments: References,
    output: Output = Path("plots"),
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw validation accuracy over the rates tried in tuning.

    A line per arm, the chosen rate marked; of recipes with a block tune.
    """
    from actbench.commands.plot.lr import plot_lr

    request = _request(arguments, output, width, profile, arm, None, limit, results_dir)
    run(lambda: plot_lr(request), as_json)


@app.command()
def params(
    arguments: References,
    output: Output = Path("plots"),
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="only this parameter, as theta or beta; may be repeated"),
    ] = None,
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw learnt parameters over epochs, site by site.

    One figure per arm, a line per seed; of LSLU also whether theta and omega move as its paper says.
    """
    from actbench.commands.plot.params import plot_params

    request = _request(arguments, output, width, profile, arm, seeds, limit, results_dir)
    run(lambda: plot_params(request, names=tuple(param or ())), as_json)


@app.command()
def pareto(
    arguments: References,
    output: Output = Path("plots"),
    cost: Annotated[
        str,
        typer.Option(
            "--cost",
            help="time (of an update, over the first baseline's), kept (bytes for backward), parameters",
        ),
    ] = "time",
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw accuracy against cost, the best at each cost marked."""
    from actbench.commands.plot.compared import plot_pareto

    request = _request(arguments, output, width, profile, arm, seeds, limit, results_dir)
    reading = _reading(baseline, metric, at, weights)
    known = choice("--cost", cost, ("time", "kept", "parameters"))
    run(lambda: plot_pareto(request, reading, known), as_json)


@app.command()
def shapes(
    arguments: References,
    output: Output = Path("plots"),
    epoch: Annotated[
        list[int] | None,
        typer.Option("--epoch", help="only the curves after this epoch, from 1; may be repeated"),
    ] = None,
    minus_relu: Annotated[
        bool, typer.Option("--minus-relu", help="draw how far the curves lie from ReLU")
    ] = False,
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw each layer's learnt curve and how it moved.

    One panel per layer, over the density of its input; one figure per run.
    """
    from actbench.commands.plot.shapes import plot_shapes

    request = _request(arguments, output, width, profile, arm, seeds, limit, results_dir)
    run(lambda: plot_shapes(request, epochs=tuple(epoch or ()), minus_relu=minus_relu), as_json)


@app.command()
def waterfall(
    arguments: References,
    output: Output = Path("plots"),
    width: Width = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Draw what is left of a gain as the comparison gets fairer.

    Same recipe, both tuned, then equal parameters, time and slot; a figure for each arm that is no baseline.
    """
    from actbench.commands.plot.waterfall import plot_waterfall

    request = _request(arguments, output, width, profile, arm, seeds, limit, results_dir)
    run(lambda: plot_waterfall(request, baselines=tuple(baseline or ()), metric=metric), as_json)


def _request(
    arguments: list[str],
    output: Path,
    width: float | None,
    profile: str | None,
    arms: list[str] | None,
    seeds: str | None,
    limit: int | None,
    results_dir: Path,
) -> "PlotRequest":
    from actbench.commands.plot.request import PlotRequest

    references, overrides = split_arguments(arguments)
    return PlotRequest(
        references=references,
        overrides=overrides,
        profile=known_profile(profile),
        arms=tuple(arms or ()),
        seeds=seeds,
        limit=limit,
        width=width,
        output=output,
        results_dir=results_dir,
    )


def _reading(baselines: list[str] | None, metric: str | None, at: str, weights: str) -> "Reading":
    from actbench.commands.plot.compared import Reading

    return Reading(
        baselines=tuple(baselines or ()),
        metric=metric,
        which=known_which(at),
        weights=choice("--weights", weights, ("raw", "ema")),
    )
