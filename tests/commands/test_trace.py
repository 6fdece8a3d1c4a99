"""`trace`, the program: how a cell is named, what is said, and its exit codes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.commands.trace import trace
from actbench.errors import ActbenchError
from actbench.recipe.load import load_recipe
from actbench.record import RunRecord
from actbench.store import Store

Program = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: mine
paper: lslu
table: lslu-table3-gain
data: {name: cifar100}
model: {name: vanillanet, width: 0.125, decay_epochs: 1}
arms:
  - {name: relu, activation: relu}
  - {name: series, activation: series}
  - {name: lslu, activation: lslu}
baselines: [relu]
train: {epochs: 2, lr: 0.1}
seeds: [0, 1]
profiles: {paper: {}, lite: {}, smoke: {data: {name: synthetic}}}
"""


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., RunRecord]
) -> dict[str, Path]:
    """A folder with the recipe `mine` and all its runs; tells their files by arm and seed."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RECIPE)
    recipe = load_recipe("mine.yaml").recipes[0]
    store, files = Store(Path("results")), {}
    for arm in recipe.arms:
        for seed in recipe.seeds:
            run = make_run(
                recipe, arm.name, seed, 5000 + 10 * seed + (7 + (-1) ** (seed + 1)) * len(arm.name)
            )
            path = store.path(recipe="mine", profile="lite", arm=arm.name, seed=seed, run=run.run)
            store.write(path, run)
            files[f"{arm.name} {seed}"] = path
    return files


def test_a_gap_by_the_head_of_its_column(bench: dict[str, Path], program: Program) -> None:
    done = program("trace", "mine.yaml", "series", "vs relu")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "mine, profile lite: series, vs relu"
    assert lines[1].strip().startswith("+0.14 [")
    assert lines[2].startswith("  unrounded, as fractions: difference 0.0014")
    for run in ("series 0", "series 1", "relu 0", "relu 1"):
        assert sum(str(bench[run]) in line for line in lines) == 1
    assert not any(str(bench["lslu 0"]) in line for line in lines)
    (first,) = (line for line in lines if str(bench["series 0"]) in line)
    assert first.startswith("  series seed 0  0.5036 = 5036 of 10000  completed at epoch 30, 60 s  ")
    assert "records, all of an unknown commit, on cpu, a processor, 1 thread" in lines
    assert lines[-1] == "made again from these records, every number is the table's"


def test_json_holds_every_number_of_a_whole_row(bench: dict[str, Path], program: Program) -> None:
    done = program("trace", "mine.yaml", "lslu", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["agrees"] is True
    cells = {cell["column"]: cell for cell in document["cells"]}
    assert cells.keys() >= {"top1", "vs_relu", "vs_series", "parameters", "step_time"}
    assert [run["file"] for run in cells["top1"]["runs"]] == [str(bench["lslu 0"]), str(bench["lslu 1"])]
    (value,) = cells["vs_series"]["reported"]
    assert value["value"] == 3.17
    assert value["place"].rpartition(":")[0].endswith("papers/lslu.yaml")
    assert cells["top1"]["numbers"]["mean"] == cells["top1"]["made_again"]["mean"] == pytest.approx(0.5033)


@pytest.mark.parametrize(
    ("column", "head"),
    [
        *((name, "vs series") for name in ("vs series", "VS SERIES", "vs_series", "series")),
        *((name, "top-1 %") for name in ("top-1 %", "top1", "metric")),
        ("p (Holm) vs relu", "p (Holm) vs relu"),
    ],
)
def test_a_column_by_any_of_its_names(bench: dict[str, Path], column: str, head: str) -> None:
    assert len(bench) == 6
    outcome = trace("mine.yaml", "lslu", column)
    assert outcome.text.startswith(f"mine, profile lite: lslu, {head}")
    assert ("actbench/papers/lslu.yaml:" in outcome.text) == (head == "vs series")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("mine.yaml", "serie"), "mine has no arm 'serie'", "did you mean 'series'?"),
        (("mine.yaml", "lslu", "vs rleu"), "the table has no column 'vs rleu'", "did you mean 'vs relu'?"),
    ],
)
def test_the_nearest_name_is_told(
    bench: dict[str, Path], words: tuple[str, ...], message: str, hint: str
) -> None:
    assert bench
    with pytest.raises(ActbenchError) as caught:
        trace(*words)
    assert message in str(caught.value)
    assert hint in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("bench")
def test_a_recipe_alone_is_no_cell(program: Program) -> None:
    done = program("trace", "mine.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "trace takes a recipe, an arm and, if you like, a column" in done.stderr
