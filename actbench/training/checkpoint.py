"""Checkpoints of a run: `last.pt` to go on from, and the best weights by validation, raw and averaged.

Files are written beside their place and renamed over it; a killed writer leaves the older file whole. Everything
is loaded with `weights_only=True`.
"""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.record import EpochRecord, Take, Weights
from actbench.store import write_atomically
from actbench.training.optim import load_optimizer_state
from actbench.training.state import State

_HISTORY = TypeAdapter(list[EpochRecord])
_TAKES = TypeAdapter(list[Take])


class Progress(NamedTuple):
    """A run's bookkeeping beside its weights."""

    run: str
    wall_time_s: float
    takes: list[Take]


def save_last(folder: Path, state: State, progress: Progress, *, finished: bool) -> None:
    """Stores the state after an epoch. A finished run keeps no optimiser state: there is nothing to go on with."""
    _save(
        folder / "last.pt",
        {
            "run": progress.run,
            "wall_time_s": progress.wall_time_s,
            "takes": _TAKES.dump_json(progress.takes).decode(),
            "history": _HISTORY.dump_json(state.history).decode(),
            "model": state.model.state_dict(),
            "ema": state.ema.model.state_dict() if state.ema else None,
            "optimizer": None if finished else state.optimizer.state_dict(),
        },
    )


def restore_last(folder: Path, state: State, *, run: str) -> Progress | None:
    """Loads `last.pt` into `state`; None where there is none. Raises ActbenchError if it is not this run's."""
    path = folder / "last.pt"
    if not path.exists():
        return None
    saved = load_weights(path)
    try:
        if saved["run"] != run:
            raise ActbenchError("belongs to another run", where=str(path))
        history = _HISTORY.validate_json(saved["history"])
        state.model.load_state_dict(saved["model"])
        if state.ema:
            state.ema.model.load_state_dict(saved["ema"])
        if saved["optimizer"] is not None:
            load_optimizer_state(state.optimizer, saved["optimizer"])
        state.history[:] = history
        return Progress(run, float(saved["wall_time_s"]), _TAKES.validate_json(saved["takes"]))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ActbenchError(f"not a checkpoint of this version: {error}", where=str(path)) from error


def best_path(folder: Path, which: str, weights: Weights) -> Path:
    """Where the best weights lie: best_val.pt, best_val_ema.pt, or best_test likewise."""
    return folder / (f"{which}_ema.pt" if weights == "ema" else f"{which}.pt")


def save_best(path: Path, model: nn.Module, *, run: str, epoch: int) -> None:
    """Stores the weights of the epoch that is the best so far."""
    _save(path, {"run": run, "epoch": epoch, "model": model.state_dict()})


def load_best(path: Path, *, run: str, epochs: Sequence[int]) -> dict[str, Tensor]:
    """The weights in `path`. Raises ActbenchError unless they are of that run and one of those epochs."""
    saved = load_weights(path)
    if saved.get("run") != run or saved.get("epoch") not in epochs:
        raise ActbenchError(f"does not hold the weights of epoch {epochs[0]} of this run", where=str(path))
    model: dict[str, Tensor] = saved["model"]
    return model


def load_weights(path: Path) -> dict[str, Any]:
    """A checkpoint's content on the CPU. Raises ActbenchError naming the file if it is not one."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises on damaged bytes has no common base
        raise ActbenchError(
            f"not a checkpoint that can be loaded: {error}".splitlines()[0],
            where=str(path),
            hints=["`actbench train` with --force makes the run and its checkpoints again"],
        ) from error
    if not isinstance(content, dict) or "model" not in content:
        raise ActbenchError("not a checkpoint of actbench: it holds no model", where=str(path))
    return content


def _save(path: Path, content: dict[str, object]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), (path.parent.parent / ".gitignore").open("x") as ignore:
            ignore.write("*\n")
    except OSError as error:
        raise ActbenchError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    write_atomically(path, buffer.getvalue())
