"""`ls papers` and `ls claims` over two papers, a recipe of one of them and its records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.ls import ls


def told(kind: str) -> str:
    outcome = ls(kind, results_dir=Path("results"))
    assert outcome.warnings == ()
    return "\n".join(line.rstrip() for line in outcome.text.splitlines())


def claims() -> dict[str, dict[str, Any]]:
    rows: list[dict[str, Any]] = ls("claims", results_dir=Path("results")).document  # type: ignore[assignment]
    return {row["claim"]: row for row in rows}


@pytest.mark.usefixtures("bench")
def test_without_records_nothing_was_run() -> None:
    assert told("claims") == (
        "4 claims, 0 of them with runs.\n"
        "\n"
        "not run; actbench train deep_c100 --profile paper\n"
        "  deep-exact  lslu over relu: +1.50, VanillaNet-5 on CIFAR-100\n"
        "\n"
        "not run; actbench train deep_c100 --profile paper  (on stand-in VanillaNet-5 on CIFAR-100)\n"
        "  deep-wide  lslu and series over swish: up to +2.00, VanillaNet-9 on ImageNet-1K\n"
        "\n"
        "not run; no recipe speaks about it\n"
        "  deep-language  lslu over relu: -0.125, VanillaNet-5 on CIFAR-100 (perplexity)\n"
        "  deep-absolute  lslu over relu: 100.00 reached, no difference, a network not known on signs"
    )
    assert told("papers") == (
        "paper    title               arxiv       year    tables    claims    recipes    records\n"
        "deep     Deep units          2401.00001  2024    0         4         deep_c100  0\n"
        "silent   A title of several  -           2020    0         0                    0\n"
        "         words that says\n"
        "         nothing"
    )


def test_records_tell_the_difference_and_where_it_was_measured(bench: Callable[..., None]) -> None:
    bench("lite", {"relu": (5000, 5100), "lslu": (5200, 5260), "series": (5050,)})
    bench("smoke", {"relu": (40, 40), "lslu": (140, 160)})
    assert {name: [finding["profile"] for finding in row["records"]] for name, row in claims().items()} == {
        "deep-exact": ["lite", "smoke"],
        "deep-wide": [],  # no run of its baseline
        "deep-language": [],
        "deep-absolute": [],
    }
    lite, smoke = claims()["deep-exact"]["records"]
    # Differences 0.02 and 0.016: mean 0.018, and with one degree of freedom 12.706 standard errors of 0.002.
    assert lite["difference"] == pytest.approx(0.018)
    assert lite["high"] - lite["difference"] == pytest.approx(12.7062 * 0.002, rel=1e-4)
    assert (lite["n"], lite["setting"], lite["synthetic"]) == (2, "VanillaNet-5 x0.125 on CIFAR-100", False)
    assert (smoke["n"], smoke["synthetic"], smoke["q"]) == (2, True, None)
    # One test alone: q is p.
    assert lite["q"] == pytest.approx(lite["p"])
    head = told("claims").partition("\n\nnot run")[0]
    assert head == (
        "4 claims, 1 of them with runs. q is p adjusted for 1 test by Benjamini and Hochberg; an effect\n"
        "counts where q < 0.05.\n"
        "\n"
        "claim       reported                reproduced            verdict\n"
        "deep-exact  lslu over relu: +1.50,  lite: +1.80 [-0.74,   on stand-in (VanillaNet-5\n"
        "            VanillaNet-5 on         +4.34] (n=2), q 0.07  x0.125 on CIFAR-100),\n"
        "            CIFAR-100                                     direction at reduced budget:\n"
        "                                                          under-powered\n"
        "                                    smoke: +1.10 [-0.17,  synthetic data: no verdict\n"
        "                                    +2.37] (n=2)"
    )


def test_runs_that_cannot_be_compared_are_a_warning_and_the_rest_is_told(bench: Callable[..., None]) -> None:
    bench("lite", {"relu": (5000,), "lslu": (5200,)})
    path = Path("recipes/deep_c100.yaml")
    path.write_text(path.read_text().replace("name: swish", "name: gated"))
    outcome = ls("claims", results_dir=Path("results"))
    (warning,) = outcome.warnings
    assert warning == "deep-wide: deep_c100 (lite): recipe 'deep_c100' has no arm 'swish' to compare against"
    found = claims()
    assert found["deep-wide"]["records"] == []
    assert found["deep-exact"]["records"][0]["difference"] == pytest.approx(0.02)


def test_records_are_counted_by_paper(bench: Callable[..., None]) -> None:
    bench("lite", {"relu": (5000, 5100), "lslu": (5200,)})
    rows: list[dict[str, Any]] = ls("papers", results_dir=Path("results")).document  # type: ignore[assignment]
    assert [(row["paper"], row["recipes"], row["records"]) for row in rows] == [
        ("deep", ["deep_c100"], 3),
        ("silent", [], 0),
    ]
