"""What the in-memory pipeline is compared with: torchvision's transforms, image by image, in a DataLoader.

As its documentation shows them (v2), on PIL pictures or on tensors of bytes; crop, flip, RandAugment and
normalisation come from the same settings as ours.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from actbench.data.canonical import Examples
from actbench.data.normalization import Normalization
from actbench.data.settings import InputSettings

Kind = Literal["PIL", "tensor"]


class Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, examples: Examples, kind: Kind, transform: Callable[[Any], Tensor]) -> None:
        self._images, self._labels = examples.images, examples.labels
        self._kind, self._transform = kind, transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        pixels = self._images[place]
        picture = (
            Image.fromarray(pixels) if self._kind == "PIL" else torch.from_numpy(pixels).permute(2, 0, 1)
        )
        return self._transform(picture), int(self._labels[place])


def transforms_of(settings: InputSettings, normalization: Normalization) -> v2.Compose:
    """The same stages as ours; RandAugment is torchvision's own, whose set of operations is another."""
    assert settings.crop in ("none", "pad")
    assert settings.cutout == 0
    assert settings.random_erasing == 0
    steps: list[Any] = []
    if settings.crop == "pad":
        steps.append(v2.RandomCrop(settings.size, padding=settings.padding))
    if settings.flip > 0:
        steps.append(v2.RandomHorizontalFlip(settings.flip))
    if settings.rand_augment is not None:
        augment = settings.rand_augment
        steps.append(v2.RandAugment(augment.num_ops, round(augment.magnitude)))
    steps += [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*normalization)]
    return v2.Compose(steps)


def torchvision_loader(
    examples: Examples,
    settings: InputSettings,
    normalization: Normalization,
    *,
    kind: Kind,
    batch_size: int,
    workers: int,
    pin_memory: bool = False,
) -> DataLoader[tuple[Tensor, int]]:
    """Shuffled whole batches of (B, C, S, S) float32 and (B,) labels; mixing is left to the loop."""
    return DataLoader(
        Pictures(examples, kind, transforms_of(settings, normalization)),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
    )
