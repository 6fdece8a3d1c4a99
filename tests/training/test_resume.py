"""A run killed with SIGKILL at the worst moments ends, once started again, exactly as an undisturbed one.

The real program runs in a subprocess that kills itself: in the middle of an epoch, half way through writing a
checkpoint, half way through writing the record.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ARGUMENTS = ["train", "demo_digits", "--profile", "smoke", "--arm", "lslu", "--seeds", "0", "train.epochs=3",
             "model.dropout=0.3", "input.mixup=0.2", "train.ema.horizon=0.3"]  # fmt: skip

KILL_MID_EPOCH = """
from actbench.training import loop
real, calls = loop.update, []
def update(*arguments):
    calls.append(1)
    if len(calls) == 6:  # four updates an epoch: in the middle of the second
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
loop.update = update
"""

KILL_WHILE_WRITING = """
from pathlib import Path
real, calls = Path.open, []
def open_(path, mode="r", *rest, **options):
    file = real(path, mode, *rest, **options)
    if "w" in mode and path.name.startswith(".{name}"):
        calls.append(1)
        if len(calls) == {nth}:
            whole = file.write
            def write(content):
                whole(content[: len(content) // 2])
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            class Dying:
                __enter__ = lambda self: self
                __exit__ = lambda self, *error: None
                write_ = write
            dying = Dying()
            dying.write = write
            return dying
    return file
Path.open = open_
"""

DISTURBANCES = {
    "in the middle of an epoch": KILL_MID_EPOCH,
    "during the second write of last.pt": KILL_WHILE_WRITING.format(name="last.pt", nth=2),
    "during a write of best_val.pt": KILL_WHILE_WRITING.format(name="best_val.pt", nth=1),
    "during the last write of last.pt": KILL_WHILE_WRITING.format(name="last.pt", nth=4),
    "during the write of the record": KILL_WHILE_WRITING.format(name="lslu-seed0", nth=1),
}


def _train(folder: Path, disturbance: str = "") -> int:
    folder.mkdir(exist_ok=True)
    code = f"import os, signal, sys\n{disturbance}\nfrom actbench.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, *ARGUMENTS],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=300,
    )
    return done.returncode


def _record(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "results" / "demo_digits" / "smoke").glob("*.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def _weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    (checkpoints,) = (folder / "results" / "demo_digits" / "smoke" / "checkpoints").glob("lslu-*")
    last = torch.load(checkpoints / "last.pt", weights_only=True)
    best = torch.load(checkpoints / "best_val.pt", weights_only=True)
    return {"last": last["model"], "ema": last["ema"], "best": best["model"]}


def _without_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = {"time_s", "step_time_s", "step_cpu_s", "data_time_s"}
    return [{key: value for key, value in epoch.items() if key not in times} for epoch in history]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert _train(folder) == 0
    return folder


BY_DEFAULT = ("in the middle of an epoch", "during the last write of last.pt")


@pytest.mark.parametrize(
    "moment",
    [m if m in BY_DEFAULT else pytest.param(m, marks=pytest.mark.slow) for m in DISTURBANCES],
)
def test_a_killed_run_ends_as_an_undisturbed_one(moment: str, tmp_path: Path, undisturbed: Path) -> None:
    assert _train(tmp_path, DISTURBANCES[moment]) == -signal.SIGKILL
    assert not list((tmp_path / "results" / "demo_digits" / "smoke").glob("*.json")), (
        "no half record may stand"
    )
    assert _train(tmp_path) == 0
    expected, found = _record(undisturbed), _record(tmp_path)
    assert _without_times(found["history"]) == _without_times(expected["history"])
    assert [epoch["epoch"] for epoch in found["history"]] == [0, 1, 2]
    assert found["results"] == expected["results"]
    assert found["run"] == expected["run"]
    for kind, weights in _weights(undisturbed).items():
        again = _weights(tmp_path)[kind]
        assert weights.keys() == again.keys()
        assert all(torch.equal(weights[name], again[name]) for name in weights), kind
    assert not list(tmp_path.rglob(".*.tmp-*")), "leftovers of the killed writer are removed"


def test_an_interrupted_run_is_stored_as_such_and_goes_on(tmp_path: Path, undisturbed: Path) -> None:
    stop = KILL_MID_EPOCH.replace("SIGKILL", "SIGTERM")
    assert _train(tmp_path, stop) == 130
    assert (_record(tmp_path)["status"], len(_record(tmp_path)["history"])) == ("interrupted", 1)
    assert _train(tmp_path) == 0
    record = _record(tmp_path)
    assert (record["status"], record["provenance"]["resumed"]) == ("completed", 1)
    assert _without_times(record["history"]) == _without_times(_record(undisturbed)["history"])
