"""Opening a data set: all that training needs of this package."""

from pathlib import Path

import numpy as np

from actbench.data.batch import Batch, DataSource, DetectionBatch, EvalSplit, Source
from actbench.data.canonical import Examples, ImageSet, held_out, in_order, rank_in_class
from actbench.data.catalog import (
    ENTRIES,
    CocoOptions,
    DataOptions,
    DigitsOptions,
    ImageFolderOptions,
    ImageNetOptions,
    ImageOptions,
    MnistOptions,
    ShapesOptions,
    SyntheticOptions,
    TextOptions,
)
from actbench.data.cifar import check_cifar, download_cifar, load_cifar
from actbench.data.coco import find_coco_parts
from actbench.data.detection import DetectionSource, open_detection
from actbench.data.digits import load_digits
from actbench.data.folders import Listing, Parts, find_parts, list_images, read_squares
from actbench.data.memory import MemorySource
from actbench.data.mnist import check_mnist, load_mnist
from actbench.data.objects import require_pycocotools
from actbench.data.pipeline import eval_side
from actbench.data.settings import InputSettings
from actbench.data.streamed import StreamedSource, in_name_order, name_keys
from actbench.data.synthetic import make_synthetic
from actbench.data.text import check_text, open_text
from actbench.errors import DataError

__all__ = [
    "Batch",
    "DataSource",
    "DetectionBatch",
    "DetectionSource",
    "EvalSplit",
    "Source",
    "check_data",
    "download_cifar",
    "open_data",
    "open_detection",
    "open_text",
]

MEMORY_LIMIT = 2 * 1024**3
"""Bytes of decoded pictures above which a folder is streamed."""
FOLDER_WORKERS = 2


def check_data(options: DataOptions, *, data_dir: Path) -> None:
    """Raises a DataError if files are missing; loads nothing."""
    if isinstance(options, CocoOptions | ShapesOptions):
        require_pycocotools()
        if isinstance(options, CocoOptions):
            find_coco_parts(data_dir / options.folder)
    elif isinstance(options, ImageFolderOptions | ImageNetOptions):
        _find_pictures(options, data_dir)
    elif isinstance(options, TextOptions):
        check_text(options, data_dir=data_dir)
    elif isinstance(options, MnistOptions):
        check_mnist(data_dir)
    elif not isinstance(options, DigitsOptions | SyntheticOptions):
        check_cifar(options.name, data_dir)


def open_data(
    options: ImageOptions,
    settings: InputSettings,
    *,
    data_dir: Path,
    limit: int | None,
    val_fraction: float | None,
) -> DataSource:
    """The set of images, ready to give batches; `val_fraction` None (protocol best-test) holds nothing out."""
    if isinstance(options, ImageFolderOptions | ImageNetOptions):
        return _open_pictures(options, settings, data_dir, limit, val_fraction)
    if isinstance(options, DigitsOptions):
        data = load_digits(options)
    elif isinstance(options, SyntheticOptions):
        data = make_synthetic(options)
    elif isinstance(options, MnistOptions):
        data = load_mnist(data_dir)
    else:
        data = load_cifar(options.name, data_dir)
        if options.per_class is not None:
            data = data._replace(train=_first_of_each_class(data.train, options.per_class))
    synthetic = isinstance(options, SyntheticOptions)
    return MemorySource(
        options.name, data, settings, limit=limit, val_fraction=val_fraction, synthetic=synthetic
    )


def _first_of_each_class(examples: Examples, count: int) -> Examples:
    ordered, _ = in_order(examples)
    return ordered.select(np.flatnonzero(rank_in_class(ordered.labels) < count))


def _find_pictures(options: ImageFolderOptions | ImageNetOptions, data_dir: Path) -> Parts:
    root, layout = data_dir / options.folder, ENTRIES[options.name].layout
    if isinstance(options, ImageFolderOptions):
        return find_parts(root, layout)
    parts = find_parts(root, layout, ("val",))
    if parts.test is None:
        raise DataError("no train folder in it", where=str(root), hints=[f"the layout is {layout}"])
    return parts


def _open_pictures(
    options: ImageFolderOptions | ImageNetOptions,
    settings: InputSettings,
    data_dir: Path,
    limit: int | None,
    val_fraction: float | None,
) -> DataSource:
    parts = _find_pictures(options, data_dir)
    if isinstance(options, ImageNetOptions):
        parts = parts._replace(classes=parts.classes[: options.classes])
    grey = isinstance(options, ImageFolderOptions) and options.grey
    train = list_images(parts.train, parts.classes, grey=grey)
    if isinstance(options, ImageNetOptions) and options.per_class is not None:
        train = in_name_order(train)
        train = train.select(np.flatnonzero(rank_in_class(train.labels) < options.per_class))
    test = list_images(parts.test, parts.classes, grey=grey) if parts.test else None
    count = len(train.names) + (len(test.names) if test else 0)
    in_memory = (
        isinstance(options, ImageFolderOptions)
        and count * (1 if grey else 3) * eval_side(settings) ** 2 <= MEMORY_LIMIT
    )
    if in_memory and isinstance(options, ImageFolderOptions):
        data = _read_pictures(train, test, settings, options.test_fraction, len(parts.classes))
        return MemorySource(options.name, data, settings, limit=limit, val_fraction=val_fraction)
    if test is None:
        assert isinstance(options, ImageFolderOptions)
        apart = held_out(name_keys(train), train.labels, options.test_fraction)
        train, test = train.select(np.flatnonzero(~apart)), train.select(np.flatnonzero(apart))
    return StreamedSource(
        options.name,
        train,
        test,
        settings,
        num_classes=len(parts.classes),
        workers=options.workers if isinstance(options, ImageNetOptions) else FOLDER_WORKERS,
        limit=limit,
        val_fraction=val_fraction,
    )


def _read_pictures(
    train: Listing, test: Listing | None, settings: InputSettings, test_fraction: float, num_classes: int
) -> ImageSet:
    side = eval_side(settings)
    pictures = read_squares(train, side, settings.interpolation)
    if test is not None:
        return ImageSet(pictures, read_squares(test, side, settings.interpolation), num_classes)
    pictures, keys = in_order(pictures)
    apart = held_out(keys, pictures.labels, test_fraction)
    return ImageSet(pictures.select(~apart), pictures.select(apart), num_classes)
