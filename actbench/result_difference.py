"""Where two runs part: in their histories, in what they get right, in what they cost. Imports no torch."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

from actbench.difference import Difference, Section, differing
from actbench.metrics import Metric, metrics_of
from actbench.record import EpochRecord, RunRecord, Tally, TestResult

_TIMES = ("step_time_s", "step_cpu_s", "images_per_s", "peak_memory_bytes")
"""What the machine decides, not the run."""


class Disagreement(NamedTuple):
    """Of test examples that both runs answered."""

    first_only: int
    """Right in the first run alone."""
    second_only: int
    total: int

    def __str__(self) -> str:
        apart = self.first_only + self.second_only
        return (
            f"they disagree on {apart:,} of {self.total:,} test examples: "
            f"{self.first_only:,} right only in A, {self.second_only:,} only in B"
        )


def first_parting(first: RunRecord, second: RunRecord) -> int | None:
    """The first epoch, from 0, whose losses or tallies differ; None where all that both have are the same."""
    for one, two in zip(first.history, second.history, strict=False):
        if _numbers(one) != _numbers(two):
            return one.epoch
    return None


def _numbers(epoch: EpochRecord) -> tuple[object, ...]:
    return (
        epoch.train_loss,
        epoch.lr,
        epoch.val,
        epoch.val_ema,
        epoch.test,
        epoch.test_ema,
        epoch.activations,
    )


def same_numbers(first: RunRecord, second: RunRecord) -> bool:
    """Whether both ended alike, with the same losses, tallies and test answers all the way."""
    return (
        first.status == second.status
        and len(first.history) == len(second.history)
        and first_parting(first, second) is None
        and first.results == second.results
    )


def history_section(first: RunRecord, second: RunRecord) -> Section:
    """The epoch in which the histories part."""
    found: list[Difference] = []
    notes: list[str] = []
    lengths = len(first.history), len(second.history)
    if lengths[0] != lengths[1]:
        found.append(Difference(key="epochs recorded", first=lengths[0], second=lengths[1]))
    parting = first_parting(first, second)
    common = min(lengths)
    if parting is None and common:
        notes.append(f"the same losses and tallies in all {common} epochs that both have")
    elif parting is not None:
        one, two = (run.history[[e.epoch for e in run.history].index(parting)] for run in (first, second))
        found += _epoch(one, two)
        if parting:
            notes.append(f"the same losses and tallies in the {parting} epochs before")
    return Section(name="history", differences=tuple(found), notes=tuple(notes))


def _epoch(one: EpochRecord, two: EpochRecord) -> Iterator[Difference]:
    name = f"epoch {one.epoch + 1}"
    if one.train_loss != two.train_loss:
        scale = max(abs(one.train_loss), abs(two.train_loss))
        share = abs(one.train_loss - two.train_loss) / scale
        yield Difference(
            key=f"{name}, train_loss",
            first=one.train_loss,
            second=two.train_loss,
            remark=f"the first that differs, by {share:.1g} of its size",
        )
    if one.lr != two.lr:
        yield Difference(key=f"{name}, lr", first=one.lr, second=two.lr)
    for key in ("val", "val_ema", "test", "test_ema"):
        ours, theirs = getattr(one, key), getattr(two, key)
        if isinstance(ours, Tally) and isinstance(theirs, Tally) and ours.correct != theirs.correct:
            yield Difference(key=f"{name}, {key} correct", first=ours.correct, second=theirs.correct)
    if one.train_loss == two.train_loss and one.activations != two.activations:
        sites = [[log.site for log in epoch.activations] for epoch in (one, two)]
        yield Difference(
            key=f"{name}, sites with learnt scalars",
            first=len(sites[0]),
            second=len(sites[1]),
            remark="not alike",
        )


def result_section(first: RunRecord, second: RunRecord) -> Section:
    """Every metric of every test evaluation that both have, and on how many examples they disagree."""
    found: list[Difference] = []
    notes: list[str] = []
    ours = {(r.which, r.weights): r for r in first.results}
    theirs = {(r.which, r.weights): r for r in second.results}
    metrics = metrics_of(first.recipe) | metrics_of(second.recipe)
    for at in dict.fromkeys((*ours, *theirs)):
        name = f"{at[0]} ({at[1]})"
        if at not in ours or at not in theirs:
            a, b = ("evaluated" if at in side else None for side in (ours, theirs))
            found.append(Difference(key=name, first=a, second=b))
            continue
        one, two = ours[at], theirs[at]
        if at[0] != "last" and all(_is_last(run, result) for run, result in ((first, one), (second, two))):
            notes.append(f"{name}: the weights of the last epoch")
            continue
        found += [d for metric in metrics.values() for d in _metric(name, metric, one, two)]
        if one.epoch != two.epoch:
            found.append(Difference(key=f"{name} epoch", first=one.epoch + 1, second=two.epoch + 1))
        if one == two:
            notes.append(f"{name}: the same in every number and every answer")
        elif first.data.fingerprint != second.data.fingerprint:
            notes.append(f"{name}: answers are not compared, the data are not the same")
        elif apart := disagreement(one, two):
            notes.append(f"{name}: {apart}")
    return Section(name="results", differences=tuple(found), notes=tuple(notes))


def _is_last(run: RunRecord, result: TestResult) -> bool:
    last = run.result("last", result.weights)
    return last is not None and last.epoch == result.epoch


def _metric(name: str, metric: Metric, one: TestResult, two: TestResult) -> Iterator[Difference]:
    a, b = metric.of(one), metric.of(two)
    if a != b:
        points = "" if a is None or b is None else f"{100 * (b - a):+.2f} points"
        yield Difference(key=f"{name} {metric.name}", first=a, second=b, remark=points, is_fraction=True)


def disagreement(one: TestResult, two: TestResult) -> Disagreement | None:
    """From the answers to each test example; None where either has none."""
    a, b = (base64.b64decode(result.correct_bits) for result in (one, two))
    if (
        not isinstance(one.tally, Tally)
        or not isinstance(two.tally, Tally)
        or one.tally.total != two.tally.total
    ):
        return None
    if not len(a) == len(b) == (one.tally.total + 7) // 8:
        return None
    ours, theirs = int.from_bytes(a), int.from_bytes(b)
    return Disagreement((ours & ~theirs).bit_count(), (theirs & ~ours).bit_count(), one.tally.total)


def cost_section(first: RunRecord, second: RunRecord) -> Section:
    """What an image, an update and the whole run cost."""
    one, two = (run.cost.model_dump(mode="json") if run.cost else {} for run in (first, second))
    found = [
        Difference(key=d.key, first=d.first, second=d.second, remark=_ratio(d.first, d.second))
        for d in differing(one, two)
    ]
    ours, theirs = first.provenance.wall_time_s, second.provenance.wall_time_s
    if ours != theirs:
        found.append(Difference(key="wall_time_s", first=ours, second=theirs, remark=_ratio(ours, theirs)))
    by_machine = (
        any(d.key in _TIMES for d in found) and first.provenance.hardware != second.provenance.hardware
    )
    notes = ("times of unlike hardware do not compare",) if by_machine else ()
    return Section(name="cost", differences=tuple(found), notes=notes)


def _ratio(first: object, second: object) -> str:
    numbers = isinstance(first, int | float) and isinstance(second, int | float)
    return f"{second / first:.2f}x" if numbers and first else ""  # type: ignore[operator]
