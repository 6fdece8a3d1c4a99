"""A ReLU with a spare convolution gains over ReLU on the digits, and nothing over a ReLU in the same slot."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Program = Callable[..., "subprocess.CompletedProcess[str]"]
RECIPE = """\
name: spare
data: {name: digits, test_fraction: 0.6}
input: {size: 8, normalize: dataset}
model: {name: cnn, stages: [[8], [16]], batch_norm: true, pool: average}
arms:
  - {name: relu, activation: relu}
  - {name: convolved, activation: series, options: {n: 1}}   # a ReLU, a depthwise convolution, a batch norm
train: {epochs: 4, batch_size: 32, lr: 0.05}
evaluation: {val_fraction: 0.2, every: 100}
controls: [slot]
baselines: [relu]
seeds: [0, 1]
profiles: {paper: {}, lite: {}, smoke: {}}
"""


def test_the_gain_is_gone_in_the_same_slot(tmp_path: Path, program: Program) -> None:
    (tmp_path / "spare.yaml").write_text(RECIPE)
    done = program("train", "spare.yaml", "--no-progress")
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(program("waterfall", "spare.yaml", "--json").stdout)["tables"]
    plain, slot = (row["evidence"]["relu"] for row in table["rows"])
    assert all(difference > 0.05 for difference in plain["differences"])
    # The very same function from the very same start: not a picture is told otherwise.
    assert slot["baseline"] == "relu.slot.convolved"
    assert slot["differences"] == [0.0, 0.0]
