"""The command line: parse options, call one command, print what it returns, choose the exit code.

Nothing else in the package prints. Commands are imported when they are called, so that usage needs no torch.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from copy import copy
from typing import Annotated

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from actbench.cli.bench import app as bench_app
from actbench.cli.check import app as check_app
from actbench.cli.compare import app as compare_app
from actbench.cli.eval import app as eval_app
from actbench.cli.fair import app as fair_app
from actbench.cli.import_runs import app as import_app
from actbench.cli.plot import app as plot_app
from actbench.cli.power import app as power_app
from actbench.cli.recipes import app as recipes_app
from actbench.cli.report import app as report_app
from actbench.cli.trace import app as trace_app
from actbench.cli.train import app as train_app
from actbench.errors import ActbenchError

app = typer.Typer(
    help="The bench on which activation functions are tried fairly.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# The order of the usage.
app.add_typer(train_app)
app.add_typer(eval_app)
app.add_typer(compare_app)
app.add_typer(recipes_app)
app.add_typer(check_app)
app.add_typer(bench_app, name="bench")
app.add_typer(plot_app, name="plot")
app.add_typer(import_app)
app.add_typer(power_app)
app.add_typer(fair_app)
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


def program_for(words: Sequence[str]) -> typer.Typer:
    """The program, or of it only what holds the command that the words begin with.

    Typer makes an object for every option of all commands there are, which takes longer than to import them.
    """
    part = copy(app)
    for group in app.registered_groups:
        commands = group.typer_instance.registered_commands if group.typer_instance else []
        names = [group.name] if isinstance(group.name, str) else list(map(_name, commands))
        if words and words[0] in names:
            part.registered_groups = [group]
    return part


def _name(command: CommandInfo) -> str | None:
    return command.name or (get_command_name(command.callback.__name__) if command.callback else None)


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The program: runs the command and turns our errors into messages and exit codes."""
    signal.signal(signal.SIGTERM, _stop)
    # Plug-ins of pydantic have nothing to do here, and looking for them takes time at every start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        program_for(sys.argv[1:])(prog_name="actbench")
    except ActbenchError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # at its exit python would look through everything several times more
