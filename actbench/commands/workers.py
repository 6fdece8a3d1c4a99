"""`train -j N`: several runs at a time, each worker a process that stays warm and takes the next run when it is free.

Runs are handed out in the plan's order, so that the first seed of every arm still comes first. A worker that dies
costs the run that it had in hand, and another takes its place.
"""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from filelock import FileLock, Timeout

from actbench.commands.request import Progress
from actbench.commands.training import Prepared
from actbench.commands.worker import Asked, Duty, Told, work
from actbench.errors import ActbenchError
from actbench.recipe.plan import Plan, PlannedRun
from actbench.record import EpochRecord, RunRecord
from actbench.user_cache import user_cache

_STOPPED = 130
_PATIENCE_S = 60.0
"""For workers that were told to stop: the batch in hand, and the record."""


@dataclass(slots=True, eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    is_ready: bool = False
    run: PlannedRun | None = None
    why: str = ""
    """What it said before it ended."""


@dataclass(slots=True, kw_only=True)
class Workers:
    """The workers of one command, and what is left to do."""

    prepared: Prepared
    plan: Plan
    progress: Progress
    until: Callable[[], bool]
    """Asked before each run is handed out; no more are once it says True."""
    records: dict[Path, RunRecord] = field(default_factory=dict)
    _todo: deque[PlannedRun] = field(default_factory=deque)
    _held: deque[PlannedRun] = field(default_factory=deque)
    """Those that another command's process trains: waited for at the end."""
    _all: list[_Worker] = field(default_factory=list)
    _count: int = 0

    def train(self, count: int) -> dict[Path, RunRecord]:
        """Trains what is to do in `count` processes; the records of what was trained. On Ctrl-C all of them stop."""
        self._todo, self._count = deque(self.plan.todo), count
        if any(run.recipe.train.compile for run in self._todo):
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache() / "inductor"))
        try:
            for _ in range(count):
                self._start()
            while self._all:
                for pipe in wait([worker.pipe for worker in self._all]):
                    self._hear(next(worker for worker in self._all if worker.pipe is pipe))
        finally:
            self._stop()
        if left := len(self._todo) + len(self._held):
            self.progress.warn(f"no process is left to train the other {left} runs")
        return self.records

    def _start(self) -> None:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        duty = Duty(
            request=self.prepared.request,
            recipes=tuple(recipe.model_dump_json() for recipe in self.prepared.recipes),
            arms=self.prepared.arms,
            fingerprints=self.prepared.fingerprints,
            workers=self._count,
            threads=threads_each(self._count),
        )
        process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs, duty))
        with _without_interrupts():
            process.start()
        theirs.close()
        self._all.append(_Worker(process, ours))

    def _hear(self, worker: _Worker) -> None:
        try:
            told: Told = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        run = worker.run
        if told.kind == "ready":
            worker.is_ready = True
            self._hand_out(worker)
        elif run is None:
            worker.why = told.text
        elif told.kind == "started":
            self.progress.run_started(run, self.plan.todo.index(run) + 1, len(self.plan.todo))
        elif told.kind == "epoch":
            self.progress.epoch_done(run, EpochRecord.model_validate_json(told.text))
        else:
            self._end_run(worker, run, told)
            self._hand_out(worker)

    def _end_run(self, worker: _Worker, run: PlannedRun, told: Told) -> None:
        worker.run = None
        if told.kind == "held":
            self._held.append(run)
        elif told.kind == "failed":
            self._fail(run, told.text)
        else:
            self._keep(run)

    def _hand_out(self, worker: _Worker) -> None:
        """The next run, or the end."""
        if (self._todo or self._held) and self.until():
            self._todo.clear()
            self._held.clear()
        if self._todo:
            worker.run, patience_s = self._todo.popleft(), 0.0
        elif self._held:
            worker.run, patience_s = self._held.popleft(), -1.0
            self.progress.note(f"waiting for the process that trains {worker.run.label}")
        with suppress(OSError):  # one that has died is buried when its pipe is read
            worker.pipe.send(Asked(str(worker.run.path), patience_s) if worker.run else None)

    def _bury(self, worker: _Worker) -> None:
        """Sees to what an ended worker leaves behind: nothing, or a run, which fails unless it was stopped in time."""
        worker.process.join(_PATIENCE_S)
        worker.pipe.close()
        self._all.remove(worker)
        code = worker.process.exitcode
        if worker.run is not None:
            if code != _STOPPED or not self._keep(worker.run):
                self._fail(worker.run, f"the process that trained it {_ending(code)}")
            if self._todo or self._held:
                self._start()
        elif not worker.is_ready:
            self.progress.warn(f"a process {worker.why or _ending(code)} before it could train")

    def _keep(self, run: PlannedRun) -> bool:
        """Whether the run's record is there."""
        if not run.path.exists():
            return False
        self.records[run.path] = record = self.prepared.store.read(run.path)
        self.progress.run_finished(run, record)
        return True

    def _fail(self, run: PlannedRun, reason: str) -> None:
        """Stores the failure, unless another process has taken the run up already or nothing can be written."""
        from actbench.training.run import record_failure

        prepared = self.prepared
        try:
            with FileLock(prepared.store.checkpoint_dir(run.path) / "lock", timeout=5):
                record_failure(
                    run,
                    reason,
                    source=prepared.sources.of(run.recipe),
                    store=prepared.store,
                    device=prepared.device,
                    shared_by=self._count,
                )
        except (ActbenchError, OSError, Timeout):
            self.progress.warn(f"{run.label}: failed: {reason}")
            return
        self._keep(run)

    def _stop(self) -> None:
        """Lets workers that are still there store what they have, and then insists."""
        try:
            for worker in self._all:
                worker.process.terminate()
            deadline = time.monotonic() + _PATIENCE_S
            for worker in self._all:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for worker in self._all:
                worker.process.kill()


def threads_each(count: int) -> int:
    """CPU threads for each of `count` processes: as many as this one would take, at most its share of the cores."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), cores // count))


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"was killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started here never hears Ctrl-C, from its first moment on."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
