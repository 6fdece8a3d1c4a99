"""`actbench check`."""

from typing import Annotated

import typer

from actbench.cli.options import (
    Json,
    Plugins,
)
from actbench.cli.output import run

app = typer.Typer()


@app.command()
def check(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ACTIVATION", help="an activation's name, and its options such as n=5"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="all activations of the catalogue")] = False,
    plugin: Plugins = None,
    shape: Annotated[
        str | None, typer.Option("--shape", help="of the output  [default: 2,16,6,6; for tokens 2,9,16]")
    ] = None,
    channel_dim: Annotated[
        int, typer.Option("--channel-dim", help="where the channels are; -1 for tokens")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Check that an activation keeps the contract.

    Named checks of shapes, gradients, extreme values, copies, compilation; exit code 1 if one fails. What an
    activation does not declare is no failure. --plugin FILE without a name checks all of that file.
    """
    from actbench.commands.check import CheckRequest
    from actbench.commands.check import check as command
    from actbench.recipe.overrides import is_override

    words = tuple(arguments or ())
    request = CheckRequest(
        names=tuple(word for word in words if not is_override(word)),
        settings=tuple(word for word in words if is_override(word)),
        every=every,
        plugins=tuple(plugin or ()),
        shape=shape,
        channel_dim=channel_dim,
    )
    run(lambda: command(request), as_json)
