"""CIFAR-10 and CIFAR-100 from the pickles of their archives, or from folders of images; in any sample order.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. No checksum is asked for,
since copies in another order are the same data; only our own download is checked, by torchvision.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from actbench.data.canonical import Examples, ImageSet
from actbench.data.catalog import ENTRIES
from actbench.data.folders import Listing, Parts, find_parts, list_images, read_picture
from actbench.data.plain_pickle import load_plain_pickle
from actbench.errors import DataError

CifarName = Literal["cifar10", "cifar100"]
SIDE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where the pickles of one set lie and what they call their labels."""

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: str
    num_classes: int


ARCHIVES: dict[CifarName, Archive] = {
    "cifar10": Archive(
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{i}" for i in range(1, 6)),
        test=("test_batch",),
        labels="labels",
        num_classes=10,
    ),
    "cifar100": Archive(
        folder="cifar-100-python", train=("train",), test=("test",), labels="fine_labels", num_classes=100
    ),
}


def check_cifar(name: CifarName, data_dir: Path) -> None:
    """Raises a DataError unless the files of one of the two layouts are there."""
    archive = ARCHIVES[name]
    folder = data_dir / archive.folder
    if folder.is_dir():
        absent = [file for file in (*archive.train, *archive.test) if not (folder / file).is_file()]
        if absent:
            raise DataError(
                f"{name} is not complete: no {', '.join(absent)}", where=str(folder), hints=[_hint(name)]
            )
    elif (data_dir / name).is_dir():
        _check_folders(name, data_dir)
    else:
        raise DataError(
            f"{name} is not here: neither {archive.folder} nor {name}",
            where=str(data_dir),
            hints=[_hint(name)],
        )


def load_cifar(name: CifarName, data_dir: Path) -> ImageSet:
    """Both parts of the set."""
    check_cifar(name, data_dir)
    archive = ARCHIVES[name]
    folder = data_dir / archive.folder
    if not folder.is_dir():
        return _load_folders(name, data_dir)
    return ImageSet(
        train=_load_pickles([folder / file for file in archive.train], archive),
        test=_load_pickles([folder / file for file in archive.test], archive),
        num_classes=archive.num_classes,
    )


def download_cifar(name: CifarName, data_dir: Path) -> None:
    """Fetches and unpacks the archive through torchvision, which checks its md5 sum."""
    from torchvision import datasets

    dataset = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        dataset(str(data_dir), download=True)
    except (OSError, RuntimeError) as error:  # no network, no space, a wrong checksum
        raise DataError(
            f"the download of {name} failed: {error}", where=str(data_dir), hints=[_hint(name)]
        ) from None


def _hint(name: CifarName) -> str:
    return (
        f"give --data-dir DIR or set ACTBENCH_DATA_DIR=DIR, with DIR/{ENTRIES[name].layout}; "
        "or fetch it with --download"
    )


def _load_pickles(paths: list[Path], archive: Archive) -> Examples:
    parts = [_load_pickle(path, archive) for path in paths]
    return Examples(np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts]))


def _load_pickle(path: Path, archive: Archive) -> Examples:
    content = load_plain_pickle(path)
    data = np.asarray(_value(content, "data", path))
    labels = np.asarray(_value(content, archive.labels, path))
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * SIDE * SIDE or len(data) == 0:
        raise _wrong(path, f"its images are {data.dtype} {list(data.shape)} instead of uint8 [N, 3072]")
    if labels.shape != (len(data),) or labels.dtype.kind not in "iu":
        raise _wrong(path, f"{len(data)} images, but labels {labels.dtype} {list(labels.shape)}")
    if labels.min() < 0 or labels.max() >= archive.num_classes:
        raise _wrong(path, f"labels from {labels.min()} to {labels.max()} for {archive.num_classes} classes")
    planes = data.reshape(-1, 3, SIDE, SIDE)
    return Examples(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.astype(np.int64))


def _value(content: Any, key: str, path: Path) -> Any:
    if not isinstance(content, dict):
        raise _wrong(path, f"it holds a {type(content).__name__}, not a dictionary")
    for spelling in (key.encode(), key):
        if spelling in content:
            return content[spelling]
    raise _wrong(path, f"it has no {key!r}")


def _wrong(path: Path, what: str) -> DataError:
    return DataError(
        f"not a CIFAR file: {what}",
        where=str(path),
        hints=["put an intact copy in its place, or name another folder with --data-dir DIR"],
    )


def _check_folders(name: CifarName, data_dir: Path) -> Parts:
    parts = find_parts(data_dir / name, ENTRIES[name].layout, ("test",))
    wanted = ARCHIVES[name].num_classes
    if parts.test is None or len(parts.classes) != wanted:
        raise DataError(f"train and test must hold {wanted} class folders each", where=str(data_dir / name))
    return parts


def _load_folders(name: CifarName, data_dir: Path) -> ImageSet:
    # The official label numbers of both sets are alphabetical, and so are sorted folder names.
    parts = _check_folders(name, data_dir)
    assert parts.test is not None
    return ImageSet(
        train=_read_folder(list_images(parts.train, parts.classes)),
        test=_read_folder(list_images(parts.test, parts.classes)),
        num_classes=len(parts.classes),
    )


def _read_folder(listing: Listing) -> Examples:
    images = np.empty((len(listing.names), SIDE, SIDE, 3), dtype=np.uint8)
    for row, path in zip(images, listing.paths(), strict=True):
        picture = read_picture(path)
        if picture.size != (SIDE, SIDE):
            raise _wrong(path, f"it has {picture.width}x{picture.height} pixels instead of {SIDE}x{SIDE}")
        row[:] = np.asarray(picture)
    return Examples(images, listing.labels)
