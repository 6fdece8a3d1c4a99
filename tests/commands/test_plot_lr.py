"""`actbench plot lr` and `compare` of a tuned recipe: the real program on stored trials, and its words of refusal."""

import json
import math
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.fair.naming import derived_recipe
from actbench.fair.tuning import choices
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Arm
from actbench.record import RunRecord
from actbench.store import Store
from tests.fair.trials import tuned

Program = Callable[..., "subprocess.CompletedProcess[str]"]
MakeRun = Callable[..., RunRecord]
RECIPE = """\
name: tuned
title: A narrow net
data: {name: cifar100}
model: {name: vanillanet, width: 0.125, decay_epochs: 10}
input: {size: 32}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
  - {name: lslu, activation: lslu}
train: {epochs: 30, lr: 0.1}
tune: {space: {train.lr: [0.03, 0.1, 0.3], arms.lslu.train.lr_factor: [0.3, 1]}, epochs: 0.5, seeds: [1000, 1001]}
profiles:
  paper: {}
  lite: {}
  smoke: {data: {name: synthetic}, tune: null}
"""
BEST = {"relu": 0.12, "swish": 0.05, "lslu": 0.45}


def _accuracy(arm: Arm, seed: int) -> float:
    assert arm.train.lr is not None
    off = math.log10(arm.train.lr / BEST[arm.activation])
    noise = random.Random(f"{arm.name} {seed}").gauss(0, 0.003)
    if off > 0.7:
        return math.nan
    return 0.62 - 0.08 * off**2 + noise - 0.02 * (arm.train.lr_factor < 1)


def _write(folder: Path, runs: list[RunRecord]) -> None:
    store = Store(folder)
    for run in runs:
        path = store.path(
            recipe=run.recipe.name, profile=run.recipe.profile, arm=run.arm.name, seed=run.seed, run=run.run
        )
        store.write(path, run)


@pytest.fixture
def stored(tmp_path: Path, make_run: MakeRun) -> Path:
    (tmp_path / "tuned.yaml").write_text(RECIPE)
    (recipe,) = load_recipe(tmp_path / "tuned.yaml").recipes
    _write(
        tmp_path / "results", [make_run(recipe, arm.name, seed) for arm in recipe.arms for seed in (0, 1, 2)]
    )
    found = tuned(recipe, _accuracy, make_run)
    _write(tmp_path / "results", [run.record for run in found])  # type: ignore[misc]
    chosen = [choice.arm for choice in choices(recipe, found).values()]
    fair = derived_recipe(recipe, "fair", chosen)
    counts = {"relu.tuned": 5400, "swish.tuned": 5300, "lslu.tuned": 5450}
    runs = [make_run(fair, arm, seed, n + 20 * seed) for arm, n in counts.items() for seed in (0, 1, 2)]
    _write(tmp_path / "results", runs)
    return tmp_path


@pytest.mark.usefixtures("stored")
def test_a_figure_in_three_formats(program: Program) -> None:
    done = program("plot", "lr", "tuned.yaml", "-o", "figures", "--json")
    assert done.returncode == 0, done.stderr
    written = [Path(path).name for path in json.loads(done.stdout)["written"]]
    assert written == [f"tuned-lite-lr{suffix}" for suffix in (".png", ".svg", ".pdf")]


def test_the_figure_names_arms_choices_and_the_recipes_rate(stored: Path, program: Program) -> None:
    assert program("plot", "lr", "tuned.yaml", "-o", "lr.svg").returncode == 0
    text = (stored / "lr.svg").read_text()
    for words in (
        "relu, best at ",
        "swish, best at ",
        "lslu, best at ",
        "the recipe's rate",
        "diverged",
        "15",
    ):
        assert words in text.replace("\N{NO-BREAK SPACE}", " ")
    one = program("plot", "lr", "tuned.yaml", "--arm", "relu", "-o", "relu.svg")
    assert one.returncode == 0, one.stderr
    alone = (stored / "relu.svg").read_text()
    assert "swish" not in alone
    rate = text.partition("relu, best at ")[2].partition("<")[0]
    assert f"relu, best at {rate}<" in alone, "an arm's search is the same whichever arms are shown"


@pytest.mark.usefixtures("stored")
def test_compare_shows_both_gaps_trials_and_hours_also_of_some_arms(program: Program) -> None:
    done = program("compare", "tuned.yaml", "--json")
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    lslu = next(row for row in table["rows"] if row["arm"] == "lslu")
    assert lslu["tuned_relu"]["difference"] == pytest.approx(0.005)
    assert len({row["trials"]["trials"] for row in table["rows"]}) == 1
    some = program("compare", "tuned.yaml", "--arm", "lslu", "--arm", "relu", "--json")
    (fewer,) = json.loads(some.stdout)["tables"]
    again = next(row for row in fewer["rows"] if row["arm"] == "lslu")
    assert again["trials"] == lslu["trials"]
    assert again["tuned_relu"]["difference"] == lslu["tuned_relu"]["difference"]
    one = program("compare", "tuned.yaml", "--seeds", "0", "--columns", "gaps,tuned,trials,hours")
    assert one.returncode == 0, one.stderr
    assert "both tuned" in one.stdout
    for format, head in (("markdown", "both tuned"), ("latex", "both tuned"), ("csv", "tuned_relu_low")):
        table_ = program("export-table", "tuned.yaml", "--format", format)
        assert table_.returncode == 0, table_.stderr
        assert head in table_.stdout


def test_what_cannot_be_drawn_is_told(stored: Path, program: Program, make_run: MakeRun) -> None:
    for file in (stored / "results" / "tuned.tune" / "lite").glob("*.json"):
        file.unlink()
    done = program("plot", "lr", "tuned.yaml")
    assert done.returncode == 2
    assert "no trial of tuned (profile lite) is finished\n  actbench train tuned.yaml" in done.stderr
    (smoke,) = load_recipe(stored / "tuned.yaml", profile="smoke").recipes
    _write(stored / "results", [make_run(smoke, "relu", 0)])
    done = program("plot", "lr", "tuned.yaml", "--profile", "smoke")
    assert done.returncode == 2
    assert (
        "recipe 'tuned' is not tuned: it has no block tune\n  write one, such as tune: {space:" in done.stderr
    )
