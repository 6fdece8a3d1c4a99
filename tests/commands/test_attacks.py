"""The real program on a tiny recipe with an attack and an arm's own model: train, tables, evaluation, messages."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Program = Callable[..., "subprocess.CompletedProcess[str]"]

RECIPE = """\
name: tiny_vit
data: {name: synthetic, num_classes: 4, size: 16, train: 40, test: 24}
input: {size: 16, normalize: half}
model: {name: vit, image_size: 16, patch: 8, width: 16, depth: 1, heads: 2}
arms:
- {name: relu, activation: relu}
- name: kat
  activation: gr_kan
  options: {init: silu}
  sites: ['*.act']
  fill: gr_kan
  fill_options: {init: identity}
  model: {feed_forward: kat}
train: {epochs: 1, batch_size: 16, lr: 1e-3, optimizer: adamw}
evaluation: {robustness: {attacks: [fgsm, noise], eps: [0.5, 8], images: 20}}
baselines: [relu]
seeds: [0]
profiles: {paper: {}, lite: {}, smoke: {}}
"""


def test_from_recipe_to_table_and_back(program: Program, tmp_path: Path) -> None:
    (tmp_path / "tiny_vit.yaml").write_text(RECIPE)
    done = program("train", "tiny_vit.yaml", "--no-progress", "--device", "cpu")
    assert (done.returncode, done.stderr.count("completed")) == (0, 2)
    kat = json.loads(next((tmp_path / "results/tiny_vit/lite").glob("kat-*.json")).read_text())
    attacks = kat["results"][0]["attacks"]
    assert [(a["attack"], a["eps"], a["tally"]["total"]) for a in attacks] == [
        ("fgsm", 0.5, 20), ("fgsm", 8.0, 20), ("noise", 0.5, 20), ("noise", 8.0, 20),
    ]  # fmt: skip
    assert kat["arm"]["model"]["feed_forward"] == "kat"
    shown = program("export-table", "tiny_vit.yaml", "--metric", "fgsm@8/255", "--format", "json")
    assert shown.returncode == 0
    (table,) = json.loads(shown.stdout)["tables"]
    assert table["metric"] == "fgsm@8/255"
    assert [row["fgsm_8"]["mean"] for row in table["rows"]][1] == attacks[1]["tally"]["correct"] / 20
    text = json.dumps(table)
    assert "Attacked: the first 20 test images by their hash" in text
    assert "the model's feed_forward" in text
    again = program("eval", "tiny_vit.yaml", "--arm", "kat", "--device", "cpu")
    assert again.returncode == 0
    lines = [line.split() for line in again.stdout.splitlines()]
    assert ["arm", "seed", "attack", "0.5/255", "8/255", "of"] in lines
    (fgsm,) = [line for line in lines if line[:3] == ["kat", "0", "fgsm"]]
    rates = [f"{100 * a['tally']['correct'] / 20:.2f}" for a in attacks[:2]]
    assert fgsm[3:] == [rates[0], "%", rates[1], "%", "20"]
    refused = program("compare", "tiny_vit.yaml", "--metric", "pgd@8/255")
    assert refused.returncode == 2
    assert "recipe 'tiny_vit' has no metric 'pgd@8/255'" in refused.stderr
    assert "fgsm@8/255" in refused.stderr
