"""Writes small sets in COCO's format for tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def annotation(number: int, image: int, box: list[float], **fields: Any) -> dict[str, Any]:
    left, top, width, height = box
    corners = [left, top, left + width, top, left + width, top + height, left, top + height]
    plain = {"id": number, "image_id": image, "category_id": 3, "bbox": box, "iscrowd": 0,
             "area": width * height, "segmentation": [corners]}  # fmt: skip
    return {**plain, **fields}


def write_part(root: Path, folder: str, file: str, count: int, **replaced: Any) -> dict[str, Any]:
    """`count` pictures of 40x30, each with a dog and a cat; returns what the annotation file holds."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    rng = np.random.default_rng(len(folder) + count)
    entries = [{"id": 100 + i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in range(count)]
    for entry in entries:
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / folder / str(entry["file_name"]))
    annotations = [
        found
        for i in range(count)
        for found in (
            annotation(2 * i, 100 + i, [4.0, 5.0, 10.0, 20.0]),
            annotation(2 * i + 1, 100 + i, [20.0, 2.0, 12.0, 8.0], category_id=7),
        )
    ]
    content = {"images": entries, "annotations": annotations, "categories": CATEGORIES, **replaced}
    (root / "annotations" / file).write_text(json.dumps(content))
    return content
