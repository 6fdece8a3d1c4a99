"""Hints for a name that nobody knows: what is known, and what is nearest."""

from collections.abc import Iterable
from difflib import get_close_matches


def name_hints(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """`known: ...` and, where one is near enough, `did you mean ...?`."""
    names = list(known)
    hints = (f"known: {', '.join(names)}",) if names else ()
    # An overlong name is nobody's misspelling, and difflib takes quadratic time over it.
    lowered = {candidate.lower(): candidate for candidate in names}
    near = get_close_matches(name.lower(), lowered, n=1) if len(name) <= 64 else []
    return (*hints, f"did you mean {lowered[near[0]]!r}?") if near else hints
