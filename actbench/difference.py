"""What stands otherwise in one of two things than in the other, as sections of keys with both values."""

from collections.abc import Mapping
from dataclasses import dataclass

from actbench.recipe.hashing import flatten

ABSENT = None
"""The value of a key that only the other side has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    key: str
    first: object
    """Plain data, as JSON has it."""
    second: object
    remark: str = ""
    """What a reader would otherwise work out: how large it is, what follows."""
    is_fraction: bool = False
    """Whether both are fractions that pages show in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    name: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    """What is the same although one might doubt it, and what could not be compared."""

    @property
    def is_empty(self) -> bool:
        return not self.differences and not self.notes


def differing(first: Mapping[str, object], second: Mapping[str, object]) -> tuple[Difference, ...]:
    """The dotted keys under which two nested mappings differ, in the order of the first."""
    one, two = flatten(dict(first)), flatten(dict(second))
    return tuple(
        Difference(key=key, first=one.get(key, ABSENT), second=two.get(key, ABSENT))
        for key in dict.fromkeys((*one, *two))
        if one.get(key, ABSENT) != two.get(key, ABSENT)
    )
