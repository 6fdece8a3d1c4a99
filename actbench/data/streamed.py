"""Data sets too large for memory, read from disk by worker processes.

A picture's key is the hash of its name, since hashing a million files would take hours; names and sizes make
the fingerprint. A random-resized crop is drawn under (seed, "augment", epoch, place of the picture), so that
neither the number of workers nor their order matters; the rest happens to whole batches as it does in memory.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actbench.data.batch import Batch, DataSource, EvalSplit
from actbench.data.canonical import Keys, canonical_order, hash_keys, held_out, limited
from actbench.data.folders import Listing, cut, read_picture, read_squares, square
from actbench.data.geometry import draw_boxes
from actbench.data.normalization import KNOWN, choose_normalization
from actbench.data.pipeline import Generators, Pipeline, eval_side
from actbench.data.settings import InputSettings
from actbench.data.workers import usable_workers
from actbench.errors import DataError
from actbench.streams import stream_seed

MEASURED = 2048
"""Training pictures that stand for all where mean and deviation must be measured."""

PREFETCHED = 2
"""Batches that each worker keeps ready: an update may then be short of none while a large picture is decoded."""

Sample = tuple[Tensor, int]


class StreamedSource(DataSource):
    def __init__(
        self,
        name: str,
        train: Listing,
        test: Listing,
        settings: InputSettings,
        *,
        num_classes: int,
        workers: int,
        limit: int | None,
        val_fraction: float | None,
    ) -> None:
        train, test = in_name_order(train), in_name_order(test)
        self.name, self.synthetic, self.num_classes = name, False, num_classes
        self.channels = 1 if train.grey else 3
        self.fingerprint = _fingerprint(train, test, num_classes)
        self._settings, self._workers = settings, workers
        needs_images = settings.normalize == "dataset" and name not in KNOWN
        measured = train.select(np.arange(min(MEASURED if needs_images else 0, len(train.names))))
        images = read_squares(measured, settings.size, settings.interpolation).images
        self.normalization = choose_normalization(name, settings, images)
        self._pipeline = Pipeline(settings, self.normalization, num_classes)
        train, test = train.select(limited(train.labels, limit)), test.select(limited(test.labels, limit))
        apart = np.zeros(len(train.names), dtype=np.bool_)
        if val_fraction is not None:
            apart = held_out(name_keys(train), train.labels, val_fraction)
        self._train = train.select(np.flatnonzero(~apart))
        self._parts = {"val": train.select(np.flatnonzero(apart)), "test": test}
        self.num_train = len(self._train.names)
        self.num_val, self.num_test = len(self._parts["val"].names), len(test.names)

    def train_batches(
        self, *, seed: int, epoch: int, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]:
        generators = Generators.of_epoch(seed, epoch)
        order = torch.randperm(self.num_train, generator=generators.order).tolist()
        batches = [
            order[step * batch_size : (step + 1) * batch_size]
            for step in range(self.steps_per_epoch(batch_size))
        ]
        crops = self._settings.crop == "random-resized"
        pictures = Pictures(
            self._train, self._settings, self._settings.size, (seed, epoch) if crops else None
        )
        for images, labels in self._load(pictures, batches, device):
            yield self._pipeline.train_batch(
                images, None, labels, generators, channels_last=channels_last, cropped=crops
            )

    def _split_batches(
        self, split: EvalSplit, *, batch_size: int, device: torch.device, channels_last: bool
    ) -> Iterator[Batch]:
        listing = self._parts[split]
        places = list(range(len(listing.names)))
        batches = [places[start : start + batch_size] for start in range(0, len(places), batch_size)]
        for images, labels in self._load(self._squares(listing), batches, device):
            yield Batch(self._pipeline.evaluate(images, channels_last=channels_last), labels)

    def first_train_images(self, count: int, *, device: torch.device, channels_last: bool) -> Tensor:
        places = list(range(min(count, self.num_train)))
        ((images, _),) = self._load(self._squares(self._train), [places], device)
        return self._pipeline.evaluate(images, channels_last=channels_last)

    def _squares(self, listing: Listing) -> "Pictures":
        """As evaluation reads them."""
        return Pictures(listing, self._settings, eval_side(self._settings), None)

    def _load(
        self, pictures: "Pictures", batches: list[list[int]], device: torch.device
    ) -> Iterator[tuple[Tensor, Tensor]]:
        workers = usable_workers(self._workers)
        loader = DataLoader(
            pictures,
            batch_sampler=batches,
            num_workers=workers,
            # Each worker decodes this many batches ahead while the device computes.
            prefetch_factor=PREFETCHED if workers else None,
            collate_fn=_collate,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # or the loader would draw from the global one
        )
        for loaded in loader:
            # Raised here, so that the message arrives without a worker's traceback around it.
            if isinstance(loaded, DataError):
                raise loaded
            images, labels = loaded
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Pictures(Dataset["Sample | DataError"]):
    """Pictures as squares of bytes: random-resized crops under `crop`'s (seed, epoch), or the middle."""

    listing: Listing
    settings: InputSettings
    side: int
    crop: tuple[int, int] | None

    def __len__(self) -> int:
        return len(self.listing.names)

    def __getitem__(self, place: int) -> Sample | DataError:
        try:
            image = read_picture(self.listing.root / self.listing.names[place], grey=self.listing.grey)
        except DataError as error:
            return error
        if self.crop is None:
            pixels = square(image, self.side, self.settings.interpolation)
        else:
            seed, epoch = self.crop
            generator = torch.Generator().manual_seed(stream_seed(seed, "augment", epoch, place))
            boxes = draw_boxes(
                generator, 1, height=image.height, width=image.width, scale_min=self.settings.scale_min
            )
            top, left, height, width = (int(values) for values in boxes)
            pixels = cut(image, (top, left, height, width), self.side, self.settings.interpolation)
        return torch.from_numpy(pixels.copy()), int(self.listing.labels[place])


def _collate(samples: list[Sample | DataError]) -> tuple[Tensor, Tensor] | DataError:
    pixels, labels = [], []
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
        pixels.append(sample[0])
        labels.append(sample[1])
    return torch.stack(pixels), torch.tensor(labels)


def name_keys(listing: Listing) -> Keys:
    """Keys of streamed pictures, from CLASS/FILE."""
    return hash_keys(name.encode() for name in listing.names)


def in_name_order(listing: Listing) -> Listing:
    """The pictures in canonical order of their names' keys."""
    return listing.select(canonical_order(name_keys(listing), listing.labels))


def _fingerprint(train: Listing, test: Listing, num_classes: int) -> str:
    digest = hashlib.sha256(f"classes {num_classes}\n".encode())
    for part, listing in (("train", train), ("test", test)):
        for name, path in zip(listing.names, listing.paths(), strict=True):
            digest.update(f"{part} {name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()
