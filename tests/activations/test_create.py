"""Making an activation by name: what is refused, in which words, and that looking costs no torch."""

import subprocess
import sys
from typing import Any

import pytest

from actbench.activations import create_activation
from actbench.errors import ActbenchError


@pytest.mark.parametrize(
    ("name", "options", "lines"),
    [
        ("swich", {}, ["unknown activation 'swich'", "  did you mean 'swish'?"]),
        ("", {}, ["unknown activation ''"]),
        (
            "swish",
            {"bta": 1.0},
            ["unknown option 'bta' of activation 'swish' (options.bta)", "  known: beta, freeze, sharing"],
        ),
        ("swish", {"bta": 1.0}, ["  did you mean 'beta'?"]),
        ("relu", {"slope": 1.0}, ["unknown option 'slope' of activation 'relu' (op", "  known: none"]),
        ("lslu", {"n": 0}, ["option 'n' of activation 'lslu': Input should be greater than or equal to 1"]),
        ("lslu", {"n": "3"}, ["option 'n' of activation 'lslu': Input should be a valid integer, got '3'"]),
        ("lslu", {"n": True}, ["option 'n' of activation 'lslu': Input should be a valid integer, got True"]),
        ("elu", {"alpha": float("nan")}, ["option 'alpha' of activation 'elu': Input should be a finite"]),
        ("series", {"base": "tanh"}, ["option 'base' of activation 'series': Input should be 'relu'"]),
        ("rational", {"interval": 1e-30}, ["option 'interval' of activation 'rational': Input should be gr"]),
        ("apalu", {"a": 1e40}, ["a parameter cannot start at 1e+40"]),
        ("threshold", {"amplitude": -1e39}, ["a parameter cannot start at -1e+39"]),
        ("lslu", {"n": 0, "m": 2}, ["option 'n' of", "unknown option 'm' of activation 'lslu'"]),
    ],
)
def test_mistakes_are_named_all_at_once(name: str, options: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ActbenchError) as caught:
        create_activation(name, 4, **options)
    text = str(caught.value)
    for line in lines:
        assert any(got.startswith(line) for got in text.splitlines()), text


@pytest.mark.parametrize("num_channels", [0, -1, 2.0, True, "4", None])
def test_num_channels_must_be_a_positive_integer(num_channels: object) -> None:
    for name in ("relu", "swish", "lslu"):
        with pytest.raises(ActbenchError, match="num_channels must be a positive integer, not"):
            create_activation(name, num_channels)  # type: ignore[arg-type]


def test_an_integer_serves_as_a_number() -> None:
    assert create_activation("swish", 2, beta=2).state_dict()["beta"].tolist() == [2.0, 2.0]


def test_the_package_and_its_names_load_no_torch() -> None:
    code = (
        "import sys; from actbench.activations import ACTIVATIONS, create_activation; list(ACTIVATIONS);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
