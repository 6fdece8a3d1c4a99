"""What a check says of a module, and how a check says it. Imports no torch: the command line reads these."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "fail", "not applicable", "not declared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    name: str
    meaning: str
    """What the check asks for, in one line."""
    status: Status
    detail: str
    """What was seen, with numbers."""


class CheckFailedError(Exception):
    """The module does not keep what the check asks for; the message says what was seen."""


class NotApplicableError(Exception):
    """The module has nothing that the check could look at; the message says what is lacking."""


class NotDeclaredError(Exception):
    """The check needs a declaration that the module does not make; the message says which."""
