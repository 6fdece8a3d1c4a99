"""`actbench diff`: what lies behind two results that are not the same."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import Json, Profile, ResultsDir, known_profile
from actbench.cli.output import run

app = typer.Typer()
_SIDE = "a record file, RECIPE:ARM:SEED, or a recipe"


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

    run(
        lambda: command(first, second, profile=known_profile(profile), results_dir=results_dir, check=check),
        as_json,
    )
