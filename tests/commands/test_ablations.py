"""`actbench ablations`: trained and shown by the real program, each arm beside the whole one and the baseline."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Program = Callable[..., "subprocess.CompletedProcess[str]"]
RECIPE = """\
name: apart
data: {name: synthetic, num_classes: 4, channels: 1, size: 8, train: 80, test: 40}
input: {size: 8}
model: {name: cnn, stages: [[4]], batch_norm: true}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
train: {epochs: 1, batch_size: 20, lr: 0.1}
evaluation: {val_fraction: 0.25}
ablate: learnable
baselines: [relu]
seeds: [0, 1]
profiles: {paper: {}, lite: {}, smoke: {}}
"""


def test_an_activation_stands_beside_its_own_parts(tmp_path: Path, program: Program) -> None:
    (tmp_path / "apart.yaml").write_text(RECIPE)
    nothing = program("ablations", "apart.yaml")
    assert nothing.returncode == 4
    assert "no records of apart" in nothing.stderr
    trained = program("train", "apart.yaml", "--no-progress")
    assert trained.returncode == 0, trained.stderr
    done = program("ablations", "apart.yaml", "--json")
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    rows = {row["arm"]: row for row in table["rows"]}
    assert list(rows) == [
        "relu", "swish", "swish.frozen", "swish.transplanted", "swish.shared", "relu.spare.swish",
    ]  # fmt: skip
    assert table["baselines"] == ["swish", "relu"]
    for name, row in rows.items():
        assert len(row["files"]) == 2, name
        assert all((tmp_path / file).is_file() for file in row["files"])
    wrong = program("ablations", "apart.yaml", "--arm", "swich")
    assert wrong.returncode == 2
    assert "did you mean 'swish'?" in wrong.stderr
