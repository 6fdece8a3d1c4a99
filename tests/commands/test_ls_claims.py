"""`ls papers` and `ls claims` over two papers, their recipes and records made by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.commands import ls as listing
from actbench.commands.ls import ls
from actbench.papers import reported
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Profile
from actbench.record import RunRecord
from actbench.store import Store

PAPER = """\
paper: {key: deep, title: Deep units, arxiv: "2401.00001", year: 2024}
tables: []
claims:
  - {id: deep-exact, arms: [lslu], baseline: relu, model: VanillaNet-5, data: CIFAR-100, metric: top1_accuracy,
     difference: 1.5, source: "arXiv:2401.00001, Table 1"}
  - {id: deep-wide, arms: [lslu, series], baseline: swish, model: VanillaNet-9, data: ImageNet-1K,
     metric: top1_accuracy, difference: 2.0, is_upper_end: true, source: "arXiv:2401.00001, Table 2",
     stand_in: a narrow network stands in}
  - {id: deep-language, arms: [lslu], baseline: relu, model: VanillaNet-5, data: CIFAR-100, metric: perplexity,
     difference: -0.125, source: "arXiv:2401.00001, Table 3"}
  - {id: deep-absolute, arms: [lslu], baseline: relu, model: null, data: signs, metric: top1_accuracy,
     difference: null, value: 100, source: "arXiv:2401.00001, Table 4"}
"""
SILENT = 'paper: {key: silent, title: "A title of several words that says nothing", year: 2020}\n'
RECIPE = """\
name: deep_c100
title: Deep units
paper: deep
claim: deep-wide
data: {name: cifar100}
model: {name: vanillanet, depth: 5, decay_epochs: 10}
input: {size: 32}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
  - {name: series, activation: series}
  - {name: lslu, activation: lslu}
train: {epochs: 30, lr: 0.1}
seeds: [0, 1]
profiles:
  paper: {}
  lite:
    model: {name: vanillanet, depth: 5, width: 0.125, decay_epochs: 10}
  smoke:
    data: {name: synthetic}
    model: {name: vanillanet, depth: 5, width: 0.125, decay_epochs: 1}
    train: {epochs: 2}
"""


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., RunRecord]
) -> Callable[..., None]:
    """Works in a folder with two papers and one recipe, and stores runs of it: arm -> right answers by seed."""
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "deep.yaml").write_text(PAPER)
    (papers / "silent.yaml").write_text(SILENT)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "deep_c100.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reported, "FOLDER", papers)
    monkeypatch.setattr(listing, "packaged_recipes", dict)

    def store(profile: Profile, arms: dict[str, tuple[int, ...]]) -> None:
        recipe = load_recipe("deep_c100", profile=profile).recipes[0]
        for arm, counts in arms.items():
            for seed, correct in enumerate(counts):
                path = Path("results", recipe.name, profile, f"{arm}-seed{seed}.json")
                Store(Path("results")).write(path, make_run(recipe, arm, seed, correct))

    return store


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
        "claim          claimed                   recipes                              records\n"
        "deep-exact     lslu over relu by +1.50   deep_c100                            not run\n"
        "               points; VanillaNet-5 on\n"
        "               CIFAR-100\n"
        "               (arXiv:2401.00001, Table\n"
        "               1)\n"
        "deep-wide      lslu and series over      deep_c100 (a stand-in: VanillaNet-5  not run\n"
        "               swish by up to +2.00      on CIFAR-100)\n"
        "               points; VanillaNet-9 on   a narrow network stands in\n"
        "               ImageNet-1K\n"
        "               (arXiv:2401.00001, Table\n"
        "               2)\n"
        "deep-language  lslu over relu by -0.125  -                                    not run\n"
        "               in perplexity;\n"
        "               VanillaNet-5 on\n"
        "               CIFAR-100, perplexity\n"
        "               (arXiv:2401.00001, Table\n"
        "               3)\n"
        "deep-absolute  lslu over relu reaching   -                                    not run\n"
        "               100.00; a network not\n"
        "               known on signs\n"
        "               (arXiv:2401.00001, Table\n"
        "               4)"
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
    bench("smoke", {"relu": (40,)})
    assert {name: [finding["profile"] for finding in row["records"]] for name, row in claims().items()} == {
        "deep-exact": ["lite", "smoke"],
        "deep-wide": ["lite"] * 2 + ["smoke"] * 2,
        "deep-language": [],
        "deep-absolute": [],
    }
    lite, smoke = claims()["deep-exact"]["records"]
    # Differences 0.02 and 0.016: mean 0.018, and with one degree of freedom 12.706 standard errors of 0.002.
    assert lite["difference"] == pytest.approx(0.018)
    assert lite["high"] - lite["difference"] == pytest.approx(12.7062 * 0.002, rel=1e-4)
    assert (lite["n"], lite["setting"], lite["synthetic"]) == (2, "VanillaNet-5 x0.125 on CIFAR-100", False)
    assert (smoke["n"], smoke["difference"], smoke["synthetic"]) == (0, None, True)
    text = " ".join(told("claims").split())
    assert "+1.80" in text
    assert "[-0.74, +4.34]" in text
    assert "(n=2)" in text


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
