"""A recipe with tuning and controls, trained by the real program: what is run in which order, and what it leaves."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.record import RunRecord
from actbench.store import Store

Program = Callable[..., "subprocess.CompletedProcess[str]"]
RECIPE = """\
name: staged
title: A tiny network
data: {name: synthetic, num_classes: 4, channels: 1, size: 8, train: 80, test: 40}
input: {size: 8}
model: {name: cnn, stages: [[4]], batch_norm: true}
arms:
  - {name: relu, activation: relu}
  - {name: lslu, activation: lslu, options: {n: 1}}
train: {epochs: 2, batch_size: 20, lr: 0.1}
evaluation: {val_fraction: 0.25}
tune: {space: {train.lr: [0.01, 0.1]}, epochs: 0.5, seeds: [7], edge: flag}
controls: [time, slot]
baselines: [relu]
seeds: [0, 1]
profiles: {paper: {}, lite: {}, smoke: {}}
"""


def records(folder: Path, part: str = "") -> dict[tuple[str, int], RunRecord]:
    store = Store(folder)
    found = [store.read(path) for path in store.paths(f"staged{part}")]
    return {(record.arm.name, record.seed): record for record in found}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "staged.yaml").write_text(RECIPE)
    return tmp_path


def test_trials_choose_by_validation_and_everything_is_found_again(recipe: Path, program: Program) -> None:
    results = recipe / "results"
    done = program("train", "staged.yaml", "--calibrate", "--no-progress")
    assert done.returncode == 0, done.stderr
    trials = records(results, ".tune")
    assert {name.partition(".lr")[0] for name, _ in trials} == {"relu", "lslu", "relu.slot.lslu"}
    assert len(trials) == 6
    assert {seed for _, seed in trials} == {7}
    assert all(not trial.results and len(trial.history) == 1 for trial in trials.values())
    fair = records(results, ".fair")
    assert {(name, seed) for name, seed in fair if "time" not in name} == {
        (name, seed) for name in ("relu.tuned", "lslu.tuned", "relu.slot.lslu") for seed in (0, 1)
    }
    for arm, tuned in (("relu", "relu.tuned"), ("lslu", "lslu.tuned"), ("relu.slot.lslu", "relu.slot.lslu")):
        own = [trial for (name, _), trial in trials.items() if name.startswith(f"{arm}.lr")]
        best = max(own, key=lambda trial: (trial.history[-1].val.correct, -trial.history[-1].val.loss_sum))  # type: ignore[union-attr, operator]
        assert fair[tuned, 0].arm.train.lr == best.arm.train.lr
    # One footing for all that stands in one table.
    plain, calibrated = records(results), records(results, ".calibrate")
    assert len({record.footing for record in [*plain.values(), *fair.values(), *calibrated.values()]}) == 1
    assert {name for name, _ in calibrated} >= {"relu_again", "leaky_0.8"}
    assert "both tuned" in done.stdout
    assert "same slot" in done.stdout

    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    again = program("train", "staged.yaml", "--calibrate", "--no-progress")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.json")} == before
    assert again.stdout.partition("\n\n")[2] == done.stdout.partition("\n\n")[2]

    table = json.loads(program("waterfall", "staged.yaml", "--json").stdout)["tables"][0]
    files = {Path(file) for row in table["rows"] for file in row["files"]}
    assert all((recipe / file).is_file() for file in files)
    assert [row["comparison"] for row in table["rows"]] == [
        "same recipe", "both tuned", "equal time", "same slot",
    ]  # fmt: skip


def test_with_an_arm_named_only_its_own_runs_are_made(recipe: Path, program: Program) -> None:
    done = program("train", "staged.yaml", "--arm", "relu", "--seeds", "0", "--no-progress")
    assert done.returncode == 0, done.stderr
    assert {folder.name for folder in (recipe / "results").iterdir()} == {"staged"}


@pytest.mark.usefixtures("recipe")
def test_a_plan_tells_what_follows_the_recipes_own_runs(program: Program) -> None:
    done = program("train", "staged.yaml", "--plan")
    assert done.returncode == 0, done.stderr
    assert "0 of 4 runs done" in done.stdout
    assert "staged: then 6 trials of 1 epochs" in done.stdout
    assert "4 runs of tuned arms, up to 4 of controls" in done.stdout
