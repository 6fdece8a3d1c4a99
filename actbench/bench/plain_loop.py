"""The training loop that one writes today, without mistakes, over torchvision's transforms and a DataLoader.

v2 transforms on PIL pictures or tensors in worker processes that stay, pinned memory, autocast, a fused or foreach
optimiser, no look at the loss before the epoch ends. The network is ours with plain modules in it; batch size,
precision, mixing, optimiser and average of the weights are the recipe's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.transforms import v2

from actbench.bench.torchvision_data import Kind, torchvision_loader
from actbench.data.canonical import ImageSet
from actbench.data.memory import MemorySource
from actbench.models.create import create_model
from actbench.recipe.schema import Recipe
from actbench.training.precision import autocast


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSetting:
    device: torch.device
    workers: int
    """Of the DataLoader; with 0 it works in this process."""
    transforms: Kind = "PIL"
    channels_last: bool = False


def plain_epochs(
    recipe: Recipe, act: Callable[[int], nn.Module], data: ImageSet, setting: PlainSetting
) -> Iterator[float]:
    """Trains for ever; gives each epoch's mean loss, for which alone it waits."""
    device, settings = setting.device, recipe.train
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    torch.manual_seed(0)
    model = create_model(recipe.model, num_classes=data.num_classes, in_channels=3, act=act)
    model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
    optimizer = _optimizer(model, recipe)
    averaging = get_ema_multi_avg_fn(0.99)  # type: ignore[no-untyped-call]
    average = AveragedModel(model, multi_avg_fn=averaging) if settings.ema else None
    mixup = v2.MixUp(alpha=recipe.input.mixup, num_classes=data.num_classes) if recipe.input.mixup else None
    source = MemorySource("cifar100", data, recipe.input, limit=None, val_fraction=None)
    loader = torchvision_loader(
        data.train,
        recipe.input,
        source.normalization,
        kind=setting.transforms,
        batch_size=settings.batch_size,
        workers=setting.workers,
        pin_memory=device.type == "cuda",
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * len(loader))
    while True:
        model.train()
        total = torch.zeros((), device=device)
        for images, targets in loader:
            images = images.to(device, non_blocking=True, memory_format=layout)
            targets = targets.to(device, non_blocking=True)
            if mixup:
                images, targets = mixup(images, targets)
            with autocast(device, settings.amp):
                logits = model(images)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=settings.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if average:
                average.update_parameters(model)
            total += loss.detach()
        yield total.item() / len(loader)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    settings = recipe.train
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    assert settings.optimizer == "sgd"
    return torch.optim.SGD(
        groups,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )
