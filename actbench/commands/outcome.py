"""What a command hands to `cli/`, which alone prints and exits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command has to say."""

    text: str = ""
    """For standard output."""
    document: object = None
    """The same as plain data, for --json."""
    warnings: tuple[str, ...] = ()
    """For standard error."""
    exit_code: int = 0
