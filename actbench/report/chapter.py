"""What one chapter of the report is made of: a comparison, its tables, and the whole records behind them."""

from dataclasses import dataclass
from pathlib import Path

from actbench.comparison import Group
from actbench.record import RunRecord
from actbench.report.figures import Drawing
from actbench.report.markup import Html


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRun:
    """A run with its whole record."""

    path: Path
    sha256: str
    """Of the file."""
    record: RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    key: str
    """Unique on the page; letters, digits and hyphens, as its anchors begin with it."""
    group: Group
    tables: tuple[Html, ...]
    """The short one first."""
    claims: Html | None
    """What the paper claims and what these runs say of it."""
    runs: tuple[ReadRun, ...]
    """All that were selected, in the order of arms and seeds; none where the numbers were imported."""
    drawings: tuple[Drawing, ...]
    appendix: tuple[tuple[str, str], ...]
    """What a checklist asks: heads and answers, code in backquotes."""
    commands: tuple[tuple[str, str], ...]
    """How to repeat it: what a command does, and the command."""
