"""Whether LSLU's learnt scalars move as its paper says: theta falls, rises, then settles, and omega the opposite.

The abstract (arXiv:2409.08283) gives these words and no numbers, so the measure is ours, and lenient. A path's swing
is its highest value minus its lowest. It falls, then rises, where its lowest value lies at least a tenth of the swing
below both its start and its end, whatever smaller waves there are. It settles where it stays within a tenth of the
swing over the last tenth of the epochs. A learning rate that
ends at nothing makes every path settle; that part shows little.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from actbench.record import RunRecord, SiteLog

Move = Literal["falls", "rises"]

SHARE = 0.1
"""Of the swing: the least depth of a turn, and the most that a settled path still moves."""
LAST = 0.1
"""Of the epochs: the time in which a path must have settled; two epochs at least."""
STILL = 1e-6
"""A smaller swing is none: records keep seven digits."""
STARTS = {"lslu": {"theta": 1.0, "omega": 0.0}}
"""Activation -> the values before the first epoch, where they are the same at every site."""
_THETA: tuple[Move, ...] = ("falls", "rises")
_OMEGA: tuple[Move, ...] = ("rises", "falls")


class Course(NamedTuple):
    """How a value moved over training: the deeper of its turns, or its one direction."""

    moves: tuple[Move, ...]
    """Empty where it stood still."""
    settles: bool

    def words(self) -> str:
        """`falls, rises, settles` and the like."""
        if not self.moves:
            return "stands still"
        return ", ".join([*self.moves, "settles" if self.settles else "still moves"])


def course(path: Sequence[float]) -> Course:
    """How a path of finite values moved: one per epoch, and the start before them if it is known."""
    start, end, low, high = path[0], path[-1], min(path), max(path)
    swing = high - low
    if swing <= STILL:
        return Course((), True)
    late = path[-max(2, math.ceil(LAST * len(path))) :]
    settles = max(late) - min(late) <= SHARE * swing
    valley, peak = min(start, end) - low, high - max(start, end)
    if max(valley, peak) >= SHARE * swing:
        return Course(_THETA if valley >= peak else _OMEGA, settles)
    return Course(("rises",) if end > start else ("falls",), settles)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTrend:
    """One site of one run."""

    arm: str
    seed: int
    site: str
    theta: Course
    omega: Course

    @property
    def theta_as_published(self) -> bool:
        return self.theta == Course(_THETA, True)

    @property
    def omega_as_published(self) -> bool:
        return self.omega == Course(_OMEGA, True)


def trends(runs: Iterable[RunRecord]) -> list[SiteTrend]:
    """Of every site of every completed run whose log has theta and omega, each averaged over its terms."""
    found: list[SiteTrend] = []
    for run in sorted(runs, key=lambda run: (run.arm.name, run.seed)):
        starts = STARTS.get(run.arm.activation, {})
        if run.status != "completed" or not run.history:
            continue
        for site in (log.site for log in run.history[0].activations):
            logs = [_log(epoch.activations, site) for epoch in run.history]
            theta, omega = (_path(logs, name, starts) for name in ("theta", "omega"))
            if theta and omega:
                found.append(
                    SiteTrend(
                        arm=run.arm.name, seed=run.seed, site=site, theta=course(theta), omega=course(omega)
                    )
                )
    return found


def _log(logs: Sequence[SiteLog], site: str) -> Mapping[str, Sequence[float | None]]:
    return next((log.values for log in logs if log.site == site), {})


def _path(
    logs: Sequence[Mapping[str, Sequence[float | None]]], name: str, starts: Mapping[str, float]
) -> list[float]:
    """The mean of the values per epoch, the start before them; empty where an epoch lacks it."""
    path = [starts[name]] if name in starts else []
    for log in logs:
        values = [value for value in log.get(name) or log.get(f"{name}.mean") or () if value is not None]
        if not values:
            return []
        path.append(sum(values) / len(values))
    return path if len(path) > 1 else []


def told(found: Sequence[SiteTrend]) -> str:
    """In how many of the sites the published trend is seen."""
    sites, seeds = len({trend.site for trend in found}), len({trend.seed for trend in found})
    n = len(found)
    theta = sum(trend.theta_as_published for trend in found)
    omega = sum(trend.omega_as_published for trend in found)
    both = sum(trend.theta_as_published and trend.omega_as_published for trend in found)
    over = f"{n} ({sites} sites x {seeds} seeds)" if n == sites * seeds else str(n)
    return (
        f"trend of the paper: theta falls, rises, settles in {theta} of {over}; "
        f"omega rises, falls, settles in {omega}; both in {both}"
    )
