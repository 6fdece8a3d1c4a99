"""Batches for a detector, made by worker processes, and the ground truth of what it is evaluated on.

A picture is flipped under (seed, "augment", epoch, place of the picture), so that neither the number of workers nor
their order matters. Pictures without a single usable object are left out of training, as all known recipes do, and
stay in evaluation, where anything found in them is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actbench.data.batch import DetectionBatch, EvalSplit, Source
from actbench.data.canonical import held_out
from actbench.data.catalog import CocoOptions, DetectionOptions
from actbench.data.coco import load_coco, picture_keys
from actbench.data.objects import (
    Picture,
    Pictures,
    PictureSet,
    flipped,
    has_targets,
    require_pycocotools,
    targets_of,
)
from actbench.data.pipeline import Generators
from actbench.data.settings import InputSettings
from actbench.data.shapes import make_shapes
from actbench.data.workers import usable_workers
from actbench.errors import DataError
from actbench.streams import stream_seed


def open_detection(
    options: DetectionOptions,
    settings: InputSettings,
    *,
    data_dir: Path,
    limit: int | None,
    val_fraction: float | None,
    masks: bool,
) -> "DetectionSource":
    """The set, ready to give batches; `val_fraction` None (protocol best-test) holds nothing out.

    A val part that the set has beside its test part is the validation split, whatever the fraction; nothing is held out
    of training then, and under best-test it lies idle.
    """
    require_pycocotools()
    if isinstance(options, CocoOptions):
        found, workers = load_coco(options, data_dir / options.folder, masks=masks), options.workers
    else:
        found, workers = make_shapes(options), 0
    return DetectionSource(
        options.name,
        found,
        settings,
        limit=limit,
        val_fraction=val_fraction,
        masks=masks,
        workers=workers,
        synthetic=not isinstance(options, CocoOptions),
    )


class DetectionSource(Source):
    def __init__(
        self,
        name: str,
        data: PictureSet,
        settings: InputSettings,
        *,
        limit: int | None,
        val_fraction: float | None,
        masks: bool,
        workers: int,
        synthetic: bool,
    ) -> None:
        self.name, self.synthetic, self.fingerprint = name, synthetic, data.fingerprint
        self.num_classes, self.channels, self.classes = len(data.classes), 3, data.classes
        self.masks, self._settings, self._workers = masks, settings, workers
        train, val = _first(data.train, limit), None
        if val_fraction is not None and data.val is not None:
            val = _first(data.val, limit)
        elif val_fraction is not None:
            keys = picture_keys(train.pictures)
            apart = held_out(keys, np.zeros(len(keys), np.int64), val_fraction)
            train, val = train.select(np.flatnonzero(~apart)), train.select(np.flatnonzero(apart))
        used = [place for place, picture in enumerate(train.pictures) if has_targets(picture)]
        self._train = train.select(np.array(used, dtype=np.int64))
        self._parts = {"val": val or Pictures((), data.test.read), "test": _first(data.test, limit)}
        self.num_train = len(self._train.pictures)
        self.num_val, self.num_test = len(self._parts["val"].pictures), len(self._parts["test"].pictures)
        if not self.num_train:
            raise DataError(f"no training picture of {name} has an object with an area")

    def truth(self, split: EvalSplit) -> tuple[Picture, ...]:
        """The split's pictures with their objects, in the order of `eval_batches`."""
        self._count_opening(split)
        return self._parts[split].pictures

    def train_batches(
        self,
        *,
        seed: int,
        epoch: int,
        batch_size: int,
        device: torch.device,
        channels_last: bool,  # noqa: ARG002
    ) -> Iterator[DetectionBatch]:
        order = torch.randperm(self.num_train, generator=Generators.of_epoch(seed, epoch).order).tolist()
        batches = [
            order[step * batch_size : (step + 1) * batch_size]
            for step in range(self.steps_per_epoch(batch_size))
        ]
        flip = Flip(self._settings.flip, seed, epoch)
        return self._load(Examples(self._train, flip, self.masks), batches, device)

    def eval_batches(
        self, split: EvalSplit, *, batch_size: int, device: torch.device
    ) -> Iterator[DetectionBatch]:
        """Every picture of the split once, in canonical order, without targets."""
        self._count_opening(split)
        part = self._parts[split]
        places = list(range(len(part.pictures)))
        batches = [places[start : start + batch_size] for start in range(0, len(places), batch_size)]
        return self._load(Examples(part, None, self.masks), batches, device)

    def first_train_images(
        self,
        count: int,
        *,
        device: torch.device,
        channels_last: bool,  # noqa: ARG002
    ) -> list[Tensor]:
        examples = Examples(self._train, None, self.masks)
        return next(self._load(examples, [list(range(min(count, self.num_train)))], device)).images

    def _load(
        self, examples: "Examples", batches: list[list[int]], device: torch.device
    ) -> Iterator[DetectionBatch]:
        loader = DataLoader(
            examples,
            batch_sampler=batches,
            num_workers=usable_workers(self._workers),
            collate_fn=list,
            generator=torch.Generator(),  # or the loader would draw from the global one
        )
        for loaded in loader:
            # Raised here, so that the message arrives without a worker's traceback around it.
            for example in loaded:
                if isinstance(example, DataError):
                    raise example
            yield DetectionBatch(
                [image.to(device, torch.float32) / 255 for image, _ in loaded],
                [
                    {name: value.to(device) for name, value in targets.items()}
                    for _, targets in loaded
                    if targets is not None
                ],
            )


class Flip(NamedTuple):
    """With which chance a picture is flipped, and the names of the stream that decides."""

    chance: float
    seed: int
    epoch: int

    def __call__(self, place: int) -> bool:
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "augment", self.epoch, place))
        return bool(torch.rand((), generator=generator) < self.chance)


Example = tuple[Tensor, dict[str, Tensor] | None]


@dataclass(frozen=True, slots=True)
class Examples(Dataset["Example | DataError"]):
    """Pictures as bytes (3, H, W), with targets where `flip` says that they are for training."""

    part: Pictures
    flip: Flip | None
    masks: bool

    def __len__(self) -> int:
        return len(self.part.pictures)

    def __getitem__(self, place: int) -> Example | DataError:
        picture = self.part.pictures[place]
        try:
            pixels = self.part.read(picture)
        except DataError as error:
            return error
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
        if self.flip is None:
            return image, None
        targets = targets_of(picture, masks=self.masks)
        return flipped(image, targets) if self.flip(place) else (image, targets)


def _first(part: Pictures, limit: int | None) -> Pictures:
    """At most the first `limit` pictures in canonical order."""
    return Pictures(part.pictures[:limit], part.read)
