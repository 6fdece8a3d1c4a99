"""A process of `train -j N`: started once, it takes runs from the command until there are no more.

It is told the recipes, plans as the command did, and answers on its end of a pipe; runs are named by the place of
their record. Nothing that is shared can be left locked by a process that is killed.
"""

import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Literal, NamedTuple

from filelock import Timeout

from actbench.commands.request import TrainRequest
from actbench.commands.taking import take_run
from actbench.errors import ActbenchError
from actbench.recipe.plan import make_plan
from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord
from actbench.store import Store


class Duty(NamedTuple):
    """What a worker is started with."""

    request: TrainRequest
    recipes: tuple[str, ...]
    """As JSON: what a plug-in made of them is known only once its file is loaded."""
    arms: tuple[str, ...]
    """The arms wanted of them; all if empty."""
    fingerprints: Mapping[int, str]
    """Of each recipe's data, as the command read it."""
    workers: int
    """How many there are."""
    threads: int
    """Of this one, on the CPU."""


class Asked(NamedTuple):
    path: str
    """Where the run's record will lie."""
    patience_s: float
    """For a run that another process holds; for ever if negative."""


class Told(NamedTuple):
    kind: Literal["ready", "started", "epoch", "done", "held", "failed"]
    """done: trained or found finished; held: by another process."""
    text: str = ""
    """The epoch's JSON, or why it failed."""


def work(pipe: Connection, duty: Duty) -> None:
    """Runs in the process. Ends with 130 when it is stopped, or when nobody listens any more."""
    # A terminal's Ctrl-C reaches every process; the command alone decides, and says SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    try:
        _serve(pipe, duty)
    except (KeyboardInterrupt, EOFError, OSError):
        sys.exit(130)
    except ActbenchError as error:
        _tell(pipe, "failed", str(error))
        sys.exit(1)


def _stop(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the record of the run in hand is written undisturbed
    raise KeyboardInterrupt


def _serve(pipe: Connection, duty: Duty) -> None:
    import torch

    from actbench.activations.plugins import load_plugin
    from actbench.training.precision import resolve_device
    from actbench.training.sources import DataSources

    torch.set_num_threads(duty.threads)
    request = duty.request
    for file in request.plugins:
        load_plugin(file)
    store, sources = Store(request.results_dir), DataSources(request.data_dir)
    recipes = [Recipe.model_validate_json(text) for text in duty.recipes]
    plan = make_plan(recipes, duty.fingerprints, store, arms=duty.arms)
    runs = {str(run.path): run for run in plan.runs}
    device = resolve_device(request.device)
    _tell(pipe, "ready")
    while (asked := pipe.recv()) is not None:
        try:
            take_run(
                runs[asked.path],
                sources=sources,
                store=store,
                device=device,
                patience_s=asked.patience_s,
                on_start=lambda: _tell(pipe, "started"),
                on_epoch=lambda epoch: _tell(pipe, "epoch", _brief(epoch)),
                shared_by=duty.workers,
            )
        except Timeout:
            _tell(pipe, "held")
        except ActbenchError as error:
            _tell(pipe, "failed", str(error))
        except Exception as error:  # a mistake of ours; the other runs go on
            _tell(pipe, "failed", f"{type(error).__name__}: {error}")
        else:
            _tell(pipe, "done")


def _brief(epoch: EpochRecord) -> str:
    """What progress needs of it."""
    return epoch.model_copy(update={"shapes": (), "activations": (), "moments": ()}).model_dump_json()


def _tell(
    pipe: Connection, kind: Literal["ready", "started", "epoch", "done", "held", "failed"], text: str = ""
) -> None:
    """Where the command has gone, the worker stops as if it had been told to."""
    try:
        pipe.send(Told(kind, text))
    except OSError:
        raise KeyboardInterrupt from None
