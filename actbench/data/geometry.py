"""Where pixels come from: crops, flips and resizing of whole batches of bytes.

Batches are (B, H, W, C) uint8, so that a row of a crop is one run of bytes and channels-last output costs no
transposition. Random values are drawn by the caller's generator on the CPU and are the same on every device.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.data.folders import Interpolation
from actbench.data.transfer import send

RATIO = (3 / 4, 4 / 3)
"""Ratios of width to height of a random-resized crop; Szegedy et al., 2014, arXiv:1409.4842, section 6."""
TRIES = 10


class Boxes(NamedTuple):
    """One box per image, in pixels, (B,) int64 each."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def take(images: Tensor, index: Tensor) -> Tensor:
    """The images at these positions; index_select over flat rows is ten times faster than over four axes."""
    rows = images.flatten(1).index_select(0, send(index, images.device))
    return rows.view(-1, *images.shape[1:])


def pad_crop(images: Tensor, top: Tensor, left: Tensor, padding: int) -> Tensor:
    """Each image on a black margin of `padding` pixels, cut to its size at (top, left), 0 to 2*padding."""
    count, height, width, channels = images.shape
    frame = images.new_zeros(count, height + 2 * padding, width + 2 * padding, channels)
    frame[:, padding : padding + height, padding : padding + width] = images
    # Every run of `width` pixels in the whole buffer, overlapping: a crop then is a choice of `height` runs.
    stride = width + 2 * padding
    runs = frame.view(-1).as_strided((frame.numel() // channels - width + 1, width * channels), (channels, 1))
    device = images.device
    top, left = send(top, device), send(left, device)
    first = torch.arange(count, device=device) * (height + 2 * padding) * stride + top * stride + left
    rows = first[:, None] + torch.arange(height, device=device) * stride
    return runs.index_select(0, rows.flatten()).view(images.shape)


def flip_some(images: Tensor, mask: Tensor) -> Tensor:
    """Mirrors the images where the mask, (B,) on the CPU, is true."""
    chosen = mask.nonzero().flatten()
    source = torch.arange(len(images))
    source[chosen] = len(images) + torch.arange(len(chosen))
    # Reading from originals and mirrored copies in turn is cheaper than writing the copies back.
    return take(torch.cat([images, take(images, chosen).flip(2)]), source)


def draw_boxes(generator: torch.Generator, count: int, *, height: int, width: int, scale_min: float) -> Boxes:
    """Boxes of scale_min to 1 of the area, ratio within RATIO; after TRIES misfits, the largest middle."""
    area = height * width * torch.empty(count, TRIES).uniform_(scale_min, 1, generator=generator)
    ratio = torch.empty(count, TRIES).uniform_(*map(math.log, RATIO), generator=generator).exp()
    place = torch.rand(count, 2, generator=generator)
    w, h = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (w >= 1) & (h >= 1) & (w <= width) & (h <= height)
    first = fits.int().argmax(dim=1, keepdim=True)  # the first that fits
    fitting = fits.any(dim=1)
    largest_w = min(width, round(height * RATIO[1]))
    largest_h = min(height, round(width / RATIO[0]))
    w = torch.where(fitting, w.gather(1, first)[:, 0], largest_w)
    h = torch.where(fitting, h.gather(1, first)[:, 0], largest_h)
    place = torch.where(fitting[:, None], place, 0.5)
    return Boxes(
        top=(place[:, 0] * (height - h + 1)).long().clamp(max=height - 1),
        left=(place[:, 1] * (width - w + 1)).long().clamp(max=width - 1),
        height=h,
        width=w,
    )


def crop_and_resize(images: Tensor, boxes: Boxes, size: int, interpolation: Interpolation) -> Tensor:
    """Each image's box as a square of `size` pixels.

    Sampled without a low-pass filter: sets in memory are stored at about the size that training asks for.
    """
    height, width = images.shape[1:3]
    top, left, box_height, box_width = (values.to(torch.float32) for values in boxes)
    zero = torch.zeros_like(top)
    # From output to input coordinates, both from -1 to 1 between the outer edges of the image.
    theta = torch.stack(
        [
            torch.stack([box_width / width, zero, (2 * left + box_width) / width - 1], dim=1),
            torch.stack([zero, box_height / height, (2 * top + box_height) / height - 1], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(send(theta, images.device), [len(images), 1, size, size], align_corners=False)
    planes = images.permute(0, 3, 1, 2).to(torch.float32)
    sampled = F.grid_sample(planes, grid, mode=interpolation, padding_mode="border", align_corners=False)
    return to_bytes(sampled)


def resize(images: Tensor, size: int, interpolation: Interpolation) -> Tensor:
    """Square images at another size, with a low-pass filter where they shrink."""
    if images.shape[1:3] == (size, size):
        return images
    planes = images.permute(0, 3, 1, 2).to(torch.float32)
    shrinks = size < images.shape[1]
    return to_bytes(
        F.interpolate(planes, (size, size), mode=interpolation, antialias=shrinks, align_corners=False)
    )


def centre_crop(images: Tensor, size: int) -> Tensor:
    """The middle square of `size` pixels."""
    top, left = (images.shape[1] - size) // 2, (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]


def to_bytes(planes: Tensor) -> Tensor:
    """(B, C, H, W) values around 0 to 255 as (B, H, W, C) bytes."""
    return planes.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
