"""Pictures with objects in them: the typed ground truth, its fingerprint, and its way to a detector.

Boxes and masks are COCO's: a box is (left, top, width, height) in pixels; a mask is a list of polygons or a run-length
code. `pycocotools` is the extra `coco` and imported where it is needed.
"""

import hashlib
import importlib.util
import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from actbench.data.canonical import Images
from actbench.errors import ActbenchError

Segmentation = list[list[float]] | dict[str, Any]


class Thing(NamedTuple):
    """One object of a picture."""

    box: tuple[float, float, float, float]
    label: int
    """From 1 to the number of classes."""
    area: float
    is_crowd: bool
    """Many objects under one box: no target of training, and no error to find in evaluation."""
    segmentation: Segmentation | None
    """None where masks are not asked for."""


class Picture(NamedTuple):
    name: str
    width: int
    height: int
    things: tuple[Thing, ...]


class ReadPicture(Protocol):
    def __call__(self, picture: Picture) -> Images:
        """The pixels (H, W, 3). Raises DataError naming the file that cannot be read, or has another size."""


class Pictures(NamedTuple):
    """One part of a set, in canonical order."""

    pictures: tuple[Picture, ...]
    read: ReadPicture

    def select(self, index: NDArray[np.int64]) -> "Pictures":
        return Pictures(tuple(self.pictures[i] for i in index), self.read)


class PictureSet(NamedTuple):
    train: Pictures
    val: Pictures | None
    """The set's own validation part, if it has one beside its test part."""
    test: Pictures
    classes: tuple[str, ...]
    """Names of the labels from 1."""
    fingerprint: str


def require_pycocotools() -> None:
    """Raises ActbenchError with the command that installs what is missing."""
    if importlib.util.find_spec("pycocotools") is None:
        raise ActbenchError(
            "detection needs pycocotools, which is not installed", hints=['pip install "actbench[coco]"']
        )


def targets_of(picture: Picture, *, masks: bool) -> dict[str, Tensor]:
    """What a detector is trained on: objects that are no crowds and whose box, cut to the picture, has an area."""
    kept = [thing for thing in picture.things if not thing.is_crowd and _has_area(thing, picture)]
    corners = [_corners(thing, picture) for thing in kept]
    targets = {
        "boxes": torch.tensor(corners, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([thing.label for thing in kept], dtype=torch.int64),
    }
    if masks:
        drawn = [draw_mask(thing, picture.height, picture.width) for thing in kept]
        stacked = np.stack(drawn) if drawn else np.zeros((0, picture.height, picture.width), np.uint8)
        targets["masks"] = torch.from_numpy(stacked)
    return targets


def has_targets(picture: Picture) -> bool:
    return any(not thing.is_crowd and _has_area(thing, picture) for thing in picture.things)


def flipped(images: Tensor, targets: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Picture (3, H, W), boxes and masks with left and right exchanged."""
    left, top, right, bottom = targets["boxes"].unbind(1)
    width = images.shape[-1]
    turned = {**targets, "boxes": torch.stack([width - right, top, width - left, bottom], dim=1)}
    if "masks" in targets:
        turned["masks"] = targets["masks"].flip(-1)
    return images.flip(-1), turned


def draw_mask(thing: Thing, height: int, width: int) -> NDArray[np.uint8]:
    """The object's pixels, (H, W) of 0 and 1."""
    from pycocotools import mask as codec

    assert thing.segmentation is not None
    code = run_length_code(thing.segmentation, height, width)
    with warnings.catch_warnings():
        # pycocotools 2.0.11 warns of its own way with numpy 2.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.ascontiguousarray(codec.decode(code), dtype=np.uint8)


def run_length_code(segmentation: Segmentation, height: int, width: int) -> dict[str, Any]:
    """COCO's compressed code of polygons, or of a code that is not compressed yet."""
    from pycocotools import mask as codec

    code: dict[str, Any]
    if isinstance(segmentation, list):
        code = codec.merge(codec.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        code = codec.frPyObjects(segmentation, height, width)
    else:
        code = segmentation
    return code


def fingerprint(parts: dict[str, tuple[Picture, ...]], classes: tuple[str, ...], contents: list[str]) -> str:
    """sha256 over names, sizes and objects of every part, and over what stands for the pixels."""
    digest = hashlib.sha256(f"classes {classes!r}\n".encode())
    for part, pictures in parts.items():
        for picture in pictures:
            digest.update(f"{part} {picture.name} {picture.width} {picture.height}\n".encode())
            for line in sorted(repr(tuple(thing)) for thing in picture.things):
                digest.update(f"{line}\n".encode())
    for content in contents:
        digest.update(f"{content}\n".encode())
    return digest.hexdigest()


def _corners(thing: Thing, picture: Picture) -> tuple[float, float, float, float]:
    left, top, width, height = thing.box
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    return max(left, 0.0), max(top, 0.0), right, bottom


def _has_area(thing: Thing, picture: Picture) -> bool:
    left, top, right, bottom = _corners(thing, picture)
    return right > left and bottom > top
