"""Batches for detectors: what is drawn, what is left out, and that workers change nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.data.batch import DetectionBatch
from actbench.data.catalog import CocoOptions, ShapesOptions
from actbench.data.detection import DetectionSource, Flip, open_detection
from actbench.data.objects import Picture, Thing, draw_mask, flipped, targets_of
from actbench.data.settings import InputSettings
from actbench.errors import DataError
from tests.data.coco_sets import annotation, write_part

CPU = torch.device("cpu")
SETTINGS = InputSettings(size=64, normalize="imagenet", interpolation="bilinear", flip=0.5)


def open_set(root: Path, *, workers: int = 0, **options: Any) -> DetectionSource:
    asked: dict[str, Any] = {"limit": None, "val_fraction": 0.2, "masks": True, **options}
    return open_detection(
        CocoOptions(name="coco", folder="set", workers=workers), SETTINGS, data_dir=root, **asked
    )


def batches(source: DetectionSource, *, seed: int = 0, epoch: int = 0, size: int = 4) -> list[DetectionBatch]:
    return list(
        source.train_batches(seed=seed, epoch=epoch, batch_size=size, device=CPU, channels_last=False)
    )


def same(first: list[DetectionBatch], second: list[DetectionBatch]) -> bool:
    pairs = [
        (one, other)
        for a, b in zip(first, second, strict=True)
        for one, other in [
            *zip(a.images, b.images, strict=True),
            *((x[key], y[key]) for x, y in zip(a.targets, b.targets, strict=True) for key in x),
        ]
    ]
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_part(tmp_path / "set", "train", "instances_train.json", 10)
    write_part(tmp_path / "set", "val", "instances_val.json", 3)
    return tmp_path


def test_workers_change_neither_order_nor_draws(root: Path) -> None:
    alone = batches(open_set(root))
    assert same(alone, batches(open_set(root, workers=2)))
    assert same(alone, batches(open_set(root, workers=100)))  # no more are started than there are processors
    assert not same(alone, batches(open_set(root), epoch=1))
    assert not same(alone, batches(open_set(root), seed=1))
    assert [batch.num_images for batch in alone] == [4, 4]


def test_a_flip_turns_picture_boxes_and_masks_together() -> None:
    thing = Thing((2.0, 1.0, 3.0, 2.0), 1, 6.0, False, [[2, 1, 5, 1, 5, 3, 2, 3]])
    picture = Picture("a", 10, 4, (thing,))
    targets = targets_of(picture, masks=True)
    assert targets["boxes"].tolist() == [[2.0, 1.0, 5.0, 3.0]]
    assert targets["masks"].sum().item() == 6
    assert targets["masks"][0, 1:3, 2:5].all()
    image = targets["masks"].expand(3, -1, -1)
    turned, moved = flipped(image, targets)
    assert moved["boxes"].tolist() == [[5.0, 1.0, 8.0, 3.0]]
    assert torch.equal(turned[0], moved["masks"][0])
    assert moved["masks"][0, 1:3, 5:8].all()


def test_flips_come_with_their_chance_and_only_in_training(root: Path) -> None:
    source = open_set(root)
    lefts = [
        targets["boxes"][0, 0].item()
        for epoch in range(20)
        for batch in batches(source, epoch=epoch)
        for targets in batch.targets
    ]
    assert set(lefts) == {4.0, 26.0}  # 40 - (4 + 10)
    assert 0.4 < lefts.count(26.0) / len(lefts) < 0.6
    evaluated = list(source.eval_batches("test", batch_size=2, device=CPU))
    assert [(batch.num_images, batch.targets) for batch in evaluated] == [(2, []), (1, [])]


def test_boxes_without_area_and_crowds_are_no_targets(tmp_path: Path) -> None:
    content = write_part(tmp_path / "set", "images", "instances.json", 10)
    crowd = {"counts": [5, 20, 1175], "size": [30, 40]}
    unusable = [
        annotation(90, 104, [3.0, 3.0, 0.0, 5.0]),  # no width
        annotation(91, 104, [60.0, 3.0, 5.0, 5.0]),  # beside the picture
        annotation(92, 104, [1.0, 1.0, 9.0, 9.0], iscrowd=1, segmentation=crowd),
    ]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 104] + unusable
    (tmp_path / "set" / "annotations" / "instances.json").write_text(json.dumps(content))
    source = open_set(tmp_path)
    # Wherever the hash of its name puts it, there is nothing to learn of it; it is evaluated if it is held out.
    assert "images/4.png" not in {picture.name for picture in source._train.pictures}
    things = [
        Thing((3.0, 3.0, 0.0, 5.0), 1, 0.0, False, None),
        Thing((60.0, 3.0, 5.0, 5.0), 1, 25.0, False, None),
    ]
    crowded = Thing((1.0, 1.0, 9.0, 9.0), 1, 81.0, True, crowd)
    usable = Thing((30.0, 20.0, 20.0, 20.0), 2, 400.0, False, [[30, 20, 50, 20, 50, 40, 30, 40]])
    targets = targets_of(Picture("a", 40, 30, (*things, crowded, usable)), masks=True)
    assert targets["labels"].tolist() == [2]
    assert targets["boxes"].tolist() == [[30.0, 20.0, 40.0, 30.0]]  # cut to the picture
    assert targets["masks"].sum().item() == 100
    empty = targets_of(Picture("a", 40, 30, (*things, crowded)), masks=True)
    assert (empty["boxes"].shape, empty["masks"].shape) == ((0, 4), (0, 30, 40))
    assert draw_mask(crowded, 30, 40).sum() == 20


def test_a_flip_hangs_on_seed_epoch_and_place_alone() -> None:
    def drawn(seed: int, epoch: int) -> list[bool]:
        return [Flip(0.5, seed, epoch)(place) for place in range(64)]

    assert drawn(0, 0) == drawn(0, 0)
    assert len({tuple(drawn(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_the_limit_takes_pictures_of_training_and_test(root: Path) -> None:
    whole, part = open_set(root), open_set(root, limit=5)
    assert (part.num_train, part.num_val, part.num_test) == (4, 1, 3)
    assert part.fingerprint == whole.fingerprint
    assert {p.name for p in part.truth("val")} < {
        p.name for p in [*whole._train.pictures, *whole.truth("val")]
    }


def test_best_test_holds_nothing_out(root: Path) -> None:
    source = open_set(root, val_fraction=None)
    assert (source.num_train, source.num_val, source.num_test) == (10, 0, 3)


def test_a_picture_of_another_size_than_annotated_is_refused(root: Path) -> None:
    file = root / "set" / "annotations" / "instances_train.json"
    file.write_text(file.read_text().replace('"width": 40', '"width": 41'))
    for workers in (0, 1):
        with pytest.raises(DataError, match="has 40x30 pixels, its annotation says 41x30"):
            batches(open_set(root, workers=workers))


def test_parts_of_a_batch_are_its_pictures_in_order(root: Path) -> None:
    (whole,) = batches(open_set(root), size=8)
    parts = list(whole.parts(3))
    assert [part.num_images for part in parts] == [3, 3, 2]
    assert all(map(torch.equal, whole.images, [image for part in parts for image in part.images]))


def test_generated_shapes_are_the_same_everywhere_and_fit_their_boxes() -> None:
    options = ShapesOptions(name="synthetic_shapes", size=64, train=16, test=8)
    asked: dict[str, Any] = {"data_dir": Path("none"), "limit": None, "val_fraction": 0.25, "masks": True}
    source = open_detection(options, SETTINGS, **asked)
    assert source.synthetic
    assert source.fingerprint == "3f39de617e4eca1f7cdc06f41e1f393ee70830090562d8c83e43ee9b86af7086"
    things = [(p, t) for p in source.truth("test") for t in p.things]
    assert {thing.label for _, thing in things} == {1, 2, 3}
    assert any(not picture.things for picture in source.truth("test"))
    for picture, thing in things:
        rows, columns = draw_mask(thing, picture.height, picture.width).nonzero()
        left, top, width, height = thing.box
        assert abs(columns.min() - left) <= 1
        assert abs(columns.max() + 1 - (left + width)) <= 1
        assert abs(rows.min() - top) <= 1
        assert abs(rows.max() + 1 - (top + height)) <= 1
        assert len(rows) == pytest.approx(thing.area, rel=0.15)
