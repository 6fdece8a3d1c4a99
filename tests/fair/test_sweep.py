"""Grids: as many points for every arm, none lost as they grow, further rates evenly between those of the grid."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actbench.fair.sweep import MAX_GROWTH, Edge, can_grow, edges_at, first_sweep, grown, rates_between
from actbench.recipe.schema import Recipe

MakeRecipe = Callable[..., Recipe]
LR = [0.03, 0.1, 0.3]


def _recipe(**tune: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "profile": "lite",
            "data": {"name": "cifar100"},
            "model": {"name": "resnet_cifar", "depth": 8},
            "arms": [
                {"name": "relu", "activation": "relu"},
                {"name": "leaky", "activation": "leaky_relu", "options": {"negative_slope": 0.1}},
                {"name": "pwlu", "activation": "pwlu"},
            ],
            "train": {"epochs": 30, "lr": 0.1},
            "tune": {"space": {"train.lr": LR}, **tune},
        }
    )


def test_every_arm_tries_the_same_grid() -> None:
    sweep = first_sweep(_recipe(space={"train.lr": LR, "train.weight_decay": [0.0, 1e-3]}))
    grid = [{"train.lr": lr, "train.weight_decay": decay} for lr in LR for decay in (0.0, 1e-3)]
    assert {arm: list(points) for arm, points in sweep.points.items()} == dict.fromkeys(
        ("relu", "leaky", "pwlu"), grid
    )


def test_an_arms_own_setting_buys_the_others_as_many_rates() -> None:
    sweep = first_sweep(_recipe(space={"train.lr": LR, "arms.pwlu.train.lr_factor": [0.1, 1, 10]}))
    assert len(sweep.points["pwlu"]) == 9
    assert all("arms.pwlu.train.lr_factor" not in point for point in sweep.points["relu"])
    rates = sorted(point["train.lr"] for point in sweep.points["relu"])
    assert len(rates) == 9
    assert (rates[0], rates[4], rates[8]) == (0.03, 0.1, 0.3)
    # Both gaps are cut in four: ratios are the fourth roots of the grid's, to the three digits that rates have.
    for (low, high), whole in zip(pairwise(rates), [10 / 3] * 4 + [3.0] * 4, strict=True):
        assert math.isclose(high / low, whole**0.25, rel_tol=0.01)


def test_trials_beyond_the_grid_are_rates_of_all_combinations_alike() -> None:
    sweep = first_sweep(_recipe(space={"train.lr": LR, "train.weight_decay": [1e-4, 1e-3]}, trials=10))
    for points in sweep.points.values():
        decays = [point["train.weight_decay"] for point in points]
        assert (decays.count(1e-4), decays.count(1e-3)) == (5, 5)


@given(
    places=st.lists(st.integers(1, 100_000), min_size=2, max_size=6, unique=True), count=st.integers(0, 40)
)
def test_rates_between_are_so_many_new_ones_inside(places: list[int], count: int) -> None:
    rates = [place / 10_000 for place in places]
    found = rates_between(rates, count)
    assert len(found) == len({*found}) == count
    assert not {*found} & {*rates}
    assert all(min(rates) < rate < max(rates) for rate in found)
    every = sorted([*rates, *found])
    before = max(math.log(high / low) for low, high in pairwise(sorted(rates)))
    after = max(math.log(high / low) for low, high in pairwise(every))
    assert after <= before * 1.01
    if count >= len(rates) - 1:  # enough for every gap, so the widest is cut
        assert after < before


@given(
    rates=st.lists(st.integers(1, 10_000), min_size=2, max_size=4, unique=True),
    slopes=st.lists(st.integers(-50, 50), min_size=2, max_size=3, unique=True),
    extra=st.integers(0, 5),
    sides=st.lists(
        st.tuples(
            st.sampled_from(["train.lr", "arms.leaky.options.negative_slope"]),
            st.sampled_from(["low", "high"]),
        ),
        max_size=8,
    ),
)
@settings(deadline=None, max_examples=30)
def test_growth_keeps_every_point_and_the_arms_equal(
    rates: list[int], slopes: list[int], extra: int, sides: list[tuple[str, Any]]
) -> None:
    space = {
        "train.lr": [rate / 1000 for rate in rates],
        "arms.leaky.options.negative_slope": [slope / 100 for slope in slopes],
    }
    recipe = _recipe(space=space, trials=len(rates) * len(slopes) + extra)
    sweep = first_sweep(recipe)
    for edge in (Edge(key, side) for key, side in sides):
        if not can_grow(sweep, recipe, edge):
            continue
        before, sweep = sweep, grown(sweep, recipe, [edge])
        assert len(sweep.axes[edge.key]) == len(before.axes[edge.key]) + 1
        beyond = sweep.axes[edge.key][0 if edge.side == "low" else -1]
        assert beyond not in before.axes[edge.key]
        for arm, points in before.points.items():
            assert sweep.points[arm][: len(points)] == points
        assert any(point["train.lr"] == sweep.axes["train.lr"][0] for point in sweep.points["relu"])
    assert len({len(points) for points in sweep.points.values()}) == 1
    for points in sweep.points.values():
        assert len({tuple(point.items()) for point in points}) == len(points)
        low, *_, high = sweep.axes["train.lr"]
        assert all(low <= point["train.lr"] <= high for point in points)


def test_a_side_grows_by_its_last_ratio_and_only_so_far() -> None:
    recipe = _recipe()
    sweep, edge = first_sweep(recipe), Edge("train.lr", "high")
    for _ in range(MAX_GROWTH):
        assert can_grow(sweep, recipe, edge)
        sweep = grown(sweep, recipe, [edge])
    assert sweep.axes["train.lr"] == (0.03, 0.1, 0.3, 0.9, 2.7, 8.1)
    assert not can_grow(sweep, recipe, edge)
    assert can_grow(sweep, recipe, Edge("train.lr", "low"))
    assert grown(sweep, recipe, [Edge("train.lr", "low")]).axes["train.lr"][0] == 0.009


def test_the_end_of_a_settings_range_is_no_edge() -> None:
    decay, slope = "train.weight_decay", "arms.leaky.options.negative_slope"
    recipe = _recipe(space={"train.lr": LR, decay: [0.0, 1e-3], slope: [0.3, 1.0]})
    sweep = first_sweep(recipe)
    assert edges_at(sweep, recipe, {"train.lr": 0.1, decay: 0.0, slope: 1.0}) == []
    at = edges_at(sweep, recipe, {"train.lr": 0.03, decay: 1e-3, slope: 0.3})
    assert at == [Edge("train.lr", "low"), Edge(decay, "high"), Edge(slope, "low")]
    # 3.33 times the last slope would be above 1, which it may not be, so there is nowhere to go.
    narrower = _recipe(space={"train.lr": LR, slope: [0.1, 0.5]})
    assert not can_grow(first_sweep(narrower), narrower, Edge(slope, "high"))


@pytest.mark.parametrize(("values", "side", "expected"), [([8, 16], "high", 32), ([4, 6], "low", 2)])
def test_an_integer_setting_grows_by_integers(values: list[int], side: Any, expected: int) -> None:
    key = "arms.pwlu.options.intervals"
    recipe = _recipe(space={"train.lr": LR, key: values})
    sweep = first_sweep(recipe)
    if can_grow(sweep, recipe, Edge(key, side)):
        axis = grown(sweep, recipe, [Edge(key, side)]).axes[key]
        assert axis[0 if side == "low" else -1] == expected
    else:
        assert expected == 2  # 2.67 rounds to 3, which is odd
