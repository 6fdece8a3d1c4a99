"""What `train` tells while it works."""

import shutil
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from actbench.recipe.plan import PlannedRun
    from actbench.record import EpochRecord, RunRecord


class Progress:
    """Tells on stderr what training does: one line a run, and on a terminal one line that epochs overwrite.

    Where several runs go on at a time, each line names its own.
    """

    def __init__(self, *, show_epochs: bool, several: bool = False) -> None:
        self._show_epochs, self._several = show_epochs, several
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
        epochs = run.recipe.trained_as(run.arm).train.epochs
        text = (
            f"{self._name(run)}  epoch {epoch.epoch + 1}/{epochs}  loss {epoch.train_loss:.4f}{found}"
            f"  {epoch.time_s:.1f} s"
        )
        if self._live:
            width = _width()
            print(f"\r{text[:width]:<{width}}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def run_finished(self, run: "PlannedRun", record: "RunRecord") -> None:
        from actbench.metrics import headline

        result = record.result()
        found = f"  test {headline(result.tally)}" if result else ""
        self._line(
            f"{self._name(run)}  {record.status}{found}  {record.provenance.wall_time_s:.0f} s  {run.path}"
        )

    def _name(self, run: "PlannedRun") -> str:
        return run.label if self._several else ""

    def agrees(self, question: str) -> bool:
        return sys.stdin.isatty() and typer.confirm(question, err=True)

    def _line(self, text: str) -> None:
        clear = f"\r{'':<{_width()}}\r" if self._live else ""
        print(f"{clear}{text}", file=sys.stderr, flush=True)


def _width() -> int:
    """One less than the terminal has: a line that is full goes on to the next, and cannot be overwritten."""
    return shutil.get_terminal_size().columns - 1
