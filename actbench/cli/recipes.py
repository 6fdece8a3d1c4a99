"""`actbench ls`, `show`, `cp` and `validate`: what there is, and recipes before they are trained."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    RECIPES,
    Json,
    Plugins,
    Profile,
    ResultsDir,
    known_profile,
    load_plugins,
    split_arguments,
)
from actbench.cli.output import read, run
from actbench.errors import ActbenchError

app = typer.Typer()


@app.command()
def ls(
    kind: Annotated[
        str, typer.Argument(help="recipes, arms, models, data, papers, claims or runs")
    ] = "recipes",
    results_dir: ResultsDir = Path("results"),
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """List recipes, arms, models, data, papers, claims or runs.

    Arms are activations with their options; runs are those stored.
    """
    from actbench.commands.ls import ls as command

    load_plugins(plugin)
    read(lambda: command(kind, results_dir=results_dir), as_json)


@app.command()
def show(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="RECIPE", help=RECIPES)] = None,
    profile: Profile = None,
    plugin: Plugins = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="every value with where it comes from")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="the JSON Schema of recipe files")] = False,
    as_json: Json = False,
) -> None:
    """Show a recipe's text, its values, or the format of all."""
    from actbench.commands.show import show as command

    load_plugins(plugin)
    references, overrides = split_arguments(arguments) if arguments else ((), ())
    if len(references) > 1:
        raise ActbenchError("show takes one recipe", where="command line", hints=[" ".join(references)])
    run(
        lambda: command(
            references[0] if references else None,
            profile=known_profile(profile),
            overrides=overrides,
            resolved=resolved,
            schema=schema,
        ),
        as_json,
    )


@app.command()
def cp(
    recipe: Annotated[str, typer.Argument(help="recipe name or path")],
    destination: Annotated[
        str | None, typer.Argument(help="file or folder  [default: ./recipes/NAME.yaml]")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="the copy's name")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite a file that exists")] = False,
    plugin: Plugins = None,
) -> None:
    """Copy a recipe to edit."""
    from actbench.commands.cp import cp as command

    load_plugins(plugin)
    run(lambda: command(recipe, destination, name=name, force=force), as_json=False)


@app.command()
def validate(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    profile: Profile = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Check recipes in all profiles; tell every mistake's line."""
    from actbench.commands.validate import validate as command

    load_plugins(plugin)
    references, overrides = split_arguments(arguments)
    run(lambda: command(references, profile=known_profile(profile), overrides=overrides), as_json)
