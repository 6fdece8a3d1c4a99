"""MNIST from its four IDX files, plain or gzipped.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998. An IDX file is big-endian: two zero
bytes, one byte for the element type (8: unsigned byte), one for the number of dimensions, their sizes of four
bytes each, then the elements in row-major order.
"""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actbench.data.canonical import Examples, ImageSet
from actbench.data.catalog import ENTRIES
from actbench.errors import DataError

SIDE = 28
NUM_CLASSES = 10
FOLDERS = ("MNIST/raw", "MNIST", "mnist")
"""Looked through in this order; the first is where torchvision unpacks the set."""
PARTS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
UNSIGNED_BYTE = 8


def check_mnist(data_dir: Path) -> None:
    """Raises a DataError unless all four files lie together in one of the folders."""
    _find_files(data_dir)


def load_mnist(data_dir: Path) -> ImageSet:
    """Both parts of the set."""
    files = _find_files(data_dir)
    return ImageSet(
        train=_read_part(*files["train"]), test=_read_part(*files["test"]), num_classes=NUM_CLASSES
    )


def _find_files(data_dir: Path) -> dict[str, tuple[Path, Path]]:
    names = [name for pair in PARTS.values() for name in pair]
    for folder in (data_dir / name for name in FOLDERS):
        found = {name: _find(folder, name) for name in names}
        absent = [name for name, path in found.items() if path is None]
        if len(absent) == len(names):
            continue
        if absent:
            raise DataError(
                f"mnist is not complete: no {', '.join(absent)}", where=str(folder), hints=[_hint()]
            )
        paths = {name: path for name, path in found.items() if path is not None}
        return {part: (paths[images], paths[labels]) for part, (images, labels) in PARTS.items()}
    raise DataError(
        f"mnist is not here: none of its files in {', '.join(FOLDERS)}", where=str(data_dir), hints=[_hint()]
    )


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _hint() -> str:
    return f"give --data-dir DIR or set ACTBENCH_DATA_DIR=DIR, with DIR/{ENTRIES['mnist'].layout}"


def _read_part(images_path: Path, labels_path: Path) -> Examples:
    images, labels = _read_idx(images_path), _read_idx(labels_path)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        raise _wrong(images_path, f"its images are {list(images.shape)} instead of [N, {SIDE}, {SIDE}]")
    if labels.shape != (len(images),):
        raise _wrong(labels_path, f"{len(images)} images, but labels {list(labels.shape)}")
    if labels.max() >= NUM_CLASSES:
        raise _wrong(labels_path, f"labels up to {labels.max()} for {NUM_CLASSES} classes")
    return Examples(images[..., None], labels.astype(np.int64))


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """The array that an IDX file of unsigned bytes holds."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise _wrong(path, f"it cannot be read ({error})") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise _wrong(path, f"it begins with {content[:4].hex(' ') or 'nothing'} instead of 00 00 08")
    start = 4 + 4 * content[3]
    sizes = np.frombuffer(content[4:start].ljust(4 * content[3], b"\0"), dtype=">u4").tolist()
    if len(content) != start + prod(sizes):
        raise _wrong(
            path,
            f"{len(content)} bytes, where {sizes} bytes behind a head of {start} make {start + prod(sizes)}",
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes)


def _wrong(path: Path, what: str) -> DataError:
    return DataError(
        f"not an MNIST file: {what}",
        where=str(path),
        hints=["put an intact copy in its place, or name another folder with --data-dir DIR"],
    )
