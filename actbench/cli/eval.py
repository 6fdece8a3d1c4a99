"""`actbench eval`."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    SELECTION,
    Arms,
    At,
    DataDir,
    Device,
    Json,
    Limit,
    Plugins,
    Profile,
    ResultsDir,
    choice,
    known_profile,
    known_which,
    load_plugins,
    split_arguments,
)
from actbench.cli.output import run

app = typer.Typer()


@app.command("eval")
def eval_(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN|CHECKPOINT", help=SELECTION)],
    profile: Profile = None,
    arm: Arms = None,
    plugin: Plugins = None,
    limit: Limit = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="evaluate the merged inference form")] = False,
    split: Annotated[str, typer.Option("--split", help="test or val")] = "test",
    at: At = "last",
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="raw, or ema for their average  [default: raw, or the checkpoint's]"),
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = Path("data"),
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Evaluate stored weights again, in training or deploy form."""
    from actbench.commands.eval import EvalRequest, evaluate_stored

    load_plugins(plugin)
    references, overrides = split_arguments(arguments)
    request = EvalRequest(
        references=references,
        overrides=overrides,
        profile=known_profile(profile),
        limit=limit,
        arms=tuple(arm or ()),
        deploy=deploy,
        split=choice("--split", split, ("val", "test")),
        which=known_which(at),
        weights=None if weights is None else choice("--weights", weights, ("raw", "ema")),
        device=device,
        data_dir=data_dir,
        results_dir=results_dir,
    )
    run(lambda: evaluate_stored(request), as_json)
