"""From bytes to network input, a batch at a time, on the device that trains.

Every random value comes from a CPU generator under (seed, purpose, epoch), purposes "order", "augment" and
"mix", so that batches are the same for every arm and on every device.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from actbench.data.batch import Batch
from actbench.data.geometry import (
    centre_crop,
    crop_and_resize,
    draw_boxes,
    flip_some,
    pad_crop,
    resize,
)
from actbench.data.mix import draw_mix, mix_images, mix_targets, mixes
from actbench.data.normalization import Normalization
from actbench.data.occlusion import cutout, random_erasing
from actbench.data.rand_augment import rand_augment
from actbench.data.settings import InputSettings
from actbench.streams import stream_seed


def eval_side(settings: InputSettings) -> int:
    """Side of the square from which the centre crop for evaluation is taken."""
    return round(settings.size / settings.test_crop_ratio)


class Generators(NamedTuple):
    """The random streams of one epoch."""

    order: torch.Generator
    augment: torch.Generator
    mix: torch.Generator

    @classmethod
    def of_epoch(cls, seed: int, epoch: int) -> "Generators":
        return cls(*(torch.Generator().manual_seed(stream_seed(seed, name, epoch)) for name in cls._fields))


class Pipeline:
    """The recipe's `input` block, ready to run on (B, H, W, C) batches of bytes."""

    def __init__(self, settings: InputSettings, normalization: Normalization, num_classes: int) -> None:
        self.settings = settings
        self.normalization = normalization
        self.num_classes = num_classes
        self._tables: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def move_pixels(self, images: Tensor, generator: torch.Generator, *, cropped: bool = False) -> Tensor:
        """Crop and flip; `cropped` where the random-resized crop is done already."""
        settings, count = self.settings, len(images)
        if settings.crop == "pad":
            offsets = torch.randint(2 * settings.padding + 1, (2, count), generator=generator)
            images = pad_crop(images, offsets[0], offsets[1], settings.padding)
        elif settings.crop == "random-resized" and not cropped:
            boxes = draw_boxes(
                generator, count, height=images.shape[1], width=images.shape[2], scale_min=settings.scale_min
            )
            images = crop_and_resize(images, boxes, settings.size, settings.interpolation)
        if settings.flip > 0:
            images = flip_some(images, torch.rand(count, generator=generator) < settings.flip)
        return images

    def finish(self, images: Tensor, labels: Tensor, generators: Generators, *, channels_last: bool) -> Batch:
        """Everything after crop and flip; may write into `images`."""
        settings = self.settings
        if settings.rand_augment is not None:
            images = rand_augment(images, settings.rand_augment, generators.augment)
        pixels = self.normalize(images, channels_last=channels_last)
        if settings.cutout > 0:
            pixels = cutout(pixels, settings.cutout, generators.augment)
        if settings.random_erasing > 0:
            pixels = random_erasing(pixels, settings.random_erasing, generators.augment)
        if not mixes(settings):
            return Batch(pixels, labels)
        mix = draw_mix(settings, settings.size, settings.size, generators.mix)
        return Batch(mix_images(pixels, mix), mix_targets(labels, self.num_classes, mix))

    def evaluate(self, images: Tensor, *, channels_last: bool) -> Tensor:
        """Square images of any size -> normalised centre crops."""
        resized = resize(images, eval_side(self.settings), self.settings.interpolation)
        return self.normalize(
            centre_crop(resized, self.settings.size).contiguous(), channels_last=channels_last
        )

    def normalize(self, images: Tensor, *, channels_last: bool) -> Tensor:
        """(B, H, W, C) uint8, contiguous -> (B, C, H, W) float32."""
        count, height, width, channels = images.shape
        scale, shift = self._table(height, width, images.device, channels_last)
        # The values of one whole image as a row: a broadcast over 3 channels alone would crawl.
        if channels_last:
            pixels = images.to(torch.float32)
            rows = pixels.view(count, -1)
            torch.addcmul(shift, rows, scale, out=rows)
            return pixels.permute(0, 3, 1, 2)
        pixels = torch.empty(count, channels, height, width, device=images.device)
        pixels.copy_(images.permute(0, 3, 1, 2))
        rows = pixels.view(count, -1)
        torch.addcmul(shift, rows, scale, out=rows)
        return pixels

    def _table(
        self, height: int, width: int, device: torch.device, channels_last: bool
    ) -> tuple[Tensor, Tensor]:
        """(x / 255 - mean) / std as x * scale + shift, for every value of an image."""
        key = (height, width, device, channels_last)
        if key not in self._tables:
            mean, std = (torch.tensor(v, dtype=torch.float64) for v in self.normalization)
            pair = []
            for values in (1 / (255 * std), -mean / std):
                row = (
                    values.repeat(height * width)
                    if channels_last
                    else values.repeat_interleave(height * width)
                )
                pair.append(row.to(device, torch.float32))
            self._tables[key] = (pair[0], pair[1])
        return self._tables[key]
