"""From bytes to network input, a batch at a time, on the device that trains.

Every random value comes from a CPU generator under (seed, purpose, epoch), purposes "order", "augment" and
"mix", so that batches are the same for every arm and on every device.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from actbench.data import fused
from actbench.data.batch import Batch
from actbench.data.geometry import centre_crop, crop_and_resize, flip_some, pad_crop, resize, take
from actbench.data.mix import draw_mix, mix_images, mix_targets, mixes
from actbench.data.moves import Moves, draw_moves
from actbench.data.normalization import Normalization
from actbench.data.occlusion import cutout, random_erasing
from actbench.data.rand_augment import rand_augment
from actbench.data.settings import InputSettings
from actbench.data.transfer import send
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

    def train_batch(
        self,
        images: Tensor,
        index: Tensor | None,
        labels: Tensor,
        generators: Generators,
        *,
        channels_last: bool,
        cropped: bool = False,
    ) -> Batch:
        """The (N, H, W, C) images at `index` (None: all), augmented and normalised, with their (B,) labels.

        `cropped` where the random-resized crop is done already.
        """
        settings, sides = self.settings, (images.shape[1], images.shape[2])
        moves = draw_moves(settings, len(labels), sides, generators.augment, cropped=cropped)
        pixels = self.pixels(images, index, moves, channels_last=channels_last)
        if settings.random_erasing > 0:
            pixels = random_erasing(pixels, settings.random_erasing, generators.augment)
        if not mixes(settings):
            return Batch(pixels, labels)
        mix = draw_mix(settings, settings.size, settings.size, generators.mix)
        return Batch(mix_images(pixels, mix), mix_targets(labels, self.num_classes, mix))

    def pixels(self, images: Tensor, index: Tensor | None, moves: Moves, *, channels_last: bool) -> Tensor:
        """The images at `index` after these moves, (B, C, S, S) float32; the stored ones stay as they are."""
        settings = self.settings
        if moves.boxes is not None:
            chosen = images if index is None else take(images, index)
            images = crop_and_resize(chosen, moves.boxes, settings.size, settings.interpolation)
            index = None
        if fused.takes(images, moves):
            return fused.prepare(
                images,
                index,
                moves,
                self.normalization,
                padding=settings.padding,
                channels_last=channels_last,
            )
        return self.plain_pixels(images, index, moves, channels_last=channels_last)

    def plain_pixels(
        self, images: Tensor, index: Tensor | None, moves: Moves, *, channels_last: bool
    ) -> Tensor:
        """What fused.py must equal: one stage after another over the whole batch, on any device."""
        images = images.clone() if index is None else take(images, index)
        if moves.corners is not None:
            images = pad_crop(images, moves.corners[0], moves.corners[1], self.settings.padding)
        if moves.mirrored is not None:
            images = flip_some(images, moves.mirrored)
        pixels = self.normalize(rand_augment(images, moves.layers), channels_last=channels_last)
        return pixels if moves.holes is None else cutout(pixels, moves.holes)

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
            pair = []
            for numbers in self.normalization.scale_and_shift():
                values = torch.tensor(numbers, dtype=torch.float64)
                row = (
                    values.repeat(height * width)
                    if channels_last
                    else values.repeat_interleave(height * width)
                )
                pair.append(send(row.to(torch.float32), device))
            self._tables[key] = (pair[0], pair[1])
        return self._tables[key]
