"""RandAugment on batches of bytes: images that drew the same operation are changed together.

Source: Cubuk et al., 2019, arXiv:1909.13719, section 3, in the form that recipes name rand-m<M>-mstd<S>-inc1:
the fifteen operations of the "increasing" set, each layer drawn per image, carried out half the time, with
magnitude normal(M, S) clipped to 0 and 10.
Departures: geometric operations interpolate linearly (published code draws linear or cubic); posterising
keeps at least one bit (published code reaches none at magnitude 10, which gives black images).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from actbench.data import affine, photometric
from actbench.data.geometry import take
from actbench.data.settings import RandAugmentSettings
from actbench.data.transfer import send

APPLY_PROBABILITY = 0.5
"""Chance that a drawn operation is carried out."""
LARGEST = 10.0
LARGEST_ANGLE = 30
"""Degrees."""


class Draws(NamedTuple):
    """What one layer does to each image, (B,) each."""

    operation: Tensor
    """Place in OPERATIONS; -1 for none."""
    level: Tensor
    """Magnitude as a share of the largest, 0 to 1."""
    sign: Tensor
    """1 or -1."""


Operation = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(images, level, sign) -> images."""

OPERATIONS: dict[str, Operation] = {
    "autocontrast": lambda x, _level, _sign: photometric.autocontrast(x),
    "equalize": lambda x, _level, _sign: photometric.equalize(x),
    "invert": lambda x, _level, _sign: photometric.invert(x),
    "rotate": lambda x, level, sign: affine.rotate(x, level * sign * LARGEST_ANGLE),
    "posterize": lambda x, level, _sign: photometric.posterize(x, (4 - (level * 4).floor()).clamp(min=1)),
    "solarize": lambda x, level, _sign: photometric.solarize(x, 256 - (level * 256).floor()),
    "solarize_add": lambda x, level, _sign: photometric.solarize_add(x, (level * 110).floor()),
    "color": lambda x, level, sign: photometric.color(x, _factor(level, sign)),
    "contrast": lambda x, level, sign: photometric.contrast(x, _factor(level, sign)),
    "brightness": lambda x, level, sign: photometric.brightness(x, _factor(level, sign)),
    "sharpness": lambda x, level, sign: photometric.sharpness(x, _factor(level, sign)),
    "shear_x": lambda x, level, sign: affine.shear_x(x, level * sign * 0.3),
    "shear_y": lambda x, level, sign: affine.shear_y(x, level * sign * 0.3),
    "translate_x": lambda x, level, sign: affine.translate_x(x, level * sign * 0.45),
    "translate_y": lambda x, level, sign: affine.translate_y(x, level * sign * 0.45),
}


def draw(settings: RandAugmentSettings, count: int, generator: torch.Generator) -> Draws:
    """One layer's draws."""
    operation = torch.randint(len(OPERATIONS), (count,), generator=generator)
    applied = torch.rand(count, generator=generator) < APPLY_PROBABILITY
    magnitude = settings.magnitude + settings.magnitude_std * torch.randn(count, generator=generator)
    sign = torch.randint(2, (count,), generator=generator) * 2.0 - 1.0
    return Draws(
        operation=torch.where(applied, operation, -1),
        level=magnitude.clamp(0.0, LARGEST) / LARGEST,
        sign=sign,
    )


def rand_augment(images: Tensor, layers: Sequence[Draws]) -> Tensor:
    """(B, H, W, C) uint8 -> the same, in place."""
    for draws in layers:
        # Grouped on the CPU, where the draws are, so that a GPU is told once and never asked.
        order = draws.operation.argsort(stable=True)
        counts = torch.bincount(draws.operation + 1, minlength=len(OPERATIONS) + 1).tolist()
        groups, level, sign = (
            torch.split(send(values, images.device), counts)[1:]
            for values in (order, draws.level[order], draws.sign[order])
        )
        for operation, chosen, *amounts in zip(OPERATIONS.values(), groups, level, sign, strict=True):
            if len(chosen):
                changed = operation(take(images, chosen), *amounts)
                images.flatten(1)[chosen] = changed.flatten(1)
    return images


def _factor(level: Tensor, sign: Tensor) -> Tensor:
    # Blend factors move away from 1, which changes nothing, either way.
    return (1 + 0.9 * level * sign).clamp(min=0.1)
