"""Learnt scalars of activation sites epoch by epoch, as records log them, summed up for figures. Draws nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal, NamedTuple

from actbench.record import RunRecord
from actbench.trend import STARTS

MOST_TERMS = 8
_SUMMARIES = (".mean", ".min", ".max")

Kind = Literal["single", "terms", "channels", "summary"]
"""One value; a few terms, as many at every site; values per channel; or of many channels only mean, least and most."""


class Spread(NamedTuple):
    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One parameter at one site in one run."""

    seed: int
    diverged: bool
    epochs: list[int]
    """From 1; those with a finite value, and 0 where the activation's start is known."""
    spreads: list[Spread]
    """Over channels: the median (of kind `summary` the mean, narrow layers included), the least and the most."""
    terms: list[list[float | None]]
    """Of kind `terms`: each term's values at those epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an arm at all its sites."""

    name: str
    kind: Kind
    paths: Mapping[str, list[Path]]
    """Site -> its path in each run, in the order of the forward pass."""


def logged_names(runs: Iterable[RunRecord]) -> list[str]:
    """The parameters of which the runs log a finite value, in the order in which they do."""
    names = (
        _base(key)
        for run in runs
        for epoch in run.history
        for log in epoch.activations
        for key, values in log.values.items()
        if any(value is not None for value in values)
    )
    return list(dict.fromkeys(names))


def parameter(name: str, runs: Sequence[RunRecord]) -> Parameter:
    """The paths of that parameter; the runs are one arm's."""
    kind = _kind(name, runs)
    paths: dict[str, list[Path]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        for site in dict.fromkeys(log.site for epoch in run.history for log in epoch.activations):
            path = _path(run, site, name, kind)
            if path.epochs:
                paths.setdefault(site, []).append(path)
    return Parameter(name=name, kind=kind, paths=paths)


def _base(key: str) -> str:
    return next((key.removesuffix(end) for end in _SUMMARIES if key.endswith(end)), key)


def _kind(name: str, runs: Sequence[RunRecord]) -> Kind:
    """Terms are told from channels by their number, which does not follow the layers' widths."""
    logs = [log.values for run in runs for epoch in run.history for log in epoch.activations]
    if any(f"{name}.mean" in values for values in logs):
        return "summary"
    counts = {len(values[name]) for values in logs if name in values}
    if counts <= {1}:
        return "single"
    return "terms" if len(counts) == 1 and max(counts) <= MOST_TERMS else "channels"


def _path(run: RunRecord, site: str, name: str, kind: Kind) -> Path:
    epochs: list[int] = []
    spreads: list[Spread] = []
    rows: list[list[float | None]] = []
    start = STARTS.get(run.arm.activation, {}).get(name)
    for epoch in run.history:
        logged = next((log.values for log in epoch.activations if log.site == site), {})
        if spread := _spread(logged, name, kind):
            epochs.append(epoch.epoch + 1)
            spreads.append(spread)
            rows.append(list(logged.get(name, ())))
    if start is not None and epochs:
        epochs, spreads = [0, *epochs], [Spread(start, start, start), *spreads]
        rows = [[start] * len(rows[0]), *rows]
    return Path(
        seed=run.seed,
        diverged=run.status == "diverged",
        epochs=epochs,
        spreads=spreads,
        terms=[list(values) for values in zip(*rows, strict=True)] if kind == "terms" else [],
    )


def _spread(logged: Mapping[str, Sequence[float | None]], name: str, kind: Kind) -> Spread | None:
    values = [value for value in logged.get(name, ()) if value is not None]
    if values:
        middle = fmean(values) if kind == "summary" else median(values)
        return Spread(middle, min(values), max(values))
    ends = [value for end in _SUMMARIES for value in logged.get(f"{name}{end}", ())]
    known = [value for value in ends if value is not None]
    return Spread(*known) if len(known) == len(_SUMMARIES) else None
