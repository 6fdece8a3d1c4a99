"""`bench ops` as the real program: its table, its JSON, its exit codes, and what it says of wrong usage."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from actbench.commands.bench.ops import OpsRequest, bench_ops
from actbench.errors import ActbenchError

Program = Callable[..., "subprocess.CompletedProcess[str]"]

PLUGIN = '''
import torch
from torch import nn

class Twice(nn.Module):
    """ReLU of the doubled input."""

    def forward(self, x):
        return torch.relu(2 * x)
'''
SPREAD = {"median", "low", "high"}
COST = {"time_s", "over_relu", "over_silu", "bytes_per_s", "of_copy"}


def test_json_of_a_users_file_and_an_activation_beside(program: Program, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    done = program(
        "bench",
        "ops",
        "Twice",
        "prelu",
        "--plugin",
        "mine.py",
        "--shape",
        "4,8,4,4",
        "--rounds",
        "2",
        "--json",
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert set(document) == {"machine", "setting", "copy", "activations", "left_out"}
    assert set(document["machine"]) >= {"hardware", "threads", "torch", "actbench", "commit"}
    setting = document["setting"]
    assert (setting["shape"], setting["dtype"], setting["layout"]) == ([4, 8, 4, 4], "float32", "contiguous")
    assert (setting["rounds"], setting["clock"]) == (2, "CPU time of one thread")
    assert setting["allocator"]
    assert set(document["copy"]["time_s"]) == SPREAD
    assert [row["activation"] for row in document["activations"]] == ["relu", "silu", "Twice", "prelu"]
    for row in document["activations"]:
        assert set(row) == {
            "activation", "options", "compiled", "backend", "forward", "both", "kept_bytes_per_element", "kept_inputs",
            "peak_bytes_per_element", "operations_per_element", "keeps_layout", "first_call_s",
        }  # fmt: skip
        for way in ("forward", "both"):
            assert set(row[way]) == COST
            assert set(row[way]["over_relu"]) == SPREAD
            assert row[way]["time_s"]["median"] > 0
    relu, _, twice, prelu = document["activations"]
    assert relu["both"]["over_relu"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert (twice["backend"], twice["operations_per_element"]) == ("reference", None)
    assert prelu["kept_bytes_per_element"] == 4.0


def test_a_table_with_options() -> None:
    threads = torch.get_num_threads()
    request = OpsRequest(
        words=("prelu", "sharing=layer"), shape="4,8", rounds=2, threads=2, allocator="system"
    )
    try:
        lines = bench_ops(request).text.splitlines()
    finally:
        torch.set_num_threads(threads)
    assert lines[0].startswith("4,8 float32, contiguous; ")
    assert ", 2 threads (" in lines[0]
    assert " additions a cycle), torch 2." in lines[0]
    assert lines[1].startswith("wall time, 2 rounds; allocator: ")
    assert lines[4].split()[:3] == ["activation", "computed", "by"]
    rows = {line.split("  ")[0]: line for line in lines[7:10]}
    assert list(rows) == ["relu", "silu", "prelu sharing=layer"]
    assert rows["relu"].count("1.00 [1.00 to 1.00]") == 2
    assert max(map(len, lines)) <= 150


@pytest.mark.slow
def test_compiled_rows_stand_beside_eager_ones_and_keep_their_kernels(program: Program) -> None:
    names = ("relu2", "swish", "pwlu")
    done = program("bench", "ops", *names, "--shape", "4,8,4,4", "--rounds", "2", "--compile", "--json")
    assert done.returncode == 0
    rows = json.loads(done.stdout)["activations"]
    assert [(row["activation"], row["compiled"]) for row in rows] == [
        (name, compiled) for name in ("relu", "silu", *names) for compiled in (False, True)
    ]
    assert min(row["first_call_s"] for row in rows if row["compiled"]) > 0.05
    assert {row["backend"] for row in rows if row["activation"] in names} == {"cpp"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reluu"], "command line: unknown activation 'reluu'"),
        (
            ["prelu", "relu", "init=0.5"],
            "command line: options belong to one activation: name one beside init=0.5",
        ),
        (["prelu", "init=high"], "command line: "),
        (["all", "relu"], "command line: all is all of them: name no other beside it"),
        (
            ["relu", "--shape", "4"],
            "command line: '4' is no shape: batch, channels and what is behind them (--shape)",
        ),
        (["relu", "--shape", "1,4"], "command line: shape 1,4: sizes must be at least 1, and the first"),
        (["relu", "--rounds", "1"], "command line: 1 is too few: at least 2 (--rounds)"),
        (["relu", "--dtype", "float64"], "command line: unknown value 'float64' (--dtype)"),
        (
            ["relu", "--shape", "4,8", "--layout", "channels_last"],
            "command line: shape 4,8: channels_last is a layout",
        ),
    ],
)
def test_wrong_usage_is_told_without_loading_torch(
    program: Program, arguments: list[str], message: str
) -> None:
    done = program("bench", "ops", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_a_shape_that_memory_cannot_hold_is_refused() -> None:
    with pytest.raises(ActbenchError, match="more than 4 GiB in float32"):
        bench_ops(OpsRequest(words=("relu",), shape="65536,64,32,32"))
