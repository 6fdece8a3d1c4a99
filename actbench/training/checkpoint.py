"""Checkpoints of a run: `last.pt` to go on from, and the best weights by validation, raw and averaged.

Files are written beside their place and renamed over it; a killed writer leaves the older file whole. Everything
is loaded with `weights_only=True`.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from actbench.errors import ActbenchError
from actbench.record import EpochRecord, Weights
from actbench.store import write_atomically
from actbench.training.state import State

_HISTORY = TypeAdapter(list[EpochRecord])


def save_last(
    folder: Path, state: State, *, run: str, wall_time_s: float, resumed: int, finished: bool
) -> None:
    """Stores the state after an epoch. A finished run keeps no optimiser state: there is nothing to go on with."""
    _save(
        folder / "last.pt",
        {
            "run": run,
            "history": _HISTORY.dump_json(state.history).decode(),
            "model": state.model.state_dict(),
            "ema": state.ema.model.state_dict() if state.ema else None,
            "optimizer": None if finished else state.optimizer.state_dict(),
            "wall_time_s": wall_time_s,
            "resumed": resumed,
        },
    )


def restore_last(folder: Path, state: State, *, run: str) -> dict[str, Any] | None:
    """Loads `last.pt` of that run into `state`; returns its bookkeeping, or None where there is none to use."""
    path = folder / "last.pt"
    if not path.exists():
        return None
    try:
        saved = load_weights(path)
    except ActbenchError:
        return None  # unreadable: the run starts anew, and the first save replaces the file
    if saved.get("run") != run:
        return None
    state.model.load_state_dict(saved["model"])
    if state.ema:
        state.ema.model.load_state_dict(saved["ema"])
    if saved["optimizer"] is not None:
        state.optimizer.load_state_dict(saved["optimizer"])
    state.history[:] = _HISTORY.validate_json(saved["history"])
    return saved


def best_path(folder: Path, which: str, weights: Weights) -> Path:
    """Where the best weights lie: best_val.pt, best_val_ema.pt, or best_test likewise."""
    return folder / (f"{which}_ema.pt" if weights == "ema" else f"{which}.pt")


def save_best(path: Path, model: nn.Module, *, run: str, epoch: int) -> None:
    """Stores the weights of the epoch that is the best so far."""
    _save(path, {"run": run, "epoch": epoch, "model": model.state_dict()})


def load_weights(path: Path) -> dict[str, Any]:
    """A checkpoint's content on the CPU. Raises ActbenchError naming the file if it is not one."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ActbenchError(
            "not a checkpoint that actbench can load",
            where=str(path),
            hints=["train the run again to make it"],
        ) from error
    if not isinstance(content, dict) or "model" not in content:
        raise ActbenchError("not a checkpoint of actbench: it holds no model", where=str(path))
    return content


def _save(path: Path, content: dict[str, object]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder.parent / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, b"*\n")
    write_atomically(path, buffer.getvalue())
