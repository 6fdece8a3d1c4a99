"""What the images of one training batch draw, before anything is done to them.

All values are drawn in this order from one generator on the CPU, so that they are the same on every device and
whichever code carries them out.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from actbench.data.geometry import Boxes, draw_boxes
from actbench.data.occlusion import Holes, draw_holes
from actbench.data.rand_augment import Draws, draw
from actbench.data.settings import InputSettings


class Moves(NamedTuple):
    """Stages that the settings leave out are None; tensors are (B,) on the CPU."""

    corners: Tensor | None
    """(2, B): top and left of the crop in the padded image."""
    boxes: Boxes | None
    """Of the random-resized crop."""
    mirrored: Tensor | None
    layers: tuple[Draws, ...]
    """Of RandAugment."""
    holes: Holes | None
    """Of cutout."""


def draw_moves(
    settings: InputSettings,
    count: int,
    sides: tuple[int, int],
    generator: torch.Generator,
    *,
    cropped: bool = False,
) -> Moves:
    """For `count` images of these sides, height and width; `cropped` where the random-resized crop is done."""
    corners, boxes, mirrored, holes = None, None, None, None
    if settings.crop == "pad":
        corners = torch.randint(2 * settings.padding + 1, (2, count), generator=generator)
    elif settings.crop == "random-resized" and not cropped:
        height, width = sides
        boxes = draw_boxes(generator, count, height=height, width=width, scale_min=settings.scale_min)
        sides = (settings.size, settings.size)
    if settings.flip > 0:
        mirrored = torch.rand(count, generator=generator) < settings.flip
    augment = settings.rand_augment
    layers = tuple(draw(augment, count, generator) for _ in range(augment.num_ops)) if augment else ()
    if settings.cutout > 0:
        holes = draw_holes(count, sides, settings.cutout, generator)
    return Moves(corners, boxes, mirrored, layers, holes)
