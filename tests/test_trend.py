"""Courses of paths whose words are plain to see, and what is counted over sites, seeds and arms."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord, RunRecord, SiteLog
from actbench.trend import Course, Move, course, told, trends

FALLS_RISES_SETTLES = [1.0, 0.8, 0.6, 0.5, 0.7, 0.9, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (FALLS_RISES_SETTLES, "falls, rises, settles"),
        ([-value for value in FALLS_RISES_SETTLES], "rises, falls, settles"),
        ([0.0, 1.0, 2.0, 3.0], "rises, still moves"),
        ([3.0, 2.0, 1.0, 1.0], "falls, settles"),
        ([1.0, 1.0, 1.0], "stands still"),
        ([1.0, 1.0 + 5e-7], "stands still"),
        ([1.0, 0.0, 1.0], "falls, rises, still moves"),
        ([1.0, 1.05, 0.0, 0.5, 0.5], "falls, rises, settles"),  # the first wave is less than a tenth
        (
            [0.0, 1.0, -0.5, 0.0, 0.0],
            "rises, falls, settles",
        ),  # both turns: the deeper one, which is the peak
        ([1.0, 0.0, 0.09, 0.09], "falls, settles"),  # it comes back by less than a tenth
        ([1.0, 0.0, 0.1, 0.1], "falls, rises, settles"),
    ],
)
def test_words_of_a_course(path: list[float], words: str) -> None:
    assert course(path).words() == words


def test_the_last_tenth_must_stand() -> None:
    half_a_turn = [math.cos(2 * math.pi * epoch / 100) for epoch in range(100)]
    assert course(half_a_turn) == Course(("falls", "rises"), True), "flat at the top"
    assert course([*half_a_turn[:95], 0.0, 0.0, 0.0, 0.0, 0.0]).settles is False


@given(
    st.lists(st.integers(-50, 50), min_size=2, max_size=30),
    st.sampled_from([0.25, 2.0, 8.0]),
    st.integers(-9, 9),
)
def test_neither_unit_nor_origin_matters_and_the_mirror_turns_the_words(
    path: list[int], unit: float, origin: int
) -> None:
    found = course(path)
    assert course([unit * value + origin for value in path]) == found
    turned: dict[Move, Move] = {"falls": "rises", "rises": "falls"}
    if max(path) - max(path[0], path[-1]) != min(path[0], path[-1]) - min(
        path
    ):  # else either turn may be named
        mirrored = course([-value for value in path])
        assert mirrored == Course(tuple(turned[move] for move in found.moves), found.settles)


def _run(
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
    seed: int,
    theta: list[float],
    omega: list[float],
    activation: str = "lslu",
    status: str = "completed",
) -> RunRecord:
    recipe = make_recipe(arms=[{"name": "arm", "activation": activation}])
    history = tuple(
        EpochRecord(
            epoch=epoch,
            lr=0.1,
            train_loss=1.0,
            time_s=1.0,
            step_time_s=0.1,
            data_time_s=0.0,
            activations=(
                SiteLog(site="stem.act", values={"theta": [a, a], "omega": [b, b]}),
                SiteLog(site="late.act", values={"theta": [1.0, 1.0], "omega": [0.0, 0.0]}),
                SiteLog(site="gate", values={"beta": [1.0]}),
            ),
        )
        for epoch, (a, b) in enumerate(zip(theta, omega, strict=True))
    )
    run = make_run(recipe, "arm", seed, status=status)
    return run.model_copy(update={"history": history})


def test_sites_are_counted_run_by_run_and_terms_averaged(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    theta = FALLS_RISES_SETTLES
    omega = [0.0, 0.2, 0.5, 0.6, 0.3, 0.1, 0.0, 0.0, 0.0, 0.0]
    runs = [
        _run(make_recipe, make_run, 1, theta, [-value for value in omega]),
        _run(make_recipe, make_run, 0, theta, omega),
        _run(make_recipe, make_run, 2, theta, omega, status="diverged"),
    ]
    found = trends(runs)
    assert [(trend.seed, trend.site) for trend in found] == [
        (0, "stem.act"), (0, "late.act"), (1, "stem.act"), (1, "late.act"),
    ]  # fmt: skip
    assert told(found) == (
        "trend of the paper: theta falls, rises, settles in 2 of 4 (2 sites x 2 seeds); "
        "omega rises, falls, settles in 1; both in 1"
    )


def test_the_start_counts_where_it_is_known(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    """After the first epoch theta only rises; from 1, where LSLU starts, it fell first."""
    theta = [0.5, 0.6, 0.7, 0.8, 0.8, 0.8]
    (lslu, _) = trends([_run(make_recipe, make_run, 0, theta, [0.0] * 6)])
    (parallel, _) = trends([_run(make_recipe, make_run, 0, theta, [0.0] * 6, "lslu_parallel")])
    assert lslu.theta.words() == "falls, rises, settles"
    assert parallel.theta.words() == "rises, settles"


def test_a_log_without_both_is_not_counted(
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
    with_curves: Callable[..., RunRecord],
) -> None:
    run = with_curves(make_run(make_recipe(), "swish", 0), epochs=(0, 3), sites=("stem.act",))
    assert trends([run]) == []
    assert trends([make_run(make_recipe(), "lslu", 0)]) == [], "no epoch"
