"""A sound recipe that the tests break, and a place to write it."""

from collections.abc import Callable
from pathlib import Path

import pytest

RECIPE = """\
# A recipe with a bit of everything.
name: demo
title: A demo
task: classify
data: {name: digits}
input:
  size: 32
  crop: pad
model:
  name: vanillanet
  depth: 5
  dropout: 0.1
  decay_epochs: 4
arms:
- {name: relu, activation: relu}
- {name: swish, activation: swish}
- name: lslu
  activation: lslu
  options: {n: 3}
train:
  epochs: 4
  batch_size: 64
  lr: 1e-3
  min_lr: 1e-5
  ema: {horizon: 0.1}
  early_stopping: {patience: 3}
evaluation:
  protocol: held-out
  val_fraction: 0.1
seeds: 0..2
profiles:
  paper: {}
  lite:
    train: {epochs: 2}
  smoke:
    data: {name: synthetic}
    seeds: 0
"""


@pytest.fixture
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a recipe below a fresh working directory and returns its relative path."""
    monkeypatch.chdir(tmp_path)

    def write_one(text: str | bytes = RECIPE, name: str = "demo.yaml") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_one
