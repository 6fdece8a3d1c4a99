"""Folders of pictures, one folder per class: finding them, and reading one picture as a square."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from actbench.data.canonical import Examples, Images, Labels
from actbench.errors import DataError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

Interpolation = Literal["bilinear", "bicubic"]
Box = tuple[int, int, int, int]
"""Top, left, height, width in pixels."""


class Listing(NamedTuple):
    """Pictures of one part by name; a name is CLASS/FILE relative to the root."""

    root: Path
    names: tuple[str, ...]
    labels: Labels
    grey: bool = False

    def paths(self) -> Iterator[Path]:
        return (self.root / name for name in self.names)

    def select(self, index: NDArray[np.int64]) -> "Listing":
        return Listing(self.root, tuple(self.names[i] for i in index), self.labels[index], self.grey)


class Parts(NamedTuple):
    """A folder's own division; `test` is None where the folder holds classes without one."""

    classes: tuple[str, ...]
    train: Path
    test: Path | None


def find_parts(root: Path, layout: str, test_names: tuple[str, ...] = ("test", "val")) -> Parts:
    """Finds the parts and checks that they hold the same classes; reads folder names only."""
    if not root.is_dir():
        raise DataError(
            "no such folder",
            where=str(root),
            hints=[f"give --data-dir DIR or set ACTBENCH_DATA_DIR=DIR, with DIR/{layout}"],
        )
    train = root / "train"
    if not train.is_dir():
        return Parts(find_classes(root), root, None)
    test = next((root / name for name in test_names if (root / name).is_dir()), None)
    if test is None:
        raise DataError(f"train is here, but no {' or '.join(test_names)}", where=str(root))
    classes, others = find_classes(train), find_classes(test)
    if classes != others:
        lone = sorted(set(classes) ^ set(others))
        shown = ", ".join(lone[:5]) + (", ..." if len(lone) > 5 else "")
        raise DataError(
            f"train and {test.name} must hold the same classes; in one alone: {shown}", where=str(root)
        )
    return Parts(classes, train, test)


def find_classes(root: Path) -> tuple[str, ...]:
    """Names of the class folders, sorted; a name's place is its label."""
    classes = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise DataError(f"{len(classes)} class folders, at least 2 are needed", where=str(root))
    return tuple(classes)


def list_images(root: Path, classes: tuple[str, ...], *, grey: bool = False) -> Listing:
    """Every picture below the class folders, to be read in colour or grey."""
    names: list[str] = []
    counts: list[int] = []
    for name in classes:
        files = sorted(p.name for p in (root / name).iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise DataError(f"no picture in it (looked for {', '.join(SUFFIXES)})", where=str(root / name))
        names += [f"{name}/{file}" for file in files]
        counts.append(len(files))
    return Listing(root, tuple(names), np.repeat(np.arange(len(classes)), counts), grey)


def read_picture(path: Path, *, grey: bool = False) -> Image.Image:
    """The picture in RGB, or as its brightness alone; a DataError names the file if it cannot be read as one."""
    try:
        with Image.open(path) as image:
            return image.convert("L" if grey else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"damaged, or not a picture ({error})", where=str(path)) from None


def square(image: Image.Image, side: int, interpolation: Interpolation) -> Images:
    """(side, side, channels): the shorter side resized to `side`, then the middle."""
    width, height = image.size
    short = min(width, height)
    middle = ((height - short) // 2, (width - short) // 2, short, short)
    return cut(image, middle, side, interpolation)


def cut(image: Image.Image, box: Box, side: int, interpolation: Interpolation) -> Images:
    """(side, side, channels): the box resized to a square."""
    top, left, height, width = box
    edges = (left, top, left + width, top + height)
    if (height, width) == (side, side):
        pixels = np.asarray(image.crop(edges))
    else:
        pixels = np.asarray(image.resize((side, side), FILTERS[interpolation], box=edges))
    return pixels.reshape(side, side, -1)  # a grey picture comes without its one channel


def read_squares(listing: Listing, side: int, interpolation: Interpolation) -> Examples:
    """All pictures of a listing in memory, as squares."""
    images = np.empty((len(listing.names), side, side, 1 if listing.grey else 3), dtype=np.uint8)
    with ThreadPoolExecutor() as pool:
        squares = pool.map(
            lambda path: square(read_picture(path, grey=listing.grey), side, interpolation), listing.paths()
        )
        for row, pixels in zip(images, squares, strict=True):
            row[:] = pixels
    return Examples(images, listing.labels)
