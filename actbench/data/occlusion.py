"""Parts of training images painted over, after normalisation: cutout and random erasing.

Images are (B, C, S, S) float32 in any memory format; random values come from a generator on the CPU.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from actbench.data.transfer import send

ERASED_AREA = (0.02, 1 / 3)
ERASED_RATIO = (0.3, 3.3)
"""Shares of the area and ratios of the sides of erased boxes: Zhong et al., 2017, arXiv:1708.04896, section
3.2, with an upper area of 1/3 instead of 0.4, as timm has it and the recipes built on it."""
TRIES = 10


class Holes(NamedTuple):
    """One square per image, (B,) int64 each; it may reach beyond the borders."""

    top: Tensor
    left: Tensor
    side: int


def draw_holes(count: int, sides: tuple[int, int], side: int, generator: torch.Generator) -> Holes:
    """Squares whose centres lie anywhere in images of these sides, height and width."""
    top, left = (torch.randint(length, (count,), generator=generator) - side // 2 for length in sides)
    return Holes(top, left, side)


def cutout(images: Tensor, holes: Holes) -> Tensor:
    """Sets one square per image to 0, the mean, in place.

    DeVries and Taylor, 2017, arXiv:1708.04552, section 3.1.
    """
    _, _, height, width = images.shape
    top, left = (send(values, images.device) for values in (holes.top, holes.left))
    rows, columns = _span(top, holes.side, height), _span(left, holes.side, width)
    return images.masked_fill_(rows[:, None, :, None] & columns[:, None, None, :], 0.0)


def random_erasing(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Fills a box with normal noise, pixel by pixel, in each image with that probability, in place."""
    count, channels, height, width = images.shape
    area = height * width * torch.empty(count, TRIES).uniform_(*ERASED_AREA, generator=generator)
    ratio = torch.empty(count, TRIES).uniform_(*map(math.log, ERASED_RATIO), generator=generator).exp()
    place = torch.rand(count, 2, generator=generator).tolist()
    chosen = torch.rand(count, generator=generator) < probability
    heights, widths = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    # As in timm a box may be neither empty nor as long as a side; an image without such a box stays whole.
    fits = (heights >= 1) & (widths >= 1) & (heights < height) & (widths < width)
    first = fits.int().argmax(dim=1)
    for i in (chosen & fits.any(dim=1)).nonzero().flatten().tolist():
        h, w = int(heights[i, first[i]]), int(widths[i, first[i]])
        top, left = int(place[i][0] * (height - h + 1)), int(place[i][1] * (width - w + 1))
        noise = torch.randn(channels, h, w, generator=generator)
        images[i, :, top : top + h, left : left + w] = send(noise, images.device)
    return images


def _span(start: Tensor, length: int, size: int) -> Tensor:
    # (B, size): which positions lie in [start, start + length).
    position = torch.arange(size, device=start.device) - start[:, None]
    return (position >= 0) & (position < length)
