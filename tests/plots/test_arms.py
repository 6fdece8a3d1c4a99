"""The compared arms as points, the front of those that none beats, and places for their names."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actbench.comparison import Group
from actbench.plots.arms import ArmPoints, arm_points, axis_name, cost_name, value_limits
from actbench.plots.label_places import Box, find_places
from actbench.plots.pareto import front
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.stats import Interval


def _arm(name: str, cost: float | None, mean: float | None) -> ArmPoints:
    return ArmPoints(
        arm=name,
        values={} if mean is None else {0: mean},
        diverged=0,
        mean=mean,
        interval=None,
        costs={} if cost is None else {"time": cost},
    )


def test_points_are_the_numbers_of_compare(
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
    make_group: Callable[..., Group],
) -> None:
    recipe = make_recipe()
    runs = [make_run(recipe, "relu", seed, 5000 + 100 * seed) for seed in (2, 0, 1)]
    runs += [make_run(recipe, "lslu", 0, 6000), make_run(recipe, "lslu", 1, status="diverged")]
    group = make_group(recipe, runs)
    relu, lslu = arm_points(group)
    assert relu.values == {0: 50, 1: 51, 2: 52}
    assert list(relu.values) == [0, 1, 2]
    assert relu.mean == pytest.approx(51)
    assert relu.interval is not None
    assert (relu.interval.low, relu.interval.high) == pytest.approx((51 - 2.4841377, 51 + 2.4841377))
    assert relu.costs["time"] == 1
    assert (lslu.label, lslu.values, lslu.interval) == ("lslu (1/2 diverged)", {0: 60}, None)
    assert axis_name(group) == "test accuracy (%)"
    assert cost_name(group, "time") == "time of an update, over relu's"


def test_the_front_by_hand() -> None:
    arms = [
        _arm("dear", 3, 60), _arm("cheap", 1, 50), _arm("worse", 2, 49), _arm("twin", 1, 50), _arm("same", 3, 50),
        _arm("better", 2, 55), _arm("no cost", None, 99), _arm("no value", 1, None),
        _arm("cheaper by nothing", 1.99, 54), _arm("a cent dearer", 2.05, 55),
    ]  # fmt: skip
    assert [arm.arm for arm in front(arms, "time")] == ["cheap", "twin", "better", "dear"]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_no_arm_beats_the_front_and_the_front_beats_the_rest(points: list[tuple[int, int]]) -> None:
    arms = [_arm(str(i), cost, mean) for i, (cost, mean) in enumerate(points)]
    best = {arm.arm for arm in front(arms, "time")}

    for i, (cost, mean) in enumerate(points):
        is_beaten = any((c <= cost and m > mean) or (c < cost and m >= mean) for c, m in points)
        assert (str(i) in best) != is_beaten


def test_an_interval_of_two_runs_does_not_set_the_scale() -> None:
    wide = ArmPoints(arm="a", values={0: 50, 1: 52}, diverged=0, mean=51, interval=Interval(30, 72), costs={})
    low, high = value_limits([wide])
    assert 48 < low < 49.1
    assert 52.9 < high < 54
    assert value_limits([_arm("a", 1, 50)])[0] < 50


def test_labels_do_not_cover_one_another() -> None:
    anchors = [(20.0 + 9 * i, 100.0 + 4 * (i % 3)) for i in range(12)]
    sizes = [(30.0, 7.0)] * 12
    frame = Box(0, 0, 200, 200)
    boxes = find_places(anchors, sizes, frame)
    assert all(a.overlap(b) == 0 for a, b in itertools.combinations(boxes, 2))
    assert all(box.outside(frame) == 0 for box in boxes)
    dots = [Box(x - 2, y - 2, x + 2, y + 2) for x, y in anchors]
    assert all(box.overlap(dot) == 0 for box in boxes for dot in dots)
    assert find_places(anchors, sizes, frame) == boxes
