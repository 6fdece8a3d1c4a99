"""Mixup and cutmix: each image with its partner in the reversed batch, one mixing share per batch.

Sources: Zhang et al., 2017, arXiv:1710.09412, section 2; Yun et al., 2019, arXiv:1905.04899, section 3.1. One
share and one box per batch, and the choice between the two, as timm's batch mode has it.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.special import betaincinv
from torch import Tensor

from actbench.data.settings import InputSettings


class Mix(NamedTuple):
    """How one batch is mixed: its own share, and cutmix's box or None for mixup."""

    share: float
    box: tuple[int, int, int, int] | None
    """Top, bottom, left, right."""


UNMIXED = Mix(share=1.0, box=None)


def mixes(settings: InputSettings) -> bool:
    """Whether targets are shares of the classes under these settings."""
    return settings.mixup > 0 or settings.cutmix > 0


def draw_mix(settings: InputSettings, height: int, width: int, generator: torch.Generator) -> Mix:
    """Draws the same number of values whatever the outcome, so that later draws never shift."""
    happens, switch, quantile, row, column = torch.rand(5, generator=generator, dtype=torch.float64).tolist()
    if happens >= settings.mix_probability:
        return UNMIXED
    use_cutmix = settings.cutmix > 0 and (settings.mixup == 0 or switch < settings.switch_probability)
    alpha = settings.cutmix if use_cutmix else settings.mixup
    # The inverse distribution function, because torch offers no Beta draw from a generator of one's own.
    share = float(betaincinv(alpha, alpha, quantile))
    if not use_cutmix:
        return Mix(share, None)
    side = math.sqrt(1 - share)
    top, bottom = _cut(int(row * height), int(height * side), height)
    left, right = _cut(int(column * width), int(width * side), width)
    # The box is cut off at the border, so the share follows from the area that is left of it.
    return Mix(1 - (bottom - top) * (right - left) / (height * width), (top, bottom, left, right))


def mix_images(images: Tensor, mix: Mix) -> Tensor:
    """(B, C, H, W) -> the same; cutmix works in place."""
    if mix.box is not None:
        top, bottom, left, right = mix.box
        patch = images[:, :, top:bottom, left:right]
        patch.copy_(patch.flip(0))
        return images
    if mix.share == 1.0:
        return images
    return images.flip(0).lerp_(images, mix.share)  # one large buffer less than the plain lerp


def mix_targets(targets: Tensor, num_classes: int, mix: Mix) -> Tensor:
    """(B,) labels -> (B, K) shares that sum to 1."""
    shares = F.one_hot(targets, num_classes).to(torch.float32)
    return shares if mix.share == 1.0 else torch.lerp(shares.flip(0), shares, mix.share)


def _cut(centre: int, length: int, size: int) -> tuple[int, int]:
    return max(centre - length // 2, 0), min(centre + length // 2, size)
