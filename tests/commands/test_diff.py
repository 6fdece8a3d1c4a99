"""`diff`, the program: what can be named, what is said, and its exit codes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.commands.diff import diff
from actbench.errors import ActbenchError
from actbench.recipe.load import load_recipe
from actbench.record import RunRecord
from actbench.store import Store

Program = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: mine
data: {name: digits}
input: {size: 32}
model: {name: vanillanet, width: 0.125, decay_epochs: 1}
arms:
  - {name: relu, activation: relu}
  - {name: lslu, activation: lslu}
train: {epochs: 2, lr: 0.1}
seeds: [0, 1]
profiles: {paper: {}, lite: {}, smoke: {data: {name: synthetic}}}
"""


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., RunRecord]
) -> Callable[..., Path]:
    """A folder with the recipe `mine`; stores runs of it, with overrides, and tells their files."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RECIPE)

    def store(arm: str, seed: int, *overrides: str, **fields: object) -> Path:
        recipe = load_recipe("mine.yaml", overrides=overrides).recipes[0]
        run = make_run(recipe, arm, seed, **fields)
        store = Store(Path("results"))
        path = store.path(recipe="mine", profile="lite", arm=arm, seed=seed, run=run.run)
        store.write(path, run)
        return path

    return store


def test_two_runs_by_address(bench: Callable[..., Path], program: Program) -> None:
    one, two = bench("relu", 0, correct=5000), bench("lslu", 1, correct=5100)
    done = program("diff", "mine.yaml:relu:0", "mine.yaml:lslu:1")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "not one run: another arm (relu / lslu), another seed (0 / 1)"
    assert lines[1:5] == [
        "A  mine, profile lite, relu, seed 0",
        f"   {one}",
        "B  mine, profile lite, lslu, seed 1",
        f"   {two}",
    ]
    assert "  last (raw) top1_accuracy  50.00 %  51.00 %  +1.00 points" in lines


def test_check_exits_with_4_where_they_differ_and_json_has_both_values(
    bench: Callable[..., Path], program: Program
) -> None:
    one, two = bench("relu", 0), bench("relu", 0, "train.lr=0.2")
    done = program("diff", str(one), str(two), "--check", "--json")
    assert (done.returncode, done.stderr) == (4, "")
    document = json.loads(done.stdout)
    assert (document["kind"], document["equal"], document["a"]) == ("runs", False, str(one))
    assert document["sections"]["settings"]["differences"] == [{"key": "train.lr", "a": 0.1, "b": 0.2}]


def test_the_same_run_elsewhere_is_equal(bench: Callable[..., Path], program: Program) -> None:
    one = bench("relu", 0)
    copy = one.rename("elsewhere.json")
    two = bench("relu", 0, hardware="another processor")
    done = program("diff", str(copy), str(two), "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("equal: one run made twice")
    assert "hardware  a processor  another processor" in done.stdout
    same = diff(str(two), str(two), profile=None, results_dir=Path("results"), check=True)
    assert (same.text, same.exit_code) == ("equal: one and the same file", 0)


@pytest.mark.usefixtures("bench")
def test_two_recipes_key_by_key_with_their_lines(program: Program) -> None:
    Path("other.yaml").write_text("base: mine\nname: other\ntrain: {lr: 0.3}\nseeds: [0]\n")
    done = program("diff", "mine.yaml", "other.yaml", "--check")
    assert (done.returncode, done.stderr) == (4, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "train.lr 0.1, mine.yaml:8 0.3, other.yaml:3" in lines
    assert "seeds [0, 1], mine.yaml:9 [0], other.yaml:4" in lines
    assert (
        diff("mine.yaml", "mine.yaml", profile=None, results_dir=Path("results"), check=True).exit_code == 0
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("mine.yaml", "mine.yaml:relu:0"), 2, "a recipe and a run do not compare"),
        (("mine.yaml:relu:0", "mine.yaml:rleu:0"), 2, "did you mean 'relu'?"),
        (("mine.yaml:relu:0", "mine.yaml:relu:x"), 2, "'x' is no seed"),
        (("mine.yaml:relu:0", "mine.yaml:relu:7"), 4, "no records of mine with --seeds 7 (profile lite)"),
        (("mine.yaml:relu:0", "gone.json"), 2, "gone.json: cannot be read"),
        (("mine.yaml", "mien"), 2, "no recipe 'mien'"),
    ],
)
def test_what_is_wrongly_named_is_told(
    bench: Callable[..., Path], words: tuple[str, str], code: int, message: str
) -> None:
    bench("relu", 0)
    with pytest.raises(ActbenchError) as caught:
        diff(*words, profile=None, results_dir=Path("results"))
    assert caught.value.exit_code == code
    assert message in str(caught.value)
