"""Reading a set in COCO's format: finding its parts, and typed pictures from its annotation files.

Every mistake of a file is told with the file, the entry and what to do; nothing is guessed but what the format itself
leaves open (an annotation without `iscrowd` is no crowd, one without `area` has its box's).
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actbench.data.canonical import canonical_order, hash_keys, held_out
from actbench.data.catalog import ENTRIES, CocoOptions
from actbench.data.folders import read_picture
from actbench.data.objects import Picture, Pictures, PictureSet, Segmentation, Thing, fingerprint
from actbench.errors import DataError

LAYOUT = ENTRIES["coco"].layout
_PART = re.compile(r"instances_((train|val|test)\w*)\.json")


class Part(NamedTuple):
    annotations: Path
    images: str
    """Folder of the pictures, relative to the set's."""


def find_coco_parts(root: Path) -> dict[str, Part]:
    """Of a set with parts `train`, `test` and maybe `val`; of one without, `whole`. Reads no file."""
    folder = root / "annotations"
    if not folder.is_dir():
        raise DataError(
            "no folder of annotations" if root.is_dir() else "no such folder",
            where=str(folder if root.is_dir() else root),
            hints=[f"give --data-dir DIR or set ACTBENCH_DATA_DIR=DIR, with DIR/{LAYOUT}"],
        )
    parts: dict[str, Part] = {}
    for file in sorted(folder.glob("instances_*.json")):
        match = _PART.fullmatch(file.name)
        if match and match[2] in parts:
            other = parts[match[2]].annotations.name
            raise DataError(
                f"{other} and {file.name} are both a {match[2]} part",
                where=str(folder),
                hints=["keep one of the two here"],
            )
        if match:
            parts[match[2]] = Part(file, match[1])
    if not parts and (folder / "instances.json").exists():
        parts = {"whole": Part(folder / "instances.json", "images")}
    elif "train" not in parts or len(parts) < 2:
        raise DataError(
            f"a train part and a val or test part are needed; found: {', '.join(parts) or 'none'}",
            where=str(folder),
            hints=[f"the layout is {LAYOUT}"],
        )
    for part in parts.values():
        if not (root / part.images).is_dir():
            raise DataError(
                f"no such folder, and {part.annotations.name} speaks of its pictures",
                where=str(root / part.images),
            )
    # As in COCO itself, a val part without a test part beside it is what results are reported on.
    if "val" in parts and "test" not in parts:
        parts["test"] = parts.pop("val")
    return parts


def load_coco(options: CocoOptions, root: Path, *, masks: bool) -> PictureSet:
    """The whole set's ground truth; pixels are read later. Raises DataError."""
    parts = find_coco_parts(root)
    read = {
        name: read_annotations(part.annotations, part.images, masks=masks) for name, part in parts.items()
    }
    (first, (_, categories)), *others = read.items()
    for name, (_, theirs) in others:
        if theirs != categories:
            raise DataError(
                f"its categories are not those of {parts[first].annotations.name}",
                where=str(parts[name].annotations),
                hints=["the parts of a set must list the same ids and names"],
            )
    ordered = {name: _in_order(pictures) for name, (pictures, _) in read.items()}
    sizes = [
        f"{name} {picture.name} {_size(root / picture.name)}"
        for name, pictures in ordered.items()
        for picture in pictures
    ]
    classes = tuple(name for _, name in categories)
    found = fingerprint(ordered, classes, sizes)
    if "whole" in ordered:
        everything = ordered.pop("whole")
        keys = picture_keys(everything)
        apart = held_out(keys, np.zeros(len(keys), np.int64), options.test_fraction)
        ordered = {
            "train": tuple(p for p, out in zip(everything, apart, strict=True) if not out),
            "test": tuple(p for p, out in zip(everything, apart, strict=True) if out),
        }
    reader = FileReader(root)
    val = ordered.get("val")
    return PictureSet(
        train=Pictures(ordered["train"], reader),
        val=Pictures(val, reader) if val is not None else None,
        test=Pictures(ordered["test"], reader),
        classes=classes,
        fingerprint=found,
    )


def picture_keys(pictures: Sequence[Picture]) -> Any:
    """Keys of streamed pictures, from their names within the set."""
    return hash_keys(picture.name.encode() for picture in pictures)


class FileReader(NamedTuple):
    """Reads pictures below a folder; a plain value, so that worker processes can have it."""

    root: Path

    def __call__(self, picture: Picture) -> Any:
        path = self.root / picture.name
        image = read_picture(path)
        if image.size != (picture.width, picture.height):
            raise DataError(
                f"the picture has {image.width}x{image.height} pixels, its annotation says "
                f"{picture.width}x{picture.height}",
                where=str(path),
                hints=["annotate the pictures as they are: boxes would not fit"],
            )
        return np.asarray(image)


Categories = tuple[tuple[int, str], ...]
"""Ids and names, in order of the ids; a category's place from 1 is its label."""


def read_annotations(file: Path, images: str, *, masks: bool) -> tuple[list[Picture], Categories]:
    """The file's pictures with their objects, and its categories. `images` is the pictures' folder."""
    content = _parsed(file)
    categories = _categories(content["categories"], file)
    labels = {identity: label for label, (identity, _) in enumerate(categories, start=1)}
    things: dict[int, list[Thing]] = {}
    sizes: dict[int, tuple[str, int, int]] = {}
    for place, image in enumerate(content["images"]):
        fail = _at(file, "images", place)
        identity = _integer(image, "id", fail)
        if identity in sizes:
            raise fail(f"the id {identity} stands here more than once")
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            raise fail("no file_name")
        width, height = _integer(image, "width", fail), _integer(image, "height", fail)
        sizes[identity], things[identity] = (f"{images}/{name}", width, height), []
    for place, entry in enumerate(content["annotations"]):
        fail = _at(file, "annotations", place)
        identity = _integer(entry, "image_id", fail)
        if identity not in sizes:
            raise fail(f"no image has the id {identity}")
        things[identity].append(_thing(entry, labels, sizes[identity], fail, masks=masks))
    return [Picture(*sizes[i], tuple(things[i])) for i in sizes], categories


def _categories(entries: list[dict[str, Any]], file: Path) -> Categories:
    found: dict[int, str] = {}
    for place, entry in enumerate(entries):
        fail = _at(file, "categories", place)
        identity, name = _integer(entry, "id", fail), entry.get("name")
        if not isinstance(name, str) or name in found.values() or identity in found:
            raise fail("a category needs an id and a name of its own")
        found[identity] = name
    return tuple(sorted(found.items()))


Fail = Callable[[str], DataError]


def _at(file: Path, key: str, place: int) -> Fail:
    def fail(message: str) -> DataError:
        return DataError(
            message,
            where=str(file),
            key=f"{key}[{place}]",
            hints=["mend or remove this entry; nothing of the set is used while it is broken"],
        )

    return fail


def _parsed(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
    except ValueError as error:
        raise DataError(
            f"not JSON, or cut off: {error}",
            where=str(file),
            hints=["get the file anew, or write it anew"],
        ) from error
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(
                f"no list of {key} in it",
                where=str(file),
                hints=["COCO's object detection format has the lists images, annotations and categories"],
            )
    for key in ("images", "categories"):
        if not content[key]:
            raise DataError(f"no {key} in it", where=str(file), hints=["is this the right file?"])
    return content  # type: ignore[no-any-return]


def _thing(
    entry: dict[str, Any], labels: dict[int, int], image: tuple[str, int, int], fail: Fail, *, masks: bool
) -> Thing:
    category = _integer(entry, "category_id", fail)
    if category not in labels:
        raise fail(f"no category has the id {category}")
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise fail(f"bbox must be four numbers (left, top, width, height), got {json.dumps(box)[:60]}")
    left, top, width, height = map(float, box)
    area = entry.get("area", width * height)
    if not _is_number(area):
        raise fail(f"area must be a number, got {json.dumps(area)[:60]}")
    segmentation = _segmentation(entry, image, fail) if masks else None
    return Thing(
        (left, top, width, height), labels[category], float(area), bool(entry.get("iscrowd", 0)), segmentation
    )


def _segmentation(entry: dict[str, Any], image: tuple[str, int, int], fail: Fail) -> Segmentation:
    found = entry.get("segmentation")
    if not found:
        raise fail("no segmentation, and a model with masks needs one of every object; RetinaNet needs none")
    if isinstance(found, list):
        for polygon in found:
            is_polygon = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
            if not is_polygon or not all(map(_is_number, polygon)):
                raise fail("a polygon of its segmentation is no even list of six or more numbers")
        return found
    if not isinstance(found, dict) or found.get("size") != [image[2], image[1]] or "counts" not in found:
        raise fail("its segmentation is neither polygons nor a run-length code of the picture's size")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _integer(entry: dict[str, Any], key: str, fail: Fail) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise fail(f"{key} must be a whole number, got {json.dumps(value)[:60]}")
    return value


def _in_order(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    order = canonical_order(picture_keys(pictures), np.zeros(len(pictures), np.int64))
    return tuple(pictures[i] for i in order)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hints=["an annotation file speaks of this picture; put it there, or remove its entries"],
        ) from error
