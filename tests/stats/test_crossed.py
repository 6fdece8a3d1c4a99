"""Intervals over seeds and test examples: by hand, at their edges, and how often they cover."""

import time
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from actbench.stats import (
    Method,
    Samples,
    contrasts,
    crossed_difference,
    crossed_mean,
    mean_estimate,
    student,
)

Bits = NDArray[np.bool_]


def ints(bits: Bits) -> list[int]:
    return [int.from_bytes(np.packbits(run, bitorder="little").tobytes(), "little") for run in bits]


def samples_of(**arms: Bits) -> Samples:
    return {arm: {seed: float(run.mean()) for seed, run in enumerate(bits)} for arm, bits in arms.items()}


def two_way(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean squares of seeds, examples and what is left, of values (seeds, examples)."""
    n, m = values.shape
    rows, columns, grand = values.mean(1), values.mean(0), values.mean()
    left = values - rows[:, None] - columns[None, :] + grand
    return (
        m * float(((rows - grand) ** 2).sum()) / (n - 1),
        n * float(((columns - grand) ** 2).sum()) / (m - 1),
        float((left**2).sum()) / ((n - 1) * (m - 1)),
    )


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_the_mean_has_the_two_way_random_effects_variance(n: int) -> None:
    m = 200
    rng = np.random.default_rng(n)
    bits = rng.random((n, m)) < ndtr(rng.normal(0, 1, m) + rng.normal(0, 0.3, n)[:, None])
    seeds, examples, left = two_way(bits.astype(float))
    variance = (seeds + examples - left) / (n * m)
    freedom = variance**2 * (n * m) ** 2 / (seeds**2 / (n - 1) + examples**2 / (m - 1))
    assert left < min(seeds, examples)
    reach = student.critical(0.05, max(n - 1, freedom)) * sqrt(variance)
    interval = crossed_mean(ints(bits), m)
    over_seeds = mean_estimate(bits.mean(1).tolist()).interval
    assert interval is not None
    assert over_seeds is not None
    assert interval.half_width == pytest.approx(max(reach, over_seeds.half_width), rel=1e-9)
    assert (interval.low + interval.high) / 2 == pytest.approx(bits.mean())


def test_the_difference_of_pairs_is_the_mean_of_their_differences() -> None:
    n, m = 4, 300
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 1, m)
    a, b = (rng.random((n, m)) < ndtr(0.5 + hard + rng.normal(0, 0.2, n)[:, None]) for _ in "ab")
    seeds, examples, left = two_way(a.astype(float) - b)
    variance = max(seeds + examples - left, seeds, examples) / (n * m)
    freedom = variance**2 * (n * m) ** 2 / (seeds**2 / (n - 1) + examples**2 / (m - 1))
    (found,) = contrasts(samples_of(a=a, b=b), [("a", "b")], method="paired")
    assert found is not None
    interval = crossed_difference(found, dict(enumerate(ints(a))), dict(enumerate(ints(b))), m)
    assert interval is not None
    assert found.estimate.interval is not None
    reach = student.critical(0.05, max(n - 1, freedom)) * sqrt(variance)
    assert interval.half_width == pytest.approx(max(reach, found.estimate.interval.half_width), rel=1e-9)
    assert (interval.low + interval.high) / 2 == pytest.approx(found.estimate.value)


@pytest.mark.parametrize("method", ["moderated", "welch", "paired", "block"])
def test_it_is_never_narrower_than_over_seeds_alone(method: Method) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        a, b = rng.random((2, 3, 50)) < rng.uniform(0.1, 0.9, (2, 1, 50))
        (found,) = contrasts(samples_of(a=a, b=b, c=b[:, ::-1] & a), [("a", "b")], method=method)
        assert found is not None
        over_seeds = found.estimate.interval
        interval = crossed_difference(found, dict(enumerate(ints(a))), dict(enumerate(ints(b))), 50)
        assert interval is not None
        assert over_seeds is not None
        assert interval.half_width >= over_seeds.half_width * (1 - 1e-12)


def test_one_seed_has_none() -> None:
    bits = ints(np.ones((1, 10), dtype=bool))
    assert crossed_mean(bits, 10) is None
    (found,) = contrasts({"a": {0: 1.0}, "b": {0: 0.5}}, [("a", "b")])
    assert found is not None
    assert crossed_difference(found, {0: 1023}, {0: 31}, 10) is None


def test_runs_that_agree_in_every_example_still_leave_the_examples_to_chance() -> None:
    bits = np.tile(np.arange(100) < 70, (5, 1))
    interval = crossed_mean(ints(bits), 100)
    assert interval is not None
    assert interval.half_width == pytest.approx(student.critical(0.05, 99) * sqrt(0.7 * 0.3 / 99), rel=1e-9)


def test_all_right_and_all_wrong_are_level() -> None:
    assert crossed_mean([1023] * 3, 10) == (1.0, 1.0)
    assert crossed_mean([0] * 3, 10) == (0.0, 0.0)


def test_the_order_of_runs_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 5, 100)) < 0.7
    (found,) = contrasts(samples_of(a=a, b=b), [("a", "b")])
    assert found is not None
    first, second = dict(enumerate(ints(a))), dict(enumerate(ints(b)))
    turned = dict(reversed(first.items())), dict(reversed(second.items()))
    assert crossed_mean(list(turned[0].values()), 100) == crossed_mean(list(first.values()), 100)
    assert crossed_difference(found, *turned, 100) == crossed_difference(found, first, second, 100)


def test_a_large_table_takes_little_time() -> None:
    rng = np.random.default_rng(4)
    bits = {f"arm{k}": dict(enumerate(ints(rng.random((5, 10_000)) < 0.7))) for k in range(100)}
    samples = {arm: {s: run.bit_count() / 10_000 for s, run in runs.items()} for arm, runs in bits.items()}
    pairs = [(arm, base) for arm in list(bits)[2:] for base in ("arm0", "arm1")]
    found = contrasts(samples, pairs)
    before = time.process_time()
    for contrast in found:
        assert contrast is not None
        assert crossed_difference(contrast, bits[contrast.first], bits[contrast.second], 10_000)
    assert time.process_time() - before < 0.25  # some 40 ms on an idle machine


def coverage(
    n: int,
    *,
    seeds: float,
    hard: float,
    taste: float,
    correlation: float = 0.0,
    method: Method = "moderated",
    tables: int,
) -> tuple[float, float, float]:
    """How often the crossed intervals of a mean and of a difference hold the truth of all seeds and examples, and how
    often the interval over seeds does the mean's. The deviations are of what a seed, an example, and an example
    under one arm add to a probit."""
    m, base, gap = 400, 0.5, 0.1
    rng = np.random.default_rng(n)
    total = sqrt(1 + seeds**2 + hard**2 + taste**2)
    first, second = float(ndtr((base + gap) / total)), float(ndtr(base / total))
    held = np.zeros(3)
    for _ in range(tables):
        examples, shared = rng.normal(0, hard, m), rng.normal(0, seeds, n)
        bits = []
        for shift in (base + gap, base):
            own = sqrt(correlation) * shared + sqrt(1 - correlation) * rng.normal(0, seeds, n)
            bits.append(rng.random((n, m)) < ndtr(shift + examples + rng.normal(0, taste, m) + own[:, None]))
        samples, (ours, theirs) = samples_of(a=bits[0], b=bits[1]), map(ints, bits)
        (found,) = contrasts(samples, [("a", "b")], method=method)
        assert found is not None
        intervals = (
            (crossed_mean(ours, m), first),
            (crossed_difference(found, dict(enumerate(ours)), dict(enumerate(theirs)), m), first - second),
            (mean_estimate(list(samples["a"].values())).interval, first),
        )
        held += [
            interval is not None and interval.low <= truth <= interval.high for interval, truth in intervals
        ]
    return (held[0] / tables, held[1] / tables, held[2] / tables)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_crossed_intervals_cover_where_those_over_seeds_do_not(n: int) -> None:
    tables = 400
    mean, difference, over_seeds = coverage(n, seeds=0.03, hard=1.5, taste=0.6, tables=tables)
    slack = 3 * (0.05 * 0.95 / tables) ** 0.5
    assert 0.95 - slack < mean
    assert 0.95 - slack < difference
    assert over_seeds < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize(
    ("seeds", "hard", "taste"),
    [(0.03, 1.5, 0.3), (0.05, 1.0, 0.6), (0.2, 1.0, 0.3), (0.5, 0.5, 0.0), (0.0, 2.0, 1.0)],
)
@pytest.mark.parametrize(("method", "correlation"), [("moderated", 0.0), ("paired", 0.5)])
def test_crossed_intervals_cover(
    n: int, seeds: float, hard: float, taste: float, method: Method, correlation: float
) -> None:
    tables = 1000
    mean, difference, _ = coverage(
        n, seeds=seeds, hard=hard, taste=taste, correlation=correlation, method=method, tables=tables
    )
    # With three seeds it is wider than it need be where seeds matter least: their own interval has two degrees of
    # freedom, and the crossed one is never narrower.
    most = 0.97 if n > 3 else 0.995
    slack = 2 * (0.05 * 0.95 / tables) ** 0.5
    assert mean + slack >= 0.93
    assert difference + slack >= 0.93
    assert mean <= most + slack
    assert difference <= most + (0.02 if n < 10 else 0.0) + slack
