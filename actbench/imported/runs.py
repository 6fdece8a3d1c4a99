"""Results that somebody else's program made, as actbench keeps them: what `import` writes. Imports no torch.

Nothing is known of how the runs were made but what the file and the command line say, so nothing here is ever
taken for a record of actbench's own. A change of meaning raises IMPORT_VERSION.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from actbench.frozen import Frozen
from actbench.recipe.schema import Name

IMPORT_VERSION = 1

ImportedStatus = Literal["completed", "diverged", "failed", "missing"]
Unit = Literal["percent", "fraction"]


class ImportedRun(Frozen):
    arm: str
    seed: int = Field(ge=0)
    status: ImportedStatus
    """`missing`: the file names the run and leaves all its values empty."""
    values: dict[str, float]
    """Metric -> its value, a fraction; without those that are empty or not finite."""
    step_time_s: float | None = None
    parameters: int | None = None
    activation_parameters: int | None = None
    wall_time_s: float | None = None
    lines: tuple[int, ...]
    """Of the file, where the run stands."""

    @property
    def is_finished(self) -> bool:
        return self.status in ("completed", "diverged")


class Source(Frozen):
    name: str
    """Of the file, without its folder."""
    sha256: str
    unit: Unit
    """Of the values in the file."""

    @property
    def label(self) -> str:
        return f"{self.name} (sha256 {self.sha256[:8]})"


class ImportedSet(Frozen):
    """All that was imported under one name: one table."""

    schema_version: Literal[1] = 1
    kind: Literal["imported"] = "imported"
    name: Name
    title: str
    data: str
    model: str
    source: Source
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    """In the order in which tables prefer them."""
    baselines: tuple[str, ...]
    """The arms that the others are compared against, if nothing else is asked for."""
    is_paired: bool
    """Whether equal seeds of two arms are said to share their randomness."""
    runs: tuple[ImportedRun, ...]
    """By arm and seed, whatever the order of the file's lines."""

    @property
    def arms(self) -> tuple[str, ...]:
        """The baselines first, then by name."""
        names = sorted({run.arm for run in self.runs}, key=lambda name: (name.casefold(), name))
        return tuple(sorted(names, key=lambda name: (*self.baselines, name).index(name)))


def in_lines(lines: Sequence[int]) -> str:
    """`line 3`, or `lines 3, 5`."""
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"
