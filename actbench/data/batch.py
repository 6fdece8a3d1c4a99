"""What training sees of a data set: batches, and the source that makes them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from actbench.data.normalization import Normalization

EvalSplit = Literal["val", "test"]


class Batch(NamedTuple):
    images: Tensor
    """(B, C, S, S) float32, normalised, on the device that was asked for; of text (B, T) int64 token numbers, 0 behind
    the end of a sentence."""
    targets: Tensor
    """(B,) int64; (B, K) float32 shares of the classes where the recipe mixes images."""

    @property
    def num_images(self) -> int:
        return len(self.images)

    def parts(self, number: int) -> "Iterator[Batch]":
        """The batch cut into that many parts, or fewer where it has too few images."""
        return map(Batch, self.images.chunk(number), self.targets.chunk(number))


class DetectionBatch(NamedTuple):
    images: list[Tensor]
    """Each (3, H, W) float32 in [0, 1] with sides of its own, on the device that was asked for."""
    targets: list[dict[str, Tensor]]
    """For each image `boxes` (n, 4) float32 as corners in pixels, `labels` (n,) int64 from 1, and `masks` (n, H, W)
    uint8 where they were asked for. Empty in batches for evaluation, whose truth the source has."""

    @property
    def num_images(self) -> int:
        return len(self.images)

    def parts(self, number: int) -> "Iterator[DetectionBatch]":
        """The batch cut into that many parts, or fewer where it has too few images."""
        size = -(-len(self.images) // number)
        for start in range(0, len(self.images), size):
            yield DetectionBatch(self.images[start : start + size], self.targets[start : start + size])


class Source(ABC):
    """One data set under one `input` block, split as the evaluation protocol asks."""

    name: str
    num_classes: int
    channels: int
    """Of an image; of text the size of the vocabulary."""
    num_train: int
    num_val: int
    """0 under protocol best-test."""
    num_test: int
    fingerprint: str
    """sha256 over the whole set, before any limit or validation split."""
    synthetic: bool
    test_openings: int = 0
    """How often the test set was asked for: runs that only choose settings must leave it at 0."""

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in an epoch; a set smaller than one batch makes one smaller batch."""
        return max(1, self.num_train // batch_size)

    @abstractmethod
    def train_batches(
        self, *, seed: int, epoch: int, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch | DetectionBatch]:
        """One epoch of augmented batches; a function of (seed, epoch, batch_size) alone."""

    @abstractmethod
    def first_train_images(
        self, count: int, *, device: torch.device, channels_last: bool
    ) -> Tensor | list[Tensor]:
        """The first training images in canonical order, at most `count`, prepared as for evaluation."""

    def _count_opening(self, split: EvalSplit) -> None:
        """To be called by whatever gives examples of a split, or their truth, away."""
        self.test_openings += split == "test"


class DataSource(Source):
    """A set of labelled images or sentences."""

    normalization: Normalization
    """What turned pixels in [0, 1] into the batches' values."""

    @abstractmethod
    def train_batches(
        self, *, seed: int, epoch: int, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]: ...

    def eval_batches(
        self, split: EvalSplit, *, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]:
        """Every example of the split once, in canonical order, with integer targets."""
        self._count_opening(split)
        return self._split_batches(split, batch_size=batch_size, device=device, channels_last=channels_last)

    @abstractmethod
    def _split_batches(
        self, split: EvalSplit, *, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]:
        """What `eval_batches` gives."""

    @abstractmethod
    def first_train_images(self, count: int, *, device: torch.device, channels_last: bool) -> Tensor: ...
