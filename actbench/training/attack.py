"""Accuracy under small changes of the picture: FGSM, and two controls that tell robustness from hidden gradients.

Attacks     with g the gradient of a picture's cross-entropy by its pixels, s = sign(g), no change above eps:
            fgsm    x + eps s                                      (one gradient, whatever the number of eps)
            pgd     from a uniform start within eps, `pgd_steps` steps of 2.5 eps / pgd_steps along s, each brought
                    back within eps: where fgsm finds less than this, its gradient hides the way
            noise   x + eps r, r random signs: what is lost to a change of that size without an opponent
            Every result is cut to [0, 1], in which pixels lie before they are normalised.
Pixels      eps counts in 255ths of full brightness. The model's input is normalised, (x - mean) / std per channel, so
            eps / std and the cut are per channel too; the sign of a gradient is the same in both.
Model       as it is evaluated: eval mode, the recipe's autocast; nothing but the input gets a gradient
Draws       from (seed, "attack", attack, batch), on the CPU: the same for every arm
Source      Goodfellow et al., 2014, arXiv:1412.6572 (fgsm); Madry et al., 2017, arXiv:1706.06083 (pgd)
Cost        in forward passes over the pictures, a backward pass by pixels as two: fgsm 3 + n for n eps, pgd
            (3 pgd_steps + 1) n, noise n
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.data.source import Batch, DataSource, EvalSplit
from actbench.recipe.schema import Attack, Recipe, RobustnessSettings
from actbench.record import AttackResult, Tally
from actbench.streams import stream_seed
from actbench.training.precision import autocast

_PGD_REACH = 2.5
"""The steps of pgd together, in eps, so that every corner can be reached from every start."""


class _Range(NamedTuple):
    """The normalised pixel values, (C, 1, 1) each: of black, of full brightness, and of a 255th between."""

    low: Tensor
    high: Tensor
    level: Tensor


class _Victim(NamedTuple):
    """A model and how it is evaluated."""

    model: nn.Module
    device: torch.device
    amp: str

    def logits(self, images: Tensor) -> Tensor:
        with autocast(self.device, self.amp):
            logits: Tensor = self.model(images)
        return logits.float()

    def direction(self, images: Tensor, targets: Tensor) -> Tensor:
        """The signs of the gradient, 0 where it vanishes."""
        images = images.detach().requires_grad_()
        loss = F.cross_entropy(self.logits(images), targets, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, images)
        return gradient.sign()


def accuracy_under_attack(
    model: nn.Module, source: DataSource, split: EvalSplit, recipe: Recipe, *, seed: int, device: torch.device
) -> tuple[AttackResult, ...]:
    """One result for each attack and eps that the recipe asks for; leaves the model in eval mode."""
    settings = recipe.evaluation.robustness
    if settings is None:
        return ()
    model.eval()
    victim = _Victim(model, device, recipe.train.amp)
    pixels = _range(source, device)
    counted: dict[tuple[Attack, float], list[tuple[int, int, float]]] = {}
    for index, batch in enumerate(_first(source, split, recipe, device)):
        for attack in settings.attacks:
            generator = torch.Generator().manual_seed(stream_seed(seed, "attack", attack, index))
            for eps, changed in _changed(attack, victim, batch, settings, pixels, generator):
                counted.setdefault((attack, eps), []).append(_count(victim, changed, batch.targets))
    return tuple(
        AttackResult(attack=attack, eps=eps, tally=_sum(counts)) for (attack, eps), counts in counted.items()
    )


def _range(source: DataSource, device: torch.device) -> _Range:
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in source.normalization)
    values = (-mean / std, (1 - mean) / std, 1 / (255 * std))
    return _Range(*(value.view(-1, 1, 1).to(device, torch.float32) for value in values))


def _first(source: DataSource, split: EvalSplit, recipe: Recipe, device: torch.device) -> Iterator[Batch]:
    """The split's first pictures, as many as are asked for."""
    assert recipe.evaluation.robustness is not None
    wanted = recipe.evaluation.robustness.images
    left = math.inf if wanted is None else wanted
    for images, targets in source.eval_batches(
        split,
        batch_size=recipe.evaluation.batch_size,
        device=device,
        channels_last=recipe.train.channels_last,
    ):
        if left < len(images):
            images, targets = images[: int(left)], targets[: int(left)]
        yield Batch(images, targets)
        left -= len(images)
        if left <= 0:
            return


def _changed(
    attack: Attack,
    victim: _Victim,
    batch: Batch,
    settings: RobustnessSettings,
    pixels: _Range,
    generator: torch.Generator,
) -> Iterator[tuple[float, Tensor]]:
    """Each eps with the changed pictures."""
    images, targets = batch
    if attack == "fgsm":
        direction = victim.direction(images, targets)
    else:
        direction = torch.rand(images.shape, generator=generator).mul_(2).sub_(1).to(images)
    for eps in settings.eps:
        if attack == "pgd":
            yield eps, _descend(victim, batch, eps, settings.pgd_steps, direction, pixels)
        else:
            yield eps, _cut(images + eps * pixels.level * direction.sign(), pixels)


def _descend(victim: _Victim, batch: Batch, eps: float, steps: int, start: Tensor, pixels: _Range) -> Tensor:
    """`steps` steps up the loss from images + eps * start, within eps and the range of pixels."""
    images, targets = batch
    reach = eps * pixels.level
    changed = _cut(images + reach * start, pixels)
    for _ in range(steps):
        moved = changed + _PGD_REACH / steps * reach * victim.direction(changed, targets)
        changed = _cut(torch.minimum(torch.maximum(moved, images - reach), images + reach), pixels)
    return changed


def _cut(images: Tensor, pixels: _Range) -> Tensor:
    return torch.minimum(torch.maximum(images, pixels.low), pixels.high)


@torch.no_grad()
def _count(victim: _Victim, images: Tensor, targets: Tensor) -> tuple[int, int, float]:
    """Right answers, pictures, and the summed cross-entropy."""
    logits = victim.logits(images)
    loss = F.cross_entropy(logits.double(), targets, reduction="sum").item()
    return int((logits.argmax(dim=1) == targets).sum()), len(images), loss


def _sum(counts: list[tuple[int, int, float]]) -> Tally:
    correct, total, loss = map(sum, zip(*counts, strict=True))
    return Tally(correct=correct, total=total, loss_sum=loss if math.isfinite(loss) else None)
