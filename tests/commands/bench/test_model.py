"""`bench model` as the real program: its JSON, its table, and what it says of wrong usage."""

import json
import subprocess
from collections.abc import Callable

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]

SPREAD = {"median", "low", "high"}
SMALL = ("data.train=64", "data.test=20", "train.batch_size=8", "--steps", "2")


def test_arms_beside_relu(program: Program) -> None:
    done = program(
        "bench",
        "model",
        "lslu_vanillanet_c100",
        "--profile",
        "smoke",
        "--arm",
        "series_swish",
        *SMALL,
        "--json",
    )
    assert (done.returncode, done.stderr) == (0, "reading synthetic\n")
    document = json.loads(done.stdout)
    assert set(document) == {"machine", "recipes"}
    (recipe,) = document["recipes"]
    assert set(recipe) == {
        "recipe", "variant", "profile", "data", "batch_images", "steps", "clock", "allocator", "page_faults",
        "reference", "arms",
    }  # fmt: skip
    assert (recipe["recipe"], recipe["profile"], recipe["data"]) == (
        "lslu_vanillanet_c100",
        "smoke",
        "synthetic",
    )
    assert (recipe["batch_images"], recipe["steps"], recipe["reference"]) == (8, 2, "relu")
    relu, series = recipe["arms"]
    assert (relu["arm"], series["arm"]) == ("relu", "series_swish")
    for arm in (relu, series):
        assert set(arm) == {"arm", "backends", "step_s", "over_reference", "images_per_s", "shares", "notes"}
        assert set(arm["step_s"]) == set(arm["over_reference"]) == SPREAD
        assert list(arm["shares"]) == ["data", "augmentation", "forward", "backward", "optimiser"]
        assert sum(arm["backends"].values()) == 4
    assert relu["over_reference"] == {"median": 1.0, "low": 1.0, "high": 1.0}


def test_the_table(program: Program) -> None:
    done = program("bench", "model", "demo_digits", "--profile", "smoke", "--arm", "relu", "--steps", "2")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "demo_digits, smoke; digits"
    assert lines[1].startswith("batches of ")
    assert lines[4].split() == [
        "arm", "computed", "by", "step", "step", "images", "data", "augmentation", "forward", "backward", "optimiser",
    ]  # fmt: skip
    assert lines[7].split()[:3] == ["relu", "reference", f"({lines[7].split('(')[1].split(')')[0]})"]
    assert "1.00 [1.00 to 1.00]" in lines[7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["demo_digits", "--arm", "nobody"], "command line: unknown arm 'nobody' (--arm)"),
        (["demo_digits", "--steps", "1"], "command line: 1 is too few: at least 2 (--steps)"),
        (["demo_digits", "zoo_resnet8_c100"], "command line: bench model takes one recipe"),
        (["demo_digits", "--allocator", "both"], "command line: unknown value 'both' (--allocator)"),
    ],
)
def test_wrong_usage(program: Program, arguments: list[str], message: str) -> None:
    done = program("bench", "model", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
