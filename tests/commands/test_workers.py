"""`train -j`: the real program in several processes, of which one dies; and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.cli.progress import Progress
from actbench.commands.request import TrainRequest
from actbench.commands.train import train
from actbench.commands.workers import _ending, threads_each

Program = Callable[..., "subprocess.CompletedProcess[str]"]
TIMES = {"time_s", "step_time_s", "step_cpu_s", "data_time_s"}
DIGITS = ["demo_digits", "--limit", "100", "train.epochs=2", "train.batch_size=32"]

DEADLY = """
import multiprocessing, os, signal
from torch import nn

class Deadly(nn.Module):
    def __init__(self, num_channels: int) -> None:
        super().__init__()

    def forward(self, x):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return x.relu()
"""


def _records(folder: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(folder.rglob("*.json")):
        record = json.loads(path.read_text())
        found[f"{record['arm']['name']} {record['seed']}"] = record
    return found


def _history(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in epoch.items() if key not in TIMES} for epoch in record["history"]]


@pytest.fixture
def with_deadly(tmp_path: Path) -> Callable[[str], list[str]]:
    """The demonstration with an arm that kills a worker, before its others or behind them; what names it all."""

    def make(where: str) -> list[str]:
        (tmp_path / "deadly.py").write_text(DEADLY)
        (tmp_path / "recipes").mkdir()
        text = (Path(__file__).parents[2] / "recipes" / "demo_digits.yaml").read_text()
        anchor = "arms:\n" if where == "first" else "activation: swish}\n"
        assert anchor in text
        text = text.replace(anchor, f"{anchor}- {{name: deadly, activation: Deadly}}\n")
        (tmp_path / "recipes" / "demo_digits.yaml").write_text(text)
        arms = [word for arm in ("deadly", "relu", "swish") for word in ("--arm", arm)]
        return ["train", *DIGITS, *arms, "--seeds", "0", "--plugin", "deadly.py", "-j", "2"]

    return make


def test_a_process_that_dies_costs_its_run_and_the_others_end_as_alone(
    program: Program, tmp_path: Path, with_deadly: Callable[[str], list[str]]
) -> None:
    done = program(*with_deadly("last"), "--json")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    document = {run["arm"]: run["status"] for run in json.loads(done.stdout)["runs"]}
    assert document == {"relu": "completed", "swish": "completed", "deadly": "failed"}
    reason = "the process that trained it was killed by SIGKILL, perhaps for want of memory"
    assert f"deadly seed 0: failed: {reason}" in done.stderr
    assert "[2/3] demo_digits swish seed 0" in done.stderr
    assert "demo_digits relu seed 0  epoch 2/2  loss " in done.stderr
    together = _records(tmp_path / "results")
    assert together["deadly 0"]["reason"] == reason
    assert {record["provenance"]["shared_by"] for record in together.values()} == {2}
    torch.set_num_threads(1)
    request = TrainRequest(
        references=("demo_digits",),
        overrides=tuple(word for word in DIGITS if "=" in word),
        limit=100,
        arms=("relu", "swish"),
        seeds="0",
        device="cpu",
        results_dir=tmp_path / "alone",
    )
    assert train(request, Progress(show_epochs=False)).exit_code == 0
    for name, record in _records(tmp_path / "alone").items():
        assert record["provenance"]["shared_by"] == 1
        assert record["run"] == together[name]["run"]
        assert _history(record) == _history(together[name])
        assert record["results"] == together[name]["results"]


@pytest.mark.slow
def test_another_takes_the_place_of_a_process_that_dies(
    program: Program, tmp_path: Path, with_deadly: Callable[[str], list[str]]
) -> None:
    done = program(*with_deadly("first"), "-j", "2")
    assert done.returncode == 3, done.stderr
    status = {name: record["status"] for name, record in _records(tmp_path / "results").items()}
    assert status == {"deadly 0": "failed", "relu 0": "completed", "swish 0": "completed"}


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [True, False])
def test_an_interruption_ends_all_processes_and_keeps_what_there_is(tmp_path: Path, to_all: bool) -> None:
    """As a terminal's Ctrl-C, which every process of the group hears, and as SIGTERM to the command alone."""
    arguments = [*DIGITS, "--arm", "relu", "--arm", "swish", "--seeds", "0", "-j", "2", "train.epochs=500"]
    command = subprocess.Popen(
        [sys.executable, "-m", "actbench", "train", *arguments],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert command.stderr is not None
    told = ""
    while "relu seed 0  epoch 2/" not in told or "swish seed 0  epoch 2/" not in told:
        line = command.stderr.readline()
        assert line, told
        told += line
    if to_all:
        os.killpg(command.pid, signal.SIGINT)
    else:
        command.terminate()
    told += command.stderr.read()
    command.stderr.close()
    assert command.wait(60) == 130
    assert "interrupted; everything finished so far is kept" in told
    assert "Traceback" not in told
    records = _records(tmp_path / "results")
    assert {name: record["status"] for name, record in records.items()} == {
        "relu 0": "interrupted",
        "swish 0": "interrupted",
    }
    assert all(len(record["history"]) >= 2 for record in records.values())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _lives(command.pid):
        time.sleep(0.1)
    assert not _lives(command.pid), "no process of the command's group is left"


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_threads_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert [threads_each(count) for count in (2, 3, 8, 20)] == [4, 2, 1, 1]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert threads_each(2) == 1, "what OMP_NUM_THREADS asks for is not exceeded"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-signal.SIGKILL, "was killed by SIGKILL, perhaps for want of memory"),
        (1, "ended with exit code 1"),
        (-500, "ended with exit code -500"),
    ],
)
def test_how_a_process_ended_in_words(code: int, words: str) -> None:
    assert _ending(code) == words
