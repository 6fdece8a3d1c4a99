"""Generated images for smoke runs: every class is a coarse pattern under noise, so it can be learnt.

Integers only, from a fixed seed, so the same set comes out everywhere.
"""

import numpy as np
from numpy.typing import NDArray

from actbench.data.canonical import Examples, ImageSet
from actbench.data.catalog import SyntheticOptions
from actbench.streams import stream_seed

CELLS = 4
"""Cells per side of a class's pattern: coarse enough to survive a stem of stride 4."""
NOISE = 64


def make_synthetic(options: SyntheticOptions) -> ImageSet:
    """A training and a test part with every class equally often, to within one image."""
    return ImageSet(
        train=_examples(options, "train", options.train),
        test=_examples(options, "test", options.test),
        num_classes=options.num_classes,
    )


def _examples(options: SyntheticOptions, part: str, count: int) -> Examples:
    size, channels = options.size, options.channels
    rng = np.random.default_rng(stream_seed(0, "synthetic", part))
    images = np.empty((count, size, size, channels), dtype=np.uint8)
    for i in range(count):
        noise = rng.integers(-NOISE, NOISE + 1, (size, size, channels), dtype=np.int16)
        images[i] = _pattern(i % options.num_classes, size, channels) + noise
    return Examples(images, np.arange(count, dtype=np.int64) % options.num_classes)


def _pattern(label: int, size: int, channels: int) -> NDArray[np.int16]:
    # From NOISE to 255 - NOISE, so that the noise never leaves the range of a byte.
    rng = np.random.default_rng(stream_seed(0, "synthetic", "class", label))
    cells = rng.integers(NOISE, 256 - NOISE, (CELLS, CELLS, channels), dtype=np.int16)
    repeat = -(-size // CELLS)
    return cells.repeat(repeat, axis=0).repeat(repeat, axis=1)[:size, :size]
