"""`actbench try`: a bare module to its waterfall by the real program, and what is refused before anything is spent."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from actbench.cli.options import known_budget
from actbench.errors import ActbenchError

Program = Callable[..., "subprocess.CompletedProcess[str]"]
MODULE = """\
import torch
from torch import nn


class Bent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.25))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, self.slope * torch.tanh(x))
"""
BASE = """\
name: small
data: {name: synthetic, num_classes: 4, channels: 1, size: 8, train: 80, test: 40}
input: {size: 8}
model: {name: resnet_cifar, depth: 8, width: 4}
arms:
  - {name: relu, activation: relu}
  - {name: gelu, activation: gelu}
train: {epochs: 2, batch_size: 20, lr: 0.1}
evaluation: {val_fraction: 0.25}
baselines: [relu]
seeds: [0]
profiles: {paper: {}, lite: {}, smoke: {}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bent.py").write_text(MODULE)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "small.yaml").write_text(BASE)
    return tmp_path


def test_a_bare_module_is_tuned_controlled_and_shown(folder: Path, program: Program) -> None:
    done = program("try", "bent.py:Bent", "small", "--no-progress", "controls=[time]")
    assert done.returncode == 0, done.stderr
    assert "Bent does not declare: operations per element" in done.stderr
    for words in ("same recipe", "both tuned", "try_Bent_small Bent tuned: train.lr=", "Calibrated: relu"):
        assert words in done.stdout
    written = yaml.safe_load((folder / "recipes" / "try_Bent_small.yaml").read_text())
    assert written["base"] == "small"
    assert written["profiles"]["lite"] == {
        "drop_arms": ["gelu"],
        "tune": {"space": {"train.lr": [0.0333, 0.1, 0.3]}, "epochs": 0.5, "seeds": [1000]},
    }

    before = {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*.json")}
    again = program("try", "bent.py:Bent", "small", "--no-progress", "controls=[time]")
    assert again.returncode == 0, again.stderr
    assert "try_Bent_small.yaml is there already and taken as it stands" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*.json")} == before


def test_a_spent_budget_leaves_an_interim_table(folder: Path, program: Program) -> None:
    done = program("try", "bent.py:Bent", "small", "--budget", "0.001s", "--no-progress")
    assert done.returncode == 4
    assert "no records of try_Bent_small" in done.stderr
    assert (folder / "recipes" / "try_Bent_small.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bent.py:Bend", "small"), "bent.py has no activation 'Bend'"),
        (("other.py:Bent", "small"), "other.py: cannot be read"),
        (("Bent", "small"), "'Bent' names no class in a file"),
        (("bent.py:Bent", "smal"), "did you mean 'small'?"),
        (("bent.py:Bent", "small", "--budget", "soon"), "'soon' is no length of time"),
    ],
)
def test_what_cannot_be_tried_is_told(
    folder: Path, program: Program, words: tuple[str, ...], message: str
) -> None:
    done = program("try", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results").exists()


def test_an_arm_can_be_added_to_any_recipe(folder: Path, program: Program) -> None:
    words = ("small", "--add-arm", "silu", "--add-arm", "bent.py:Bent")
    done = program("train", *words, "--no-progress")
    assert done.returncode == 0, done.stderr
    names = {path.name.partition("-")[0] for path in (folder / "results/small/lite").glob("*.json")}
    assert names == {"relu", "gelu", "silu", "Bent"}
    compared = program("compare", *words)
    assert compared.returncode == 0, compared.stderr
    assert "silu" in compared.stdout
    assert "Bent" in compared.stdout


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), (None, None)])
def test_budgets(text: str | None, seconds: float | None) -> None:
    assert known_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5d", "1h 30m", "-5m"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ActbenchError, match="no length of time"):
        known_budget(text)
