"""Both loops in turn: what is counted, and whole epochs of the plain one beside actbench's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actbench.bench.loops import (
    TASKS,
    Epoch,
    cpu_seconds,
    images_per_s,
    in_turn,
    task_recipe,
    times_as_many,
    times_as_many_by_cpu,
)

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "torchvision_loop.py"


def test_rates_are_ratios_of_the_same_round() -> None:
    ours = [Epoch(1.0, 2.0, 0.0), Epoch(2.0, 2.0, 0.0), Epoch(4.0, 2.0, 0.0)]
    theirs = [Epoch(3.0, 10.0, 0.0), Epoch(8.0, 20.0, 0.0), Epoch(8.0, 30.0, 0.0)]
    assert times_as_many(ours, theirs) == (3.0, 2.5, 3.5)
    assert times_as_many_by_cpu(ours, theirs) == (10.0, 7.5, 12.5)
    assert images_per_s(ours, 100) == (50.0, 37.5, 75.0)
    assert times_as_many_by_cpu(ours, [*theirs[:2], Epoch(8.0, None, 0.0)]) is None


def test_the_first_epoch_of_each_does_not_count_and_they_take_turns() -> None:
    turns: list[str] = []

    def epochs(name: str) -> Iterator[float]:
        for number in range(9):
            turns.append(name)
            yield float(number)

    found = in_turn({"one": epochs("one"), "other": epochs("other")}, rounds=2)
    assert turns == ["one", "other"] * 3
    assert {name: [epoch.loss for epoch in side] for name, side in found.items()} == {
        "one": [1.0, 2.0],
        "other": [1.0, 2.0],
    }


def test_cpu_time_of_workers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = "sum(range(10**7)); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=-1, stdout=-1) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        alone = cpu_seconds()
        monkeypatch.setattr("multiprocessing.active_children", lambda: [worker])
        together = cpu_seconds()
        worker.communicate(b"\n")
    assert alone is not None
    assert together is not None
    assert together - alone > 0.02  # a hundred million cycles and more
    assert cpu_seconds() is None  # it is gone


def test_a_tasks_recipe_is_evaluated_in_no_epoch_that_is_timed() -> None:
    recipe = task_recipe(TASKS["lslu"], rounds=3, overrides=["train.channels_last=false"])
    assert (recipe.train.epochs, recipe.evaluation.every, recipe.profile) == (5, 10_000, "lite")
    assert recipe.arm("lslu").activation == "lslu"
    assert not recipe.train.channels_last


@pytest.mark.slow
@pytest.mark.parametrize("choices", [[], ["--amp", "bf16", "--transforms", "tensor", "--channels-last"]])
def test_both_loops_train_on_generated_images(choices: list[str]) -> None:
    sizes = ["--images", "48", "--batch-size", "16", "--rounds", "1", "--workers", "1", "--threads", "1"]
    environment = {key: value for key, value in os.environ.items() if key != "ACTBENCH_DATA_DIR"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "lslu", *choices, *sizes, "train.lr=0.001"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "48 images an epoch, batch 16, random bytes of CIFAR's shape" in done.stdout
    for side in ("torchvision loop", "actbench, contiguous", "actbench, channels-last"):
        (line,) = (line for line in done.stdout.splitlines() if line.startswith(side))
        assert float(line.split()[-1]) < 10
