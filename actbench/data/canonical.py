"""One order, one split and one fingerprint for the same images, however their files are arranged.

Each image has a key, a hash of its content (of its relative name where images are streamed). Sorting by key
gives the canonical order, and every choice of examples takes the first by key, so that nothing depends on
file order.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Examples(NamedTuple):
    """One part of a data set in memory."""

    images: Images
    """(N, H, W, C)."""
    labels: Labels
    """(N,)."""

    def select(self, index: NDArray[np.int64] | Mask) -> "Examples":
        return Examples(self.images[index], self.labels[index])


class ImageSet(NamedTuple):
    """A whole data set in memory: its training part, validation included, and its test part."""

    train: Examples
    test: Examples
    num_classes: int


def hash_keys(contents: Iterable[bytes | memoryview]) -> Keys:
    """A 64-bit key for each content; equal contents have equal keys."""
    digests = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def image_keys(images: Images) -> Keys:
    """The keys of images, from their pixels alone, so that an image has one key under any label."""
    rows = np.ascontiguousarray(images).reshape(-1).data
    size = int(np.prod(images.shape[1:]))
    return hash_keys(rows[start : start + size] for start in range(0, len(rows), size))


def canonical_order(keys: Keys, labels: Labels) -> NDArray[np.int64]:
    """Positions of the examples in canonical order; what ties here is the same image under the same label."""
    return np.lexsort((labels, keys)).astype(np.int64)


def in_order(examples: Examples) -> tuple[Examples, Keys]:
    """The examples in canonical order, with their keys."""
    keys = image_keys(examples.images)
    order = canonical_order(keys, examples.labels)
    return examples.select(order), keys[order]


def rank_in_class(labels: Labels) -> NDArray[np.int64]:
    """How many examples of the same class stand before each one."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - first
    return rank


def limited(labels: Labels, limit: int | None) -> NDArray[np.int64]:
    """Positions of at most `limit` examples (in canonical order), in proportion to the classes.

    Every class keeps one if the limit reaches the number of classes; a smaller limit keeps the first classes,
    so that training and test parts keep the same ones.
    """
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    rank = rank_in_class(labels)
    count = np.bincount(labels)[labels]
    depth = np.where(rank == 0, 0.0, (rank + 0.5) / count)
    return np.sort(np.lexsort((labels, depth))[:limit])


def held_out(keys: Keys, labels: Labels, fraction: float) -> Mask:
    """Which examples are kept apart: of each class of n the first round(fraction * n) by key.

    At least one of every class that has two different images, never all of them; where no class has two, the
    same share of all. Copies of one image fall on one side, whatever their labels.
    """
    chosen: set[int] = set()
    for label in np.unique(labels):
        chosen |= _first_keys(keys[labels == label], fraction)
    if not chosen:
        chosen = _first_keys(keys, fraction)
    return np.isin(keys, np.fromiter(chosen, dtype=np.uint64, count=len(chosen)))


def _first_keys(keys: Keys, fraction: float) -> set[int]:
    # Whole groups of copies, so a class is never cut through one image; the last group always stays.
    distinct, copies = np.unique(keys, return_counts=True)
    wanted = max(1, round(fraction * len(keys)))
    before = np.concatenate(([0], np.cumsum(copies)[:-1]))
    return {int(key) for key in distinct[:-1][before[:-1] < wanted]}


def fingerprint(data: ImageSet) -> str:
    """sha256 over both parts (each in canonical order) and the number of classes."""
    digest = hashlib.sha256(f"classes {data.num_classes}\n".encode())
    for name, part in (("train", data.train), ("test", data.test)):
        for what, array in (("images", part.images), ("labels", part.labels.astype("<i8"))):
            digest.update(f"{name} {what} {array.dtype.str[1:]} {list(array.shape)}\n".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()
