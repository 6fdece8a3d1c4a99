"""What is measured for the bars, on inputs so small that the numbers say nothing: each name of a section, once."""

from typing import Any

import pytest
import torch

from actbench.bench import bar_sections
from actbench.bench.bar_sections import Extent, measure
from actbench.bench.bars import DeviceKind, Section, bars_of

TINY = Extent(
    rounds=2,
    shape=(4, 8, 4, 4),
    gpu_shape=(4, 8, 4, 4),
    gpu_dtype="float32",
    lslu_maps=((2, 4, 4, 4), (2, 8, 2, 2)),
    pipeline_batch=8,
    step=("train.batch_size=4", "model.width=4", "data.train=16", "data.test=8"),
    loop_images=32,
    loop=("train.batch_size=16", "model.width=0.0625"),
    training_images=32,
    training=("train.batch_size=16", "model.width=8"),
    workers=0,
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("kernels", "cpu"),
        ("lslu", "cpu"),
        ("data", "cpu"),
        ("step", "cpu"),
        pytest.param("start", "cpu", marks=SLOW),
        pytest.param("loop", "cpu", marks=SLOW),
        ("kernels", "cuda"),
        pytest.param("training", "cuda", marks=SLOW),
    ],
)
def test_every_bar_of_a_section_is_measured_once(
    section: Section, kind: DeviceKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[tuple[int, bool]] = []

    def rate(recipe: Any, _device: torch.device, *, runs: int, epochs: int) -> float:
        packed.append((runs, recipe.train.capture))
        assert epochs == TINY.fewest
        return 20_000.0

    monkeypatch.setattr(bar_sections, "packed_images_per_s", rate)
    threads = torch.get_num_threads()
    measured = list(measure(section, kind, TINY))
    assert sorted(name for name, _ in measured) == sorted(bars_of(section, kind))
    found = dict(measured)
    assert all(0 < value.low <= value.median <= value.high for value in found.values())
    assert torch.get_num_threads() == threads
    if (section, kind) == ("kernels", "cpu"):
        assert found["silu, kept for backward"] == (1.0, 1.0, 1.0)  # in inputs
    if section == "training":
        assert packed == [(4, True), (6, True), (8, True), (8, False)]
