"""The command line: parse options, call one command, print what it returns, choose the exit code.

Nothing else in the package prints. Commands are imported when they are called, so that usage needs no torch.
"""

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from actbench.errors import ActbenchError

if TYPE_CHECKING:
    from actbench.commands.outcome import Outcome
    from actbench.recipe.plan import PlannedRun
    from actbench.record import EpochRecord, RunRecord
    from actbench.tables.columns import Columns

app = typer.Typer(
    help="The bench on which activation functions are tried fairly.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FORMATS = ("markdown", "latex", "csv", "json", "terminal")
_RECIPES = "recipe names or paths, and overrides such as train.lr=0.1"
_SELECTION = "recipe names or paths, record files, and overrides such as train.lr=0.1"
Profile = Annotated[str | None, typer.Option("--profile", "-p", help="paper, lite or smoke  [default: lite]")]
ResultsDir = Annotated[
    Path, typer.Option("--results-dir", envvar="ACTBENCH_RESULTS_DIR", help="where records are stored")
]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="ACTBENCH_DATA_DIR", help="where data sets lie")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:0, ...")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
At = Annotated[str, typer.Option("--at", help="last, best-val or best-test")]
Weights = Annotated[str, typer.Option("--weights", help="raw, or ema for their moving average")]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="only this arm; may be repeated")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="0..4 or 0,1,2")]
Limit = Annotated[
    int | None, typer.Option("--limit", help="at most this many training and test images, stratified")
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="top1_accuracy, box_ap, mask_ap; under attack fgsm@4/255 and the like, where the recipe asks for it  "
        "[default: the first of the recipe's task]",
    ),
]
ColumnList = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="LIST",
        help="what to show, in that order, of metric, differences (to each baseline), parameters, time (of an update),"
        " kept (bytes for backward per element), n, reported"
        "  [default: metric,differences,parameters,time,reported; in a markdown file, what its marker says]",
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="a file with activations of your own; may be repeated"),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option("--baseline", help="compare against this arm instead of the recipe's baselines"),
]


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
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=_RECIPES)],
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
    as_json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="tell each epoch on stderr")
    ] = True,
) -> None:
    """Train recipes; what is stored is not trained again.

    Every arm over its seeds, the first seed of every arm first.
    """
    from actbench.commands.train import TrainRequest
    from actbench.commands.train import train as command

    _load_plugins(plugin)
    references, overrides = _split(arguments)
    request = TrainRequest(
        references=references,
        overrides=overrides,
        profile=_profile(profile),
        seeds=seeds,
        arms=tuple(arm or ()),
        device=device,
        data_dir=data_dir,
        results_dir=results_dir,
        limit=limit,
        plan_only=plan,
        force=force,
        download=download,
    )
    _run(lambda: command(request, _Progress(show_epochs=progress)), as_json)


@app.command("eval")
def eval_(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN|CHECKPOINT", help=_SELECTION)],
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

    _load_plugins(plugin)
    references, overrides = _split(arguments)
    request = EvalRequest(
        references=references,
        overrides=overrides,
        profile=_profile(profile),
        limit=limit,
        arms=tuple(arm or ()),
        deploy=deploy,
        split=_choice("--split", split, ("val", "test")),
        which=_which(at),
        weights=None if weights is None else _choice("--weights", weights, ("raw", "ema")),
        device=device,
        data_dir=data_dir,
        results_dir=results_dir,
    )
    _run(lambda: evaluate_stored(request), as_json)


@app.command()
def compare(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=_SELECTION)],
    profile: Profile = None,
    arm: Arms = None,
    seeds: Seeds = None,
    limit: Limit = None,
    baseline: Baselines = None,
    metric: Metric = None,
    at: At = "last",
    weights: Weights = "raw",
    columns: ColumnList = None,
    results_dir: ResultsDir = Path("results"),
    check: Annotated[bool, typer.Option("--check", help="exit 4 if a planned run is missing")] = False,
    as_json: Json = False,
) -> None:
    """Compare stored runs: the gain, how sure, at what cost.

    Accuracy (or average precision) with its interval, gaps to the baselines, cost, and the paper's own values.
    """
    from actbench.commands.compare import compare as command

    references, overrides = _split(arguments)
    _run(
        lambda: command(
            references,
            profile=_profile(profile),
            overrides=overrides,
            arms=arm or (),
            seeds=seeds,
            limit=limit,
            baselines=baseline or (),
            metric=metric,
            which=_which(at),
            weights=_choice("--weights", weights, ("raw", "ema")),
            columns=_columns(columns),
            results_dir=results_dir,
            check=check,
        ),
        as_json,
    )


@app.command("export-table")
def export_table(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=_SELECTION)],
    table_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="markdown, latex, csv, json or terminal  [default: by the file's suffix, else markdown]",
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
    results_dir: ResultsDir = Path("results"),
) -> None:
    """Write compare's table as markdown, LaTeX, CSV or JSON."""
    from actbench.commands.export_table import export_table as command

    references, overrides = _split(arguments)
    _run(
        lambda: command(
            references,
            format=None if table_format is None else _choice("--format", table_format, FORMATS),
            output=output,
            check=check,
            profile=_profile(profile),
            overrides=overrides,
            arms=arm or (),
            seeds=seeds,
            limit=limit,
            baselines=baseline or (),
            metric=metric,
            which=_which(at),
            weights=_choice("--weights", weights, ("raw", "ema")),
            columns=_columns(columns),
            results_dir=results_dir,
        ),
        as_json=False,
    )


plot = typer.Typer(help="Draw figures from stored runs.", no_args_is_help=True)
app.add_typer(plot, name="plot")


@plot.command()
def shapes(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN", help=_SELECTION)],
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

    references, overrides = _split(arguments)
    request = PlotRequest(
        references=references,
        overrides=overrides,
        profile=_profile(profile),
        arms=tuple(arm or ()),
        seeds=seeds,
        limit=limit,
        epochs=tuple(epoch or ()),
        minus_relu=minus_relu,
        output=output,
        results_dir=results_dir,
    )
    _run(lambda: plot_shapes(request), as_json)


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

    _load_plugins(plugin)
    _run(lambda: command(kind, results_dir=results_dir), as_json)


@app.command()
def show(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="RECIPE", help=_RECIPES)] = None,
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

    _load_plugins(plugin)
    references, overrides = _split(arguments) if arguments else ((), ())
    if len(references) > 1:
        raise ActbenchError("show takes one recipe", where="command line", hints=[" ".join(references)])
    _run(
        lambda: command(
            references[0] if references else None,
            profile=_profile(profile),
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

    _load_plugins(plugin)
    _run(lambda: command(recipe, destination, name=name, force=force), as_json=False)


@app.command()
def validate(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=_RECIPES)],
    profile: Profile = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Check recipes in all profiles; tell every mistake's line."""
    from actbench.commands.validate import validate as command

    _load_plugins(plugin)
    references, overrides = _split(arguments)
    _run(lambda: command(references, profile=_profile(profile), overrides=overrides), as_json)


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
    _run(lambda: command(request), as_json)


class _Progress:
    """Tells on stderr what training does: one line a run, and on a terminal one line that epochs overwrite."""

    def __init__(self, *, show_epochs: bool) -> None:
        self._show_epochs = show_epochs
        self._live = sys.stderr.isatty()

    def note(self, text: str) -> None:
        self._line(text)

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def run_started(self, run: "PlannedRun", number: int, total: int) -> None:
        resumed = " (resumed)" if run.state == "resumable" else ""
        self._line(f"[{number}/{total}] {run.label}{resumed}")

    def epoch_done(self, run: "PlannedRun", epoch: "EpochRecord") -> None:
        from actbench.metrics import headline

        if not self._show_epochs:
            return
        tally = epoch.val or epoch.test
        found = f"  {'val' if epoch.val else 'test'} {headline(tally)}" if tally else ""
        text = (
            f"  epoch {epoch.epoch + 1}/{run.recipe.train.epochs}  loss {epoch.train_loss:.4f}{found}"
            f"  {epoch.time_s:.1f} s"
        )
        if self._live:
            print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def run_finished(self, run: "PlannedRun", record: "RunRecord") -> None:
        from actbench.metrics import headline

        result = record.result()
        found = f"  test {headline(result.tally)}" if result else ""
        self._line(f"  {record.status}{found}  {record.provenance.wall_time_s:.0f} s  {run.path}")

    def agrees(self, question: str) -> bool:
        return sys.stdin.isatty() and typer.confirm(question, err=True)

    def _line(self, text: str) -> None:
        clear = f"\r{'':<78}\r" if self._live else ""
        print(f"{clear}{text}", file=sys.stderr, flush=True)


def _split(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Recipes and overrides, in the order given."""
    from actbench.recipe.overrides import is_override

    references = tuple(argument for argument in arguments if not is_override(argument))
    if not references:
        raise ActbenchError("no recipe named", where="command line", hints=["actbench ls recipes"])
    return references, tuple(argument for argument in arguments if is_override(argument))


def _load_plugins(files: Sequence[Path] | None) -> None:
    """Imports a user's own activations, named by file; loading torch is left to them."""
    if files:
        from actbench.activations.plugins import load_plugin

        for file in files:
            load_plugin(file)


def _choice(option: str, value: str, known: Sequence[str]) -> Any:
    if value not in known:
        raise ActbenchError(
            f"unknown value {value!r}", where="command line", key=option, hints=[f"known: {', '.join(known)}"]
        )
    return value


def _profile(value: str | None) -> Any:
    return None if value is None else _choice("--profile", value, ("paper", "lite", "smoke"))


def _columns(columns: str | None) -> "Columns | None":
    from actbench.tables.columns import parse_columns

    return None if columns is None else parse_columns(columns)


def _which(at: str) -> Any:
    return _choice("--at", at, ("last", "best-val", "best-test")).replace("-", "_")


def _run(command: "Callable[[], Outcome]", as_json: bool) -> None:
    """Calls a command and prints what it returns; typer would answer an interruption with exit code 1."""
    try:
        outcome = command()
    except KeyboardInterrupt:
        print(
            "interrupted; everything finished so far is kept, and the same command goes on", file=sys.stderr
        )
        raise typer.Exit(130) from None
    for warning in outcome.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    text = outcome.text
    if as_json:
        text = json.dumps(_plain(outcome.document), indent=1, ensure_ascii=False, allow_nan=False)
    _print(text)
    raise typer.Exit(outcome.exit_code)


def _print(text: str) -> None:
    """Writes the text with one newline behind it, and at once: a reader that has gone is noticed only then."""
    try:
        print(text, end="" if text.endswith("\n") or not text else "\n", flush=True)
    except BrokenPipeError:
        # The reader (head, less) has read enough: no error of ours, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plain(value: object) -> object:
    """The same with null for NaN and infinities, which JSON has no words for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The program: runs the command and turns our errors into messages and exit codes."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(prog_name="actbench")
    except ActbenchError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
