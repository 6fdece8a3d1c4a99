"""What stands behind a cell of a table: the runs with their files, the formula, and the number made again of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import NamedTuple

Number = float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRun:
    role: str
    """The arm's name, or the baseline's."""
    seed: int
    status: str
    reason: str | None
    value: float | None
    """The metric; None where the run has none."""
    counts: str | None
    """What it is made of, where it is a share of test examples."""
    epoch: int | None
    """After which, from 1, the evaluated weights stood."""
    file: str
    lines: str | None = None
    """Of the file that imported results came from; the rest is not known of those."""
    run: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    wall_time_s: float | None = None
    device: str | None = None
    hardware: str | None = None
    threads: int | None = None
    started: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedValue:
    """A paper's value."""

    value: float | None
    place: str
    """`file:line`."""
    table: str
    caption: str
    about: str
    certainty: str | None


class Check(NamedTuple):
    """One of the cell's numbers beside the same made anew."""

    name: str
    shown: Number
    made: Number

    @property
    def agrees(self) -> bool:
        if self.shown is None or self.made is None:
            return self.shown is self.made
        return isclose(self.shown, self.made, rel_tol=1e-9, abs_tol=1e-12)


class FamilyTest(NamedTuple):
    arm: str
    baseline: str
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    how: tuple[str, ...]
    """How the number is made, in words."""
    runs: tuple[TracedRun, ...] = ()
    missing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Role -> planned seeds without a finished run."""
    made: Mapping[str, Number] = field(default_factory=dict)
    """The numbers, made anew."""
    family: tuple[FamilyTest, ...] = ()
    """The tests that p is adjusted over."""
    reported: tuple[TracedValue, ...] = ()
    claim: str | None = None
    """What the paper claims of it, with its place."""


def checks(numbers: Mapping[str, Number], made: Mapping[str, Number]) -> tuple[Check, ...]:
    """The cell's numbers beside those of the same name that were made anew."""
    return tuple(Check(name, value, made[name]) for name, value in numbers.items() if name in made)
