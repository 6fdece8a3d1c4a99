"""MNIST's four files with a handful of random digits, for tests."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actbench.data.mnist import PARTS

COUNTS = {"train": 40, "test": 20}


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def contents() -> dict[str, NDArray[np.uint8]]:
    """File name -> array: random images, every class equally often."""
    rng = np.random.default_rng(0)
    found = {}
    for part, (images, labels) in PARTS.items():
        found[images] = rng.integers(0, 256, (COUNTS[part], 28, 28), dtype=np.uint8)
        found[labels] = (np.arange(COUNTS[part]) % 10).astype(np.uint8)
    return found


def write_mnist(folder: Path, *, zipped: bool = False) -> None:
    folder.mkdir(parents=True)
    for name, array in contents().items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
