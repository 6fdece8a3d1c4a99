"""Two papers, a recipe of one of them and its records, made by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actbench import claims
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
analysis: {method: paired}
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
    monkeypatch.setattr(claims, "packaged_recipes", dict)

    def store(profile: Profile, arms: dict[str, tuple[int, ...]]) -> None:
        recipe = load_recipe("deep_c100", profile=profile).recipes[0]
        for arm, counts in arms.items():
            for seed, correct in enumerate(counts):
                path = Path("results", recipe.name, profile, f"{arm}-seed{seed}.json")
                Store(Path("results")).write(path, make_run(recipe, arm, seed, correct))

    return store
