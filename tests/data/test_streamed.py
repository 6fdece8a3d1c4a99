"""Streamed pictures: crops are a function of seed, epoch and picture alone, and workers decode ahead."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from actbench.data.folders import list_images
from actbench.data.settings import InputSettings
from actbench.data.streamed import PREFETCHED, Pictures, Sample, StreamedSource
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


class Logged(Pictures):
    """Pictures that leave a line in a file for each one decoded."""

    def __getitem__(self, place: int) -> Sample | DataError:
        sample = super().__getitem__(place)
        with (self.listing.root.parent / "decoded").open("a") as log:
            log.write(f"{place}\n")
        return sample


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_worker_decodes_ahead_while_the_batch_before_is_used(tmp_path: Path) -> None:
    count = 2 * (3 + PREFETCHED)
    (tmp_path / "pictures/bee").mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (12, 12)).save(tmp_path / "pictures/bee" / f"{number:02}.png")
    listing, settings = list_images(tmp_path / "pictures", ("bee",)), InputSettings(size=8, normalize="half")
    source = StreamedSource(
        "imagenet", listing, listing, settings, num_classes=1, workers=1, limit=None, val_fraction=None
    )
    batches = [[place, place + 1] for place in range(0, count, 2)]
    loaded = source._load(Logged(listing, settings, 8, None), batches, torch.device("cpu"))
    next(loaded)
    deadline = time.monotonic() + 60
    while (
        len((tmp_path / "decoded").read_text().split()) < 2 * (1 + PREFETCHED) and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert (tmp_path / "decoded").read_text().split() == [str(n) for n in range(2 * (1 + PREFETCHED))]


def test_the_first_training_images_are_prepared_as_for_evaluation(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "bee").mkdir()
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(
            tmp_path / "bee" / f"{number}.png"
        )
    listing = list_images(tmp_path, ("bee",))
    source = StreamedSource(
        "image_folder", listing, listing, InputSettings(size=8, crop="random-resized", flip=0.5), num_classes=1,
        workers=0, limit=None, val_fraction=None,
    )  # fmt: skip
    device = torch.device("cpu")
    for count in (3, 9):
        first = source.first_train_images(count, device=device, channels_last=False)
        (batch, *_) = source.eval_batches("test", batch_size=count, device=device, channels_last=False)
        assert torch.equal(first, batch.images)
        assert len(first) == min(count, 5)
