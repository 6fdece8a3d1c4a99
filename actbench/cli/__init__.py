"""The command line: parse options, call one command, print what it returns, choose the exit code.

Nothing else in the package prints. Commands are imported when they are called, so that usage needs no torch.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from copy import copy
from importlib import import_module
from typing import Annotated

import typer

from actbench.errors import ActbenchError

_root = typer.Typer(
    help="The bench on which activation functions are tried fairly.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order of the usage.
_COMMANDS = {
    "train": ("train",),
    "eval": ("eval",),
    "compare": ("compare", "export-table"),
    "recipes": ("ls", "show", "cp", "validate"),
    "check": ("check",),
    "bench": ("bench",),
    "plot": ("plot",),
    "import_runs": ("import",),
    "power": ("power",),
    "fair": ("lock", "calibrate", "waterfall", "ablations", "try"),
    "report": ("report",),
    "trace": ("trace", "diff"),
}
"""By module the commands that it holds."""
_WITH_COMMANDS_OF_THEIR_OWN = ("bench", "plot")


def _tell_version(wanted: bool) -> None:
    if wanted:
        from actbench import __version__

        print(f"actbench {__version__}")
        raise typer.Exit


@_root.callback()
def actbench(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


def program_for(words: Sequence[str]) -> typer.Typer:
    """The program, or of it only what holds the command that the words begin with.

    To import all modules, and to let typer make an object for every option there is, takes as long as many a command.
    """
    holding = [module for module, commands in _COMMANDS.items() if words and words[0] in commands]
    program = copy(_root)
    program.registered_groups = []
    for module in holding or _COMMANDS:
        part: typer.Typer = import_module(f"actbench.cli.{module}").app
        program.add_typer(part, name=module if module in _WITH_COMMANDS_OF_THEIR_OWN else None)
    return program


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
