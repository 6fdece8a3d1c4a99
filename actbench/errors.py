"""What can go wrong, in words a person can act on. Imports nothing of ours; only `cli/` formats these."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake: what was wrong, where it stands, what to do about it."""

    message: str
    where: str | None = None
    """`file:line`, a file, or "command line"; None where no place can be named."""
    key: str | None = None
    """Path of the key inside the file, such as `arms[2].activation`."""
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        if self.key:
            head += f" ({self.key})"
        return "\n".join([head, *(f"  {hint}" for hint in self.hints)])


class ActbenchError(Exception):
    """A user's error: wrong usage, recipe, data, device or output place. The program exits with `exit_code`."""

    exit_code = 2

    def __init__(
        self, message: str, *, where: str | None = None, key: str | None = None, hints: Sequence[str] = ()
    ) -> None:
        self.problems: tuple[Problem, ...] = (
            Problem(message=message, where=where, key=key, hints=tuple(hints)),
        )
        super().__init__(message)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class _FileError(ActbenchError):
    """All the mistakes of a file, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message)
        self.problems = tuple(problems)


class RecipeError(_FileError):
    """All the mistakes found in a recipe (or a paper's file), at once."""


class ImportedFileError(_FileError):
    """All the mistakes found in a file of results that is to be imported, at once."""


class DataError(ActbenchError):
    """A data set that is missing, damaged, or not of the layout it should have."""


class RecordError(ActbenchError):
    """A stored record that cannot be read as one."""


class DamagedRecordError(RecordError):
    """A file that stands where a record should and is none: cut off, or of other content."""


class NotComparableError(ActbenchError):
    """Runs that may not stand in one table, or a selection that is not complete."""

    exit_code = 4


class DivergedError(Exception):
    """The loss is no longer finite. Not a user's error: a result, which the run's record keeps."""

    def __init__(self, *, epoch: int, step: int | None, layer: str | None) -> None:
        self.epoch, self.step, self.layer = epoch, step, layer
        if step is None:
            super().__init__(f"weights not finite after the last update, epoch {epoch}; first in {layer!r}")
            return
        place = f"first non-finite output in layer {layer!r}" if layer else "every layer's output was finite"
        super().__init__(f"loss not finite at epoch {epoch}, step {step}; {place}")
