"""`actbench train`."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    RECIPES,
    AddedArms,
    Arms,
    DataDir,
    Device,
    Json,
    Limit,
    Plugins,
    Profile,
    ResultsDir,
    Seeds,
    known_profile,
    load_plugins,
    plugins_of,
    split_arguments,
    with_added_arms,
)
from actbench.cli.output import run
from actbench.cli.progress import Progress

app = typer.Typer()


@app.command()
def train(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    profile: Profile = None,
    seeds: Seeds = None,
    arm: Arms = None,
    device: Device = "auto",
    data_dir: DataDir = Path("data"),
    results_dir: ResultsDir = Path("results"),
    limit: Limit = None,
    plugin: Plugins = None,
    add_arm: AddedArms = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="list runs done and missing with an estimate; train none")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="train again what is stored; the old files are kept aside")
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="download CIFAR if it is not there, without asking")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", min=1, help="runs at a time, on one GPU or sharing the CPU's threads"),
    ] = 1,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="train the arms of a calibration as well (see `actbench calibrate`)"
        ),
    ] = False,
    as_json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="tell each epoch on stderr")
    ] = True,
) -> None:
    """Train recipes; what is stored is not trained again.

    Every arm over its seeds, the first seed of every arm first. A recipe that asks for tuning, controls or ablations
    gets them after its own first seed, and a waterfall in the end; with --arm only those arms are trained.
    """
    from actbench.commands.request import TrainRequest
    from actbench.commands.train import train as command

    plugins = plugins_of(plugin, add_arm)
    load_plugins(plugins)
    references, overrides = split_arguments(arguments)
    request = TrainRequest(
        references=references,
        overrides=with_added_arms(overrides, add_arm),
        profile=known_profile(profile),
        seeds=seeds,
        arms=tuple(arm or ()),
        device=device,
        data_dir=data_dir,
        results_dir=results_dir,
        limit=limit,
        plan_only=plan,
        force=force,
        download=download,
        jobs=jobs,
        calibrate=calibrate,
        plugins=plugins,
    )
    run(lambda: command(request, Progress(show_epochs=progress, several=jobs > 1)), as_json)
