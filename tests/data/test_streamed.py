"""Random-resized crops of streamed pictures: a function of seed, epoch and picture, of nothing else."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from actbench.data.folders import list_images
from actbench.data.settings import InputSettings
from actbench.data.streamed import Pictures


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
