"""The pipeline's bench: which ways it tells of, what it compares with, and that it leaves nothing behind."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from actbench.bench.pipeline import OURS, PIPELINES, PipelineSetting, bench_images, run_pipeline_bench
from actbench.bench.torchvision_data import Kind, torchvision_loader
from actbench.data.canonical import Examples
from actbench.data.normalization import Normalization
from actbench.data.settings import InputSettings
from actbench.errors import DataError

CPU = torch.device("cpu")
WAYS = [OURS, "torchvision, tensor", "torchvision, PIL"]


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_every_way_of_every_pipeline_is_told_beside_ours(workers: int) -> None:
    notes: list[str] = []
    setting = PipelineSetting(device=CPU, batch_size=8, rounds=3, workers=workers)
    result = run_pipeline_bench(setting, note=notes.append)
    assert [(row.pipeline, row.way) for row in result.rows] == [(p, w) for p in PIPELINES for w in WAYS]
    assert all(0 < row.us_per_image.low <= row.us_per_image.median for row in result.rows)
    assert all(row.over_ours == (1, 1, 1) for row in result.rows if row.way == OURS)
    assert result.clock == ("wall time" if workers else "CPU time of the process")
    assert result.data == "random bytes of CIFAR's shape"
    assert len(notes) == len(PIPELINES)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("kind", ["PIL", "tensor"])
def test_without_augmentation_torchvision_makes_our_very_pixels(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    normalization = Normalization((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
    loader = torchvision_loader(
        Examples(images, np.arange(8)), InputSettings(), normalization, kind=kind, batch_size=8, workers=0
    )
    ((pixels, labels),) = loader
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in normalization)
    expected = (torch.from_numpy(images)[labels].permute(0, 3, 1, 2) / 255 - mean) / std
    assert (pixels - expected).abs().max() < 1e-5
    assert sorted(labels.tolist()) == list(range(8))


def test_a_folder_without_cifar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        bench_images(tmp_path)
