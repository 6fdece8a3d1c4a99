"""Rotation, shear and translation of whole batches with one amount per image.

Images are (B, H, W, C) uint8 and so are results; amounts are (B,) float. Sampling is linear; what comes from
outside is mid-grey. Signs are Pillow's: a positive angle turns counter-clockwise, and a positive shear or
translation reads from further right or down.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.data.geometry import to_bytes

FILL = 128.0


def pixel_centres(size: int, device: torch.device | None = None) -> Tensor:
    """Where affine_grid has the centres of that many pixels, between the outer edges at -1 and 1."""
    return torch.linspace(-1, 1, size, device=device) * (size - 1) / size


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Around the centre."""
    angle = degrees * (math.pi / 180)
    height, width = images.shape[1:3]
    # Coordinates run from -1 to 1 on both axes, so pixels that are not square need the ratio of the sides.
    ratio = height / width
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _sample(images, [cos, -sin * ratio, zero], [sin / ratio, cos, zero])


def shear_x(images: Tensor, factor: Tensor) -> Tensor:
    """Rows move in proportion to their distance from the top, as Pillow's affine transform has it."""
    ratio = images.shape[1] / images.shape[2]
    one, zero = torch.ones_like(factor), torch.zeros_like(factor)
    return _sample(images, [one, factor * ratio, factor * ratio], [zero, one, zero])


def shear_y(images: Tensor, factor: Tensor) -> Tensor:
    """Columns move in proportion to their distance from the left."""
    ratio = images.shape[2] / images.shape[1]
    one, zero = torch.ones_like(factor), torch.zeros_like(factor)
    return _sample(images, [one, zero, zero], [factor * ratio, one, factor * ratio])


def translate_x(images: Tensor, share: Tensor) -> Tensor:
    """By a share of the width."""
    one, zero = torch.ones_like(share), torch.zeros_like(share)
    return _sample(images, [one, zero, 2 * share], [zero, one, zero])


def translate_y(images: Tensor, share: Tensor) -> Tensor:
    """By a share of the height."""
    one, zero = torch.ones_like(share), torch.zeros_like(share)
    return _sample(images, [one, zero, zero], [zero, one, 2 * share])


def _sample(images: Tensor, to_x: list[Tensor], to_y: list[Tensor]) -> Tensor:
    planes = images.permute(0, 3, 1, 2).to(torch.float32) - FILL
    height, width = images.shape[1:3]
    across = pixel_centres(width, images.device)
    down = pixel_centres(height, images.device)[:, None]
    # As affine_grid has it, but for the matrix product, whose rounding depends on the library and the processor.
    grid = torch.stack([_combine(terms, across, down) for terms in (to_x, to_y)], dim=-1)
    return to_bytes(F.grid_sample(planes, grid, mode="bilinear", align_corners=False) + FILL)


def _combine(terms: list[Tensor], across: Tensor, down: Tensor) -> Tensor:
    first, second, last = (term[:, None, None] for term in terms)
    return across * first + down * second + last
