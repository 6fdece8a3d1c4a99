"""Learnt scalars as numbers: which kind a parameter is of, medians and ranges, the known start, infinite values."""

from collections.abc import Callable

import pytest

from actbench.plots.parameters import Spread, logged_names, parameter
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord


@pytest.fixture
def run(
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
    with_history: Callable[..., RunRecord],
) -> Callable[..., RunRecord]:
    def make(
        logs: list[dict[str, dict[str, list[float | None]]]], arm: str = "swish", seed: int = 0
    ) -> RunRecord:
        record = make_run(make_recipe(), arm, seed)
        return with_history(record, [1.0] * len(logs), logs=logs)

    return make


def test_channels_become_median_and_range(run: Callable[..., RunRecord]) -> None:
    record = run([{"a": {"beta": [1.0, 5.0, 2.0]}, "b": {"beta": [1.0, 2.0]}}])
    beta = parameter("beta", [record])
    assert beta.kind == "channels"
    assert list(beta.paths) == ["a", "b"]
    assert beta.paths["a"][0].spreads == [Spread(2.0, 1.0, 5.0)]
    assert beta.paths["b"][0].spreads == [Spread(1.5, 1.0, 2.0)]


def test_as_many_values_at_every_site_are_terms(run: Callable[..., RunRecord]) -> None:
    record = run(
        [{"a": {"w": [1.0, 2.0]}, "b": {"w": [3.0, 4.0]}}, {"a": {"w": [5.0, 6.0]}, "b": {"w": [7.0, None]}}]
    )
    w = parameter("w", [record])
    assert w.kind == "terms"
    assert w.paths["a"][0].terms == [[1.0, 5.0], [2.0, 6.0]]
    assert w.paths["b"][0].terms == [[3.0, 7.0], [4.0, None]]
    nine = parameter("w", [run([{"a": {"w": [float(i) for i in range(9)]}}])])
    assert nine.kind == "channels", "too many lines to tell apart"


def test_wide_layers_are_summaries_and_narrow_ones_beside_them_means_too(
    run: Callable[..., RunRecord],
) -> None:
    record = run(
        [{"a": {"beta": [1.0, 1.0, 4.0]}, "b": {"beta.mean": [1.5], "beta.min": [1.0], "beta.max": [3.0]}}]
    )
    beta = parameter("beta", [record])
    assert beta.kind == "summary"
    assert beta.paths["a"][0].spreads == [Spread(2.0, 1.0, 4.0)]
    assert beta.paths["b"][0].spreads == [Spread(1.5, 1.0, 3.0)]
    assert logged_names([record]) == ["beta"]


def test_epochs_without_a_finite_value_are_left_out(run: Callable[..., RunRecord]) -> None:
    record = run([{"a": {"t": [None]}}, {"a": {"t": [2.0]}}, {}])
    (path,) = parameter("t", [record]).paths["a"]
    assert (path.epochs, path.spreads) == ([2], [Spread(2.0, 2.0, 2.0)])
    assert parameter("t", [run([{"a": {"t": [None]}}])]).paths == {}


def test_lslu_starts_where_it_is_known_to(run: Callable[..., RunRecord]) -> None:
    theta = parameter("theta", [run([{"a": {"theta": [0.9, 0.8]}}], "lslu", 1)])
    (path,) = theta.paths["a"]
    assert (path.epochs, path.terms) == ([0, 1], [[1.0, 0.9], [1.0, 0.8]])
    (path,) = parameter("theta", [run([{"a": {"theta": [0.9, 0.8]}}], "series")]).paths["a"]
    assert path.epochs == [1]


def test_a_parameter_that_is_never_finite_is_none_to_draw(run: Callable[..., RunRecord]) -> None:
    never = run([{"a": {"t1": [None], "p": [0.5]}}])
    assert logged_names([never]) == ["p"]
    assert logged_names([never, run([{"a": {"t1": [3.0]}}], seed=1)]) == ["p", "t1"]
