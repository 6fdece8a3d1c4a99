"""The command line: parse options, call one command, print what it returns, choose the exit code.

Nothing else in the package prints. Commands are imported when they are called, so that usage needs no torch.
"""

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.bench import app as bench_app
from actbench.cli.import_runs import app as import_app
from actbench.cli.options import (
    FORMATS,
    RECIPES,
    SELECTION,
    AllowMismatch,
    Arms,
    At,
    Baselines,
    ColumnList,
    DataDir,
    Device,
    Json,
    Layout,
    Limit,
    Metric,
    Plugins,
    Profile,
    ResultsDir,
    Seeds,
    Weights,
    Wide,
    choice,
    known_columns,
    known_layout,
    known_profile,
    known_which,
    load_plugins,
    split_arguments,
)
from actbench.cli.output import read, run
from actbench.cli.plot import app as plot_app
from actbench.cli.power import app as power_app
from actbench.cli.progress import Progress
from actbench.cli.report import app as report_app
from actbench.cli.trace import app as trace_app
from actbench.errors import ActbenchError

app = typer.Typer(
    help="The bench on which activation functions are tried fairly.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench_app, name="bench")
app.add_typer(plot_app, name="plot")
app.add_typer(import_app)
app.add_typer(power_app)
app.add_typer(report_app)
app.add_typer(trace_app)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from actbench import __version__

        print(f"actbench {__version__}")
        raise typer.Exit


@app.callback()
def actbench(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


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
    as_json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="tell each epoch on stderr")
    ] = True,
) -> None:
    """Train recipes; what is stored is not trained again.

    Every arm over its seeds, the first seed of every arm first.
    """
    from actbench.commands.request import TrainRequest
    from actbench.commands.train import train as command

    load_plugins(plugin)
    references, overrides = split_arguments(arguments)
    request = TrainRequest(
        references=references,
        overrides=overrides,
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
        plugins=tuple(plugin or ()),
    )
    run(lambda: command(request, Progress(show_epochs=progress, several=jobs > 1)), as_json)


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


@app.command()
def compare(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="RECIPE|RUN", help=SELECTION, show_default=False)
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option("--paper", metavar="KEY", help="the claims of this paper, in place of recipes"),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="ID", help="with --paper: this one of its tables too")
    ] = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    columns: ColumnList = None,
    wide: Wide = False,
    layout: Layout = "recipe",
    results_dir: ResultsDir = Path("results"),
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="exit 4 if a planned run is missing; of a paper, if a verdict is unexpected"
        ),
    ] = False,
    as_json: Json = False,
    allow_mismatch: AllowMismatch = False,
) -> None:
    """Compare stored runs: the gain, how sure, at what cost.

    Accuracy (or average precision) with its interval, gaps to the baselines, cost, and the paper's own values.
    """
    if paper or table or not arguments:
        chosen = (profile, arm, seeds, limit, baseline, metric, columns)
        if paper and (arguments or any(chosen) or (at, weights) != ("last", "raw")):
            raise ActbenchError(
                "--paper goes with --table, --check, --results-dir and --json alone",
                where="command line",
                hints=["all recipes and profiles are told that have something to say about its claims"],
            )
        _compare_paper(paper, table, check=check, results_dir=results_dir, as_json=as_json)
        return
    from actbench.commands.compare import compare as command

    references, overrides = split_arguments(arguments)
    read(
        lambda: command(
            references,
            profile=known_profile(profile),
            overrides=overrides,
            arms=arm or (),
            seeds=seeds,
            limit=limit,
            baselines=baseline or (),
            metric=metric,
            which=known_which(at),
            weights=choice("--weights", weights, ("raw", "ema")),
            columns=known_columns(columns, wide),
            layout=known_layout(layout),
            results_dir=results_dir,
            check=check,
            allow_mismatch=allow_mismatch,
            with_document=as_json,
        ),
        as_json,
    )


def _compare_paper(
    key: str | None,
    table: str | None,
    *,
    check: bool,
    results_dir: Path,
    as_json: bool,
) -> None:
    from actbench.commands.paper_check import paper_check

    if key is None:
        what = "--table needs --paper" if table else "nothing to compare"
        raise ActbenchError(
            what, where="command line", hints=["name recipes or record files, or a paper by --paper"]
        )
    read(lambda: paper_check(key, table_id=table, check=check, results_dir=results_dir), as_json)


@app.command("export-table")
def export_table(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=SELECTION)],
    table_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="markdown, latex, csv, html, json or terminal  [default: by the file's suffix, else markdown]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="file to write; in a markdown file, between its markers"),
    ] = None,
    check: Annotated[Path | None, typer.Option("--check", help="exit 4 if this file is stale")] = None,
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    columns: ColumnList = None,
    wide: Wide = False,
    layout: Layout = "recipe",
    appendix: Annotated[
        bool,
        typer.Option(
            "--appendix", help="instead of tables the paragraph that tells how their numbers were made"
        ),
    ] = False,
    results_dir: ResultsDir = Path("results"),
    allow_mismatch: AllowMismatch = False,
) -> None:
    """Write compare's table as markdown, LaTeX, CSV, HTML or JSON."""
    from actbench.commands.export_table import export_table as command

    references, overrides = split_arguments(arguments)
    read(
        lambda: command(
            references,
            format=None if table_format is None else choice("--format", table_format, FORMATS),
            output=output,
            check=check,
            profile=known_profile(profile),
            overrides=overrides,
            arms=arm or (),
            seeds=seeds,
            limit=limit,
            baselines=baseline or (),
            metric=metric,
            which=known_which(at),
            weights=choice("--weights", weights, ("raw", "ema")),
            columns=known_columns(columns, wide),
            layout=known_layout(layout),
            appendix=appendix,
            allow_mismatch=allow_mismatch,
            results_dir=results_dir,
        ),
        as_json=False,
    )


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


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The program: runs the command and turns our errors into messages and exit codes."""
    signal.signal(signal.SIGTERM, _stop)
    # Plug-ins of pydantic have nothing to do here, and looking for them takes time at every start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        app(prog_name="actbench")
    except ActbenchError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # at its exit python would look through everything several times more
