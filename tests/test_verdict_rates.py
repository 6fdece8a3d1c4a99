"""How often each word is the verdict when the truth is known: error rates, and the power to reproduce.

`pytest -m slow -s tests/test_verdict_rates.py` prints the table of docs/claims.md.
"""

import random
from collections import Counter
from itertools import product
from math import sqrt

import pytest

from actbench.papers.reported import Claim
from actbench.stats import contrasts
from actbench.verdict import judge

CLAIMED = 1.0
"""Points; the margin is half of it."""
SPREAD = 0.3
"""Standard deviation over seeds of every arm, in points."""
ARMS = ("new", "relu", "swish", "gelu")
CLAIM = Claim(
    id="a-claim",
    arms=("new",),
    baseline="relu",
    model="ResNet-20",
    data="CIFAR-100",
    metric="top1_accuracy",
    difference=CLAIMED,
    source="arXiv:2401.00001",
)


def rates(n: int, truth: float, count: int, *, effects_only: bool = False) -> dict[str, float]:
    """The share of each word over `count` experiments of n seeds in which the new arm truly gains `truth` points.

    With `effects_only` what is not significant is not judged further: which difference it could have shown takes long.
    """
    rng = random.Random(f"{n} {truth}")
    words: Counter[str] = Counter()
    for _ in range(count):
        samples = {
            arm: {number: (60 + truth * (arm == "new") + rng.gauss(0, SPREAD)) / 100 for number in range(n)}
            for arm in ARMS
        }
        (contrast,) = contrasts(samples, [("new", "relu")])
        assert contrast is not None
        assert contrast.p is not None
        if not effects_only or contrast.p < 0.05:
            words[judge(CLAIM, contrast, completed=n).word] += 1
    return {word: times / count for word, times in words.items()}


def allowed(rate: float, count: int) -> float:
    """Above it a true rate of this size is seen once in a thousand times."""
    return rate + 3.1 * sqrt(rate * (1 - rate) / count)


def require_few_errors(n: int, count: int) -> None:
    nothing = rates(n, 0.0, count, effects_only=True)
    assert nothing.get("worse", 0) <= allowed(0.025, count)
    assert nothing.get("better", 0) + nothing.get("reproduced", 0) <= allowed(0.025, count)
    for edge in (0.5 * CLAIMED, 1.5 * CLAIMED):  # a true difference that no longer counts as the claimed one
        assert rates(n, edge, count, effects_only=True).get("reproduced", 0) <= allowed(0.05, count)


def test_words_err_no_more_often_than_their_level_says() -> None:
    require_few_errors(5, 400)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 4, 5, 10])
def test_words_err_no_more_often_than_their_level_says_over_many(n: int) -> None:
    require_few_errors(n, 4000)


@pytest.mark.slow
def test_the_claimed_difference_is_reproduced_with_seeds_enough(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("reproduced", "better", "worse", "under-powered", "not shown")
    found = {(n, truth): rates(n, truth, 1000) for n, truth in product((3, 5, 10), (0.0, 0.5, 1.0, 2.0))}
    with capsys.disabled():
        print(f"\n| seeds | true gain | {' | '.join(words)} |\n| ---: | ---: |{' ---: |' * len(words)}")
        for (n, truth), shares in found.items():
            cells = " | ".join(f"{shares.get(word, 0):.3f}" for word in words)
            print(f"| {n} | {truth:.1f} | {cells} |")
    power = [found[n, CLAIMED].get("reproduced", 0) for n in (3, 5, 10)]
    assert power == sorted(power)
    assert power[-1] > 0.9
