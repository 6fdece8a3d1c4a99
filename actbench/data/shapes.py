"""Generated pictures for smoke runs of detection: discs, squares and triangles with boxes and polygons.

Drawn from a fixed seed with integers alone, so the same set comes out everywhere.
"""

import hashlib
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from actbench.data.canonical import Images
from actbench.data.catalog import ShapesOptions
from actbench.data.objects import Picture, Pictures, PictureSet, Thing, fingerprint
from actbench.streams import stream_seed

CLASSES = ("disc", "square", "triangle")
MOST = 3
"""Shapes in a picture; every eighth picture has none."""
CORNERS = {"disc": 24, "square": 4, "triangle": 3}
TURN = {"disc": 0.0, "square": math.pi / 4, "triangle": -math.pi / 2}


class MemoryReader(NamedTuple):
    images: dict[str, Images]

    def __call__(self, picture: Picture) -> Images:
        return self.images[picture.name]


def make_shapes(options: ShapesOptions) -> PictureSet:
    """A training and a test part; the classes are told by the outline, colours are drawn."""
    train, test = (
        _part(options.size, part, count) for part, count in (("train", options.train), ("test", options.test))
    )
    pixels = [
        f"{name} {hashlib.sha256(part.read(picture).tobytes()).hexdigest()}"
        for name, part in (("train", train), ("test", test))
        for picture in part.pictures
    ]
    found = fingerprint({"train": train.pictures, "test": test.pictures}, CLASSES, pixels)
    return PictureSet(train=train, val=None, test=test, classes=CLASSES, fingerprint=found)


def _part(size: int, part: str, count: int) -> Pictures:
    images: dict[str, Images] = {}
    pictures: list[Picture] = []
    for number in range(count):
        rng = np.random.default_rng(stream_seed(0, "shapes", part, number))
        name = f"{part}/{number}"
        image = Image.fromarray(rng.integers(0, 64, (size, size, 3), dtype=np.uint8))
        amount = 0 if number % 8 == 7 else int(rng.integers(1, MOST + 1))
        things = tuple(_draw(image, rng, size) for _ in range(amount))
        images[name] = np.asarray(image)
        pictures.append(Picture(name, size, size, things))
    return Pictures(tuple(pictures), MemoryReader(images))


def _draw(image: Image.Image, rng: np.random.Generator, size: int) -> Thing:
    label = int(rng.integers(1, len(CLASSES) + 1))
    kind = CLASSES[label - 1]
    radius = int(rng.integers(size // 8, size // 4 + 1))
    x, y = (int(value) for value in rng.integers(radius, size - radius, 2))
    corners = [
        (x + round(radius * math.cos(angle)), y + round(radius * math.sin(angle)))
        for angle in (TURN[kind] + 2 * math.pi * k / CORNERS[kind] for k in range(CORNERS[kind]))
    ]
    colour = tuple(int(value) for value in rng.integers(96, 256, 3))
    ImageDraw.Draw(image).polygon(corners, fill=colour)
    columns, rows = [column for column, _ in corners], [row for _, row in corners]
    left, top, width, height = min(columns), min(rows), max(columns) - min(columns), max(rows) - min(rows)
    area = (
        abs(sum(a * d - c * b for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True))) / 2
    )
    polygon = [float(value) for corner in corners for value in corner]
    return Thing((left, top, width, height), label, area, False, [polygon])
