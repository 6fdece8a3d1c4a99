"""Streamed pictures: crops are a function of seed, epoch and picture alone, and workers decode ahead."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from actbench.data.folders import list_images
from actbench.data.settings import InputSettings
from actbench.data.streamed import PREFETCHED, Pictures, StreamedSource
from actbench.errors import DataError


def test_a_crop_is_a_function_of_seed_epoch_and_picture(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for name in ("bee", "cow"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    listing = list_images(tmp_path, ("bee", "cow"))
    settings = InputSettings(size=8, crop="random-resized")

    def crop(seed: int, epoch: int, place: int) -> torch.Tensor:
        sample = Pictures(listing, settings, 8, (seed, epoch))[place]
        assert isinstance(sample, tuple)
        assert sample[1] == place
        return sample[0]

    first = crop(0, 0, 0)
    assert first.shape == (8, 8, 3)
    torch.rand(3)
    assert torch.equal(first, crop(0, 0, 0))
    for other in (crop(1, 0, 0), crop(0, 1, 0), crop(0, 0, 1)):
        assert not torch.equal(first, other)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_worker_decodes_ahead_while_the_batch_before_is_used(tmp_path: Path) -> None:
    """After the first batch arrived, the files of the next ones are gone from disk, and they come all the same."""
    batches = 2 + PREFETCHED
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("bee", "cow"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(batches if part == "train" else 1):
                pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
    train, test = (list_images(tmp_path / part, ("bee", "cow")) for part in ("train", "val"))
    settings = InputSettings(size=8, crop="random-resized", normalize="half")
    source = StreamedSource(
        "imagenet", train, test, settings, num_classes=2, workers=1, limit=None, val_fraction=None
    )
    cpu = torch.device("cpu")
    loaded = source.train_batches(seed=0, epoch=0, batch_size=2, device=cpu, channels_last=False)
    next(loaded)
    time.sleep(5)  # for a worker that decodes four files of 12 pixels
    shutil.rmtree(tmp_path / "train")
    ahead = 0
    with pytest.raises(DataError, match="No such file"):
        for _ in loaded:
            ahead += 1
    assert ahead == PREFETCHED
