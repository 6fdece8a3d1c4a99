"""Data sets held in memory as bytes, augmented in whole batches on the training device."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from actbench.data.batch import Batch, DataSource, EvalSplit
from actbench.data.canonical import Examples, ImageSet, fingerprint, held_out, in_order, limited
from actbench.data.geometry import resize
from actbench.data.normalization import choose_normalization
from actbench.data.pipeline import Generators, Pipeline
from actbench.data.settings import InputSettings
from actbench.data.transfer import send

CHUNK = 1024
HEAD = 256
"""So many training images are kept as they were read, for `first_train_images`."""


class MemorySource(DataSource):
    def __init__(
        self,
        name: str,
        data: ImageSet,
        settings: InputSettings,
        *,
        limit: int | None,
        val_fraction: float | None,
        synthetic: bool = False,
    ) -> None:
        train, keys = in_order(data.train)
        test, _ = in_order(data.test)
        self.name, self.synthetic, self.num_classes = name, synthetic, data.num_classes
        self.channels = train.images.shape[-1]
        self.fingerprint = fingerprint(ImageSet(train, test, data.num_classes))
        self._pipeline = Pipeline(
            settings, choose_normalization(name, settings, train.images), data.num_classes
        )
        self.normalization = self._pipeline.normalization
        if limit is not None:
            kept = limited(train.labels, limit)
            train, keys = train.select(kept), keys[kept]
            test = test.select(limited(test.labels, limit))
        apart = np.zeros(len(keys), dtype=np.bool_)
        if val_fraction is not None:
            apart = held_out(keys, train.labels, val_fraction)
        images, labels = _tensors(train.select(~apart) if apart.any() else train)
        self._head = images[:HEAD].clone()
        if settings.crop != "random-resized":
            images = _resized(images, settings)
        self._parts = {
            "train": (images, labels),
            "val": _tensors(train.select(apart)),
            "test": _tensors(test),
        }
        self._on_device: dict[tuple[str, torch.device], tuple[Tensor, Tensor]] = {}
        self.num_train, self.num_val, self.num_test = (len(labels) for _, labels in self._parts.values())

    def train_batches(
        self, *, seed: int, epoch: int, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]:
        images, labels = self._on("train", device)
        generators = Generators.of_epoch(seed, epoch)
        order = send(torch.randperm(self.num_train, generator=generators.order), device)
        for step in range(self.steps_per_epoch(batch_size)):
            index = order[step * batch_size : (step + 1) * batch_size]
            yield self._pipeline.train_batch(
                images, index, labels[index], generators, channels_last=channels_last
            )

    def _split_batches(
        self, split: EvalSplit, *, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]:
        images, labels = self._on(split, device)
        for start in range(0, len(labels), batch_size):
            chosen = slice(start, start + batch_size)
            pixels = self._pipeline.evaluate(images[chosen], channels_last=channels_last)
            yield Batch(pixels, labels[chosen])

    def first_train_images(self, count: int, *, device: torch.device, channels_last: bool) -> Tensor:
        """As declared; at most HEAD."""
        return self._pipeline.evaluate(self._head[:count].to(device), channels_last=channels_last)

    def _on(self, part: str, device: torch.device) -> tuple[Tensor, Tensor]:
        """Images and labels of a part; another device gets them once and keeps them."""
        images, labels = self._parts[part]
        if images.device == device:
            return images, labels
        if (part, device) not in self._on_device:
            self._on_device[part, device] = (images.to(device), labels.to(device))
        return self._on_device[part, device]


def _tensors(examples: Examples) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(examples.images), torch.from_numpy(examples.labels)


def _resized(images: Tensor, settings: InputSettings) -> Tensor:
    # Once, at loading, instead of once an epoch.
    if images.shape[1:3] == (settings.size, settings.size):
        return images
    resized = images.new_empty(len(images), settings.size, settings.size, images.shape[-1])
    for start in range(0, len(images), CHUNK):
        resized[start : start + CHUNK] = resize(
            images[start : start + CHUNK], settings.size, settings.interpolation
        )
    return resized
