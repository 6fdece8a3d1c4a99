"""The waterfall's table in every format, byte for byte. ACTBENCH_REWRITE_GOLDEN=1 writes the files anew."""

import os
from pathlib import Path

import pytest

from actbench.commands.waterfall import WaterfallRequest, waterfalls
from actbench.recipe.load import load_recipe
from actbench.tables.formats import RENDERERS
from actbench.tables.waterfall import waterfall_table
from tests.fair.falls import MakeRun, store_falls
from tests.tables.test_golden import GOLDEN, SUFFIXES

RECIPE = """\
name: falling
title: A narrow net
data: {name: cifar100}
model: {name: vanillanet, width: 0.125, decay_epochs: 10}
input: {size: 32}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
  - {name: lslu, activation: lslu}
train: {epochs: 30, lr: 0.1}
profiles:
  paper: {}
  lite: {}
  smoke: {data: {name: synthetic}}
"""


def test_tables_equal_the_golden_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("falling.yaml").write_text(RECIPE)
    (recipe,) = load_recipe("falling.yaml").recipes
    store_falls(Path("results"), recipe, make_run)
    made = waterfalls(WaterfallRequest(reference="falling.yaml"))
    tables = [waterfall_table(fall) for fall in made.falls]
    for format, suffix in SUFFIXES.items():
        path = GOLDEN / f"waterfall.{suffix}"
        text = RENDERERS[format](tables).encode()
        if os.environ.get("ACTBENCH_REWRITE_GOLDEN") == "1":
            path.write_bytes(text)
        assert text == path.read_bytes(), format
