"""Sentences through the real program: killed in the middle, taken up again, compared, evaluated, refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.compare import compare
from actbench.commands.eval import EvalRequest, evaluate_stored
from actbench.recipe.load import load_recipe
from actbench.record import Tally
from actbench.store import Store

NAME = "raft_bert_small_sst2"
OVERRIDES = ["train.epochs=2", "train.ema.horizon=0.5", "train.amp=bf16", "input.tokens.max_length=10"]
ARGUMENTS = ["train", NAME, "--profile", "smoke", "--arm", "raf", "--seeds", "0", "--no-progress", *OVERRIDES]
KILL = """
from actbench.training import loop
real, calls = loop.update, []
def update(*arguments):
    calls.append(1)
    if len(calls) == 20:  # twelve updates an epoch: in the middle of the second
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
loop.update = update
"""
TIMES = {"time_s", "step_time_s", "step_cpu_s", "data_time_s"}


def run(
    folder: Path, *arguments: str, before: str = "", data_dir: str = "data"
) -> "subprocess.CompletedProcess[str]":
    code = (
        f"import os, signal, sys\n{before}\nfrom actbench.cli import main\nsys.argv[0] = 'actbench'\nmain()"
    )
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "ACTBENCH_OFFLINE": "1",
        "ACTBENCH_DATA_DIR": data_dir,
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def records_of(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "results").rglob("raf-*.json"))
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    done = run(folder, *ARGUMENTS)
    assert done.returncode == 0, done.stderr
    assert "minmax_seq/raf seed 0" in done.stdout
    assert "none/raf seed 0" in done.stdout
    assert "warning" not in done.stderr.lower()
    return folder


@pytest.mark.slow
def test_a_killed_run_ends_as_an_undisturbed_one(trained: Path, tmp_path: Path) -> None:
    assert run(tmp_path, *ARGUMENTS, before=KILL).returncode == -signal.SIGKILL
    assert run(tmp_path, *ARGUMENTS).returncode == 0
    pairs = list(zip(records_of(trained), records_of(tmp_path), strict=True))
    assert len(pairs) == 2
    for expected, found in pairs:
        for record in (expected, found):
            for epoch in record["history"]:
                for key in TIMES:
                    del epoch[key]
        assert found["history"] == expected["history"]
        assert found["results"] == expected["results"]
    assert sorted(found["provenance"]["resumed"] for _, found in pairs) == [0, 1]


def test_the_record_holds_answers_costs_and_groups(trained: Path) -> None:
    store = Store(trained / "results")
    records = [store.read(path) for path in store.paths()]
    assert len(records) == 2
    for record in records:
        assert record.recipe.task == "text"
        assert record.data.synthetic
        kinds = [(result.which, result.weights) for result in record.results]
        assert kinds == [("last", "raw"), ("best_val", "raw"), ("last", "ema"), ("best_val", "ema")]
        for result in record.results:
            assert isinstance(result.tally, Tally)
            assert result.tally.total == 128
            assert result.correct_bits
        assert record.cost is not None
        width, hidden, tokens = 16, 32, 10
        attention = 4 * width * width * tokens + 2 * tokens * tokens * width
        assert record.cost.macs == attention + 2 * width * hidden * tokens + width * width + width * 2
        assert record.cost.activation_parameters == 20  # ten at the block's site, ten at the pooler's
        assert record.cost.kept_bytes > 0
        (own,) = [group for group in record.parameter_groups if group.activation]
        assert (own.parameters, own.weight_decay) == (20, 0.1)
        assert set(record.backends) == {"layers.0.feed_forward.act", "pooler.act"}
        assert record.history[0].shapes


def test_compare_and_eval_know_sentences(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    found = compare([NAME], profile="smoke", arms=["raf"], seeds="0", overrides=OVERRIDES)
    text = " ".join(found.text.split())
    assert "test sentences" in text
    assert "on synthetic sentences with BERT 1 x 16, 2 heads, input scaling minmax_seq" in text
    assert "Synthetic data" in text
    for path in sorted((trained / "results").rglob("last.pt")):
        request = EvalRequest(references=(str(path),), device="cpu", deploy=True, results_dir=Path("results"))
        document: Any = evaluate_stored(request).document
        (row,) = document["evaluations"]
        stored = json.loads((trained / row["record"]).read_text())["results"][0]["tally"]
        assert row["total"] == stored["total"] == 128
        assert "answers differ from the training form" in row["note"]


def test_missing_files_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    done = run(tmp_path, "train", NAME, "--no-progress")
    assert done.returncode == 2
    assert "SST-2: no such folder" in done.stderr
    assert "with DIR/SST-2/{train,dev,test}.tsv" in done.stderr
    assert not (tmp_path / "results" / NAME / "lite").exists() or not list(
        (tmp_path / "results").rglob("*.json")
    )


def test_the_profiles_are_what_the_header_says() -> None:
    paper = load_recipe(NAME, profile="paper").recipes
    assert [recipe.variant for recipe in paper] == ["minmax_seq", "none"]
    assert [recipe.model.input_scaling for recipe in paper] == ["minmax_seq", "none"]  # type: ignore[union-attr]
    raf = paper[0].arm("raf")
    assert paper[0].train.lr * raf.train.lr_factor == pytest.approx(5e-3)
    lite = load_recipe(NAME, profile="lite").recipes[0]
    assert lite.train.lr * lite.arm("raf").train.lr_factor == pytest.approx(5e-3)
    assert (lite.data.name, lite.seeds) == ("sst2", (0, 1, 2))
