"""`check` as the real program: its table, its JSON, its exit codes, and what it says of wrong usage."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]

PLUGIN = '''
import torch
from torch import nn

class Shifted(nn.Module):
    """ReLU with a corner that can be moved."""

    def __init__(self, num_channels: int, *, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, x):
        return torch.relu(x - self.shift)

class Forgetful(nn.Module):
    """Loses NaN on its way."""

    def forward(self, x):
        return torch.where(x > 0, x, torch.zeros_like(x))
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def test_a_table_of_named_checks(program: Program) -> None:
    done = program("check", "prelu", "sharing=layer", "init=0.5", "--shape", "2,4,3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["check", "result", "what", "was", "seen"]
    assert lines[1].split()[:3] == ["shape", "pass", "(2,"]
    assert max(map(len, lines)) <= 120
    assert lines[-1] == "prelu keeps the contract: 18 pass, 1 not declared"


def test_json_and_a_users_file_with_a_fault(program: Program, plugin: Path) -> None:
    done = program("check", "--plugin", str(plugin), "--shape", "2,4,3,3", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["passed"], document["shape"], document["channel_dim"]) == (False, [2, 4, 3, 3], 1)
    shifted, forgetful = document["activations"]
    assert (shifted["activation"], shifted["options"], shifted["passed"]) == ("Shifted", {}, True)
    failed = [entry for entry in forgetful["checks"] if entry["status"] == "fail"]
    assert failed == [
        {
            "name": "nan",
            "meaning": "NaN stays NaN",
            "status": "fail",
            "detail": "float32: NaN became 0",
        }
    ]


def test_one_class_of_a_users_file_with_its_options(program: Program, plugin: Path) -> None:
    done = program("check", "--plugin", str(plugin), "Shifted", "shift=0.5", "--shape", "2,4,3,3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(
        "Shifted keeps the contract: 13 pass, 2 not applicable, 4 not"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["swsh"], "command line: unknown activation 'swsh'\n  known: "),
        (["lslu", "m=2"], "command line: unknown key 'm' (m)\n  known: n, freeze\n"),
        (["lslu", "n=0"], "command line: must be at least 1, got 0 (n)\n"),
        (["swish", "sharing=row"], "command line: unknown value row (sharing)\n  known: channel, layer\n"),
        (["swish", "relu"], "command line: check takes one activation and its options, not swish relu\n"),
        (["swish", "--all"], "command line: name an activation or say --all\n"),
        ([], "command line: no activation named\n"),
        (["n=2", "--all"], "command line: options belong to one activation: name it before n=2\n"),
        (["swish", "--shape", "2,x"], "command line: '2,x' is no shape (--shape)\n  such as 2,16,6,6\n"),
        (
            ["swish", "--shape", "2,99999999999"],
            "command line: shape 2,99999999999: more than 1,048,576 values",
        ),
        (["swish", "--shape", "1,4"], "command line: shape 1,4: sizes must be at least 1, and the first, "),
        (["swish", "--channel-dim", "4"], "command line: channel dimension 4 is none of a batch of shape "),
        (
            ["frelu", "--shape", "2,8"],
            "command line: frelu needs 2 dimensions behind the channels, not those ",
        ),
        (["frelu", "--channel-dim", "-1"], "FReLU convolves images N,C,H,W: channel_dim must be 1, not -1\n"),
        (["--plugin", "nowhere.py"], "nowhere.py: cannot be read"),
    ],
)
def test_wrong_usage_is_exit_code_2(program: Program, arguments: list[str], told: str) -> None:
    done = program("check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
