"""`actbench lock`: the real program, what tables say of a lock, and what is refused."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.recipe.load import load_recipe
from actbench.store import Store
from tests.fair.falls import MakeRun

Program = Callable[..., "subprocess.CompletedProcess[str]"]
RECIPE = """\
name: fixed
data: {name: cifar100}
model: {name: vanillanet, width: 0.125, decay_epochs: 10}
input: {size: 32}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
train: {epochs: 30, lr: 0.1}
seeds: [0, 1]
profiles:
  paper: {}
  lite: {}
  smoke: {data: {name: synthetic}}
"""


@pytest.fixture
def add_runs(tmp_path: Path, make_run: MakeRun) -> Callable[..., None]:
    """Stores runs of both arms with these seeds."""
    (tmp_path / "fixed.yaml").write_text(RECIPE)

    def add(*seeds: int) -> None:
        (recipe,) = load_recipe(tmp_path / "fixed.yaml").recipes
        store = Store(tmp_path / "results")
        for arm in recipe.arms:
            for seed in seeds:
                run = make_run(recipe, arm.name, seed, 5000 + 10 * seed)
                path = store.path(recipe="fixed", profile="lite", arm=arm.name, seed=seed, run=run.run)
                store.write(path, run)

    return add


def _notes(program: Program, *words: str) -> str:
    done = program("compare", "fixed.yaml", *words)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_a_lock_before_any_run_is_told_and_departures_are_named(
    program: Program, add_runs: Callable[..., None]
) -> None:
    done = program("lock", "fixed.yaml")
    assert done.returncode == 0, done.stderr
    assert "locked fixed: 2 arms, seeds 0, 1, top1_accuracy, margin 0.5" in done.stdout
    add_runs(0, 1)
    told = _notes(program)
    assert "before any run: arms, seeds 0, 1, top1_accuracy, margin 0.5 and analysis." in told
    assert "Other than locked" not in told
    assert "Optional stopping" not in told
    add_runs(2, 3)
    told = _notes(program, "analysis.margin=0.2", "analysis.method=welch")
    assert "Other than locked: margin 0.5 / 0.2; method moderated / welch." in told
    assert "Optional stopping: seeds 2, 3 came after the lock" in told


def test_a_lock_after_a_look_says_how_much_was_there(program: Program, add_runs: Callable[..., None]) -> None:
    add_runs(0)
    assert "2 of its runs are stored already" in program("lock", "fixed.yaml").stdout
    assert "with 2 of its runs stored already" in _notes(program)


def test_an_arm_that_was_added_is_named(
    program: Program, add_runs: Callable[..., None], tmp_path: Path
) -> None:
    add_runs(0, 1)
    program("lock", "fixed.yaml")
    text = RECIPE.replace("  - {name: swish", "  - {name: gelu, activation: gelu}\n  - {name: swish")
    (tmp_path / "fixed.yaml").write_text(text)
    assert "Other than locked: added gelu." in _notes(program)


def test_what_is_locked_stays(program: Program, add_runs: Callable[..., None], tmp_path: Path) -> None:
    add_runs()
    assert program("lock", "fixed.yaml").returncode == 0
    path = tmp_path / "results" / "fixed" / "lite.lock.json"
    before = path.read_bytes()
    done = program("lock", "fixed.yaml", "seeds=0..9")
    assert done.returncode == 2
    assert "lite.lock.json: locked since" in done.stderr
    assert path.read_bytes() == before


def test_a_damaged_lock_is_named(program: Program, add_runs: Callable[..., None], tmp_path: Path) -> None:
    add_runs(0, 1)
    (tmp_path / "results" / "fixed" / "lite.lock.json").write_text("{")
    done = program("compare", "fixed.yaml")
    assert done.returncode == 2
    assert "lite.lock.json" in done.stderr
    assert "Traceback" not in done.stderr
