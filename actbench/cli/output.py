"""Where a command's outcome is printed, and the exit code chosen."""

import gc
import json
import math
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from actbench.commands.outcome import Outcome


def run(command: "Callable[[], Outcome]", as_json: bool) -> None:
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


def read(command: "Callable[[], Outcome]", as_json: bool) -> None:
    """The same for a command that reads records: what it makes stays until it ends.

    To look through that for garbage takes a twentieth of its time.
    """
    gc.disable()
    try:
        run(command, as_json)
    finally:
        gc.freeze()
        gc.enable()


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
