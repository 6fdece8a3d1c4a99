"""What further runs cost, by those that were made."""

from collections.abc import Callable

import pytest

from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.run_cost import RunCost, TimedRun, cost_of, timed_runs


def test_each_arm_by_its_own_mean_and_one_without_by_the_others() -> None:
    made = [TimedRun("relu", 3000, "cpu"), TimedRun("relu", 4200, "cpu"), TimedRun("mine", 7200, "cpu")]
    assert cost_of({"relu": 2, "mine": 3, "new": 4}, made) == RunCost(
        runs=9, hours=2 * 1.0 + 3 * 2.0 + 4 * 1.5, hardware="cpu", timed=3
    )


def test_only_the_hardware_of_most_runs_counts() -> None:
    made = [TimedRun("relu", 1, "gpu"), TimedRun("relu", 3600, "cpu"), TimedRun("mine", 3600, "cpu")]
    assert cost_of({"relu": 1}, made) == RunCost(runs=1, hours=1.0, hardware="cpu", timed=2)
    assert cost_of({"relu": 1}, made[::-1]) == cost_of({"relu": 1}, made)


def test_without_a_timed_run_nothing_is_known() -> None:
    assert cost_of({"relu": 2}, []) == RunCost(runs=2, hours=None, hardware=None, timed=0)


def test_of_records_those_that_completed_are_timed(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    recipe = make_recipe()
    runs = [make_run(recipe, "relu", 0), make_run(recipe, "relu", 1, status="diverged")]
    assert timed_runs(runs) == [TimedRun("relu", 60.0, "a processor, 1 thread")]


@pytest.mark.parametrize(
    ("device", "shown"), [("cpu", "a processor, 2 threads"), ("cuda:0", "a processor (cuda:0)")]
)
def test_hardware_in_words(
    device: str, shown: str, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    run = make_run(make_recipe(), "relu", 0)
    made = run.provenance.model_copy(update={"device": device, "threads": 2})
    assert timed_runs([run.model_copy(update={"provenance": made})])[0].hardware == shown


def test_runs_that_shared_their_device_are_another_hardware(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    run = make_run(make_recipe(), "relu", 0)
    made = run.provenance.model_copy(update={"shared_by": 4})
    shared = run.model_copy(update={"provenance": made})
    assert [made.hardware for made in timed_runs([run, shared])] == [
        "a processor, 1 thread",
        "a processor, 1 thread, shared by 4 runs",
    ]
