"""What equal tuning is for, on real trainings of tiny softmax regressions.

Weights are W = s * V and V is what learns, so a rate of V is one of s * s for W: arms with different s are the same
function, started alike, whose best rates differ by that factor. Each seed and arm has luck of its own.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from actbench.fair.tuning import choices, tuning_recipe
from actbench.recipe.schema import Arm, Recipe
from actbench.record import RunRecord
from actbench.stats.contrasts import DEFAULT_METHOD, contrasts
from tests.fair.trials import tuned

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
Floats = NDArray[np.float64]
FEATURES, CLASSES, STEPS, BATCH = 12, 4, 40, 8
SEEDS = range(5)
LEVEL = 0.05


class Split(NamedTuple):
    x: Floats
    y: NDArray[np.int64]


class Task(NamedTuple):
    train: Split
    val: Split
    test: Split


def _task(number: int) -> Task:
    """A linear truth of which a fifth of the labels is wrong."""
    draw = np.random.default_rng(number)
    truth = draw.normal(size=(FEATURES, CLASSES))

    def split(size: int) -> Split:
        x = draw.normal(size=(size, FEATURES))
        wrong = draw.random(size) < 0.2
        y = np.where(wrong, draw.integers(CLASSES, size=size), (x @ truth).argmax(1))
        return Split(x, y)

    return Task(split(200), split(500), split(2000))


class Run(NamedTuple):
    lr: float
    scale: float
    """s of its arm."""
    stream: int
    """Seeds its first weights and its order."""


def _trained(task: Task, runs: Sequence[Run]) -> Floats:
    """W of each run, (R, features, classes), after some steps of stochastic gradient descent on V, all at once."""
    draws = [np.random.default_rng(run.stream) for run in runs]
    scale = np.array([run.scale for run in runs])[:, None, None]
    lr = np.array([run.lr for run in runs])[:, None, None]
    weights = 0.1 * np.stack([draw.normal(size=(FEATURES, CLASSES)) for draw in draws]) / scale
    order = np.stack([draw.integers(len(task.train.y), size=(STEPS, BATCH)) for draw in draws])
    truth = np.eye(CLASSES)[task.train.y]
    for step in range(STEPS):
        x, y = task.train.x[order[:, step]], truth[order[:, step]]
        logits = scale * (x @ weights)
        shares = np.exp(logits - logits.max(2, keepdims=True))
        shares /= shares.sum(2, keepdims=True)
        weights -= lr * (1 - step / STEPS) * scale * (x.transpose(0, 2, 1) @ (shares - y)) / BATCH
    found: Floats = scale * weights
    return found


def _accuracies(weights: Floats, split: Split) -> list[float]:
    return [float(right.mean()) for right in (split.x @ weights).argmax(2) == split.y]


class Bench:
    """Trains arms of one recipe on one task; `scales` says how each arm holds its weights."""

    def __init__(self, recipe: Recipe, task: Task, scales: Mapping[str, float]) -> None:
        self.recipe, self.task, self.scales = recipe, task, scales
        self._trials: dict[Run, float] = {}

    def run(self, arm: Arm, seed: int) -> Run:
        lr = self.recipe.train.lr if arm.train.lr is None else arm.train.lr
        stream = zlib.crc32(f"{seed} {arm.salt}".encode())
        return Run(lr, self.scales[arm.name.partition(".")[0]], stream)

    def tuned(self, make_run: MakeRun) -> list[Arm]:
        """The arms as tuning leaves them."""
        first = tuning_recipe(self.recipe, [])
        assert first is not None
        self._validate([self.run(arm, seed) for arm in first.arms for seed in first.seeds])

        def accuracy(arm: Arm, seed: int) -> float:
            run = self.run(arm, seed)
            if run not in self._trials:
                self._validate([run])
            return self._trials[run]

        found = choices(self.recipe, tuned(self.recipe, accuracy, make_run))
        return [found[arm.name].arm for arm in self.recipe.arms]

    def _validate(self, runs: Sequence[Run]) -> None:
        found = _accuracies(_trained(self.task, runs), self.task.val)
        self._trials |= dict(zip(runs, found, strict=True))

    def differ(self, arms: Sequence[Arm]) -> bool:
        """Whether two arms are significantly unlike on the test set and on seeds that no trial had."""
        runs = [self.run(arm, seed) for arm in arms for seed in SEEDS]
        values = _accuracies(_trained(self.task, runs), self.task.test)
        samples = [
            dict(zip(SEEDS, part, strict=True)) for part in (values[: len(SEEDS)], values[len(SEEDS) :])
        ]
        return _p(*samples) < LEVEL


def _p(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    (found,) = contrasts({"a": first, "b": second}, [("a", "b")], method=DEFAULT_METHOD)
    assert found is not None
    return 1.0 if found.p is None else found.p


@pytest.fixture
def count(make_recipe: MakeRecipe, make_run: MakeRun) -> Callable[..., tuple[int, int]]:
    """Of so many tasks in how many two arms differ: with the recipe's rate for both, and both tuned."""

    def counted(number: int, *, scales: tuple[float, float], lr: float) -> tuple[int, int]:
        recipe = make_recipe(
            arms=[
                {"name": name, "activation": "relu", "salt": salt}
                for salt, name in enumerate(("one", "other"))
            ],
            train={"epochs": 1, "lr": lr},
            tune={"space": {"train.lr": [0.4, 1.0, 2.5]}, "seeds": [1000, 1001]},
            seeds=list(SEEDS),
        )
        untuned = equally = 0
        for task in map(_task, range(number)):
            bench = Bench(recipe, task, dict(zip(("one", "other"), scales, strict=True)))
            untuned += bench.differ(recipe.arms)
            equally += bench.differ(bench.tuned(make_run))
        return untuned, equally

    return counted


def _is_nominal(alarms: int, number: int) -> bool:
    """Whether so many false alarms are what the level makes likely: neither tail below 0.1 %."""
    below, above = stats.binom.cdf(alarms, number, LEVEL), stats.binom.sf(alarms - 1, number, LEVEL)
    return bool(min(below, above) > 0.001)


def test_arms_of_one_function_whose_best_rates_lie_three_times_apart_differ_only_untuned(
    count: Callable[..., tuple[int, int]],
) -> None:
    """The steps of the grid are not the distance of the two: tuned arms are alike and not the same."""
    untuned, equally = count(20, scales=(1.0, 1 / math.sqrt(3.0)), lr=0.1)
    assert untuned >= 18
    assert _is_nominal(equally, 20), equally


@pytest.mark.slow
def test_two_hundred_such_pairs_raise_false_alarms_at_the_level(
    count: Callable[..., tuple[int, int]],
) -> None:
    untuned, equally = count(200, scales=(1.0, 1 / math.sqrt(3.0)), lr=0.1)
    assert untuned >= 180
    assert _is_nominal(equally, 200), equally


@pytest.mark.slow
def test_two_hundred_sweeps_of_an_arm_against_itself_raise_false_alarms_at_the_level(
    count: Callable[..., tuple[int, int]],
) -> None:
    untuned, equally = count(200, scales=(1.0, 1.0), lr=1.0)
    assert _is_nominal(untuned, 200), untuned
    assert _is_nominal(equally, 200), equally
