"""Reading sets in COCO's format: layouts, labels, splits, and what is said of broken files."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from actbench.data.catalog import CocoOptions
from actbench.data.coco import load_coco
from actbench.data.objects import PictureSet
from actbench.data.source import check_data
from actbench.errors import ActbenchError, DataError
from tests.data.coco_sets import annotation, write_part

COCO = CocoOptions(name="coco", folder="set")


def load(root: Path, **options: Any) -> PictureSet:
    return load_coco(COCO, root / "set", **{"masks": False, **options})


def test_labels_follow_the_ids_and_boxes_stay_as_they_are(tmp_path: Path) -> None:
    write_part(tmp_path / "set", "train2017", "instances_train2017.json", 3)
    write_part(tmp_path / "set", "val2017", "instances_val2017.json", 2)
    found = load(tmp_path, masks=True)
    assert found.classes == ("dog", "cat")
    assert (len(found.train.pictures), found.val, len(found.test.pictures)) == (3, None, 2)
    assert {picture.name for picture in found.test.pictures} == {"val2017/0.png", "val2017/1.png"}
    dog, cat = found.train.pictures[0].things
    assert (dog.label, dog.box, dog.area, dog.is_crowd) == (1, (4.0, 5.0, 10.0, 20.0), 200.0, False)
    assert (cat.label, cat.segmentation) == (2, [[20.0, 2.0, 32.0, 2.0, 32.0, 10.0, 20.0, 10.0]])


def test_a_set_with_val_and_test_keeps_its_val(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 3), ("test", 2)):
        write_part(tmp_path / "set", part, f"instances_{part}.json", count)
    found = load(tmp_path)
    assert found.val is not None
    assert [len(p.pictures) for p in (found.train, found.val, found.test)] == [4, 3, 2]


def test_a_single_file_is_split_by_names_whatever_its_order(tmp_path: Path) -> None:
    content = write_part(tmp_path / "set", "images", "instances.json", 10)
    first = load(tmp_path)
    names = {picture.name for picture in first.test.pictures}
    assert (len(first.train.pictures), len(names)) == (8, 2)
    rng = random.Random(0)
    for key in ("images", "annotations", "categories"):
        rng.shuffle(content[key])
    (tmp_path / "set" / "annotations" / "instances.json").write_text(json.dumps(content))
    again = load(tmp_path)
    assert {picture.name for picture in again.test.pictures} == names
    assert again.fingerprint == first.fingerprint
    content["annotations"][0]["bbox"][0] += 0.5
    (tmp_path / "set" / "annotations" / "instances.json").write_text(json.dumps(content))
    assert load(tmp_path).fingerprint != first.fingerprint


BROKEN: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "no images": ({"images": []}, "no images in it", None),
    "no list": ({"annotations": {"a": 1}}, "no list of annotations in it", None),
    "box": ({"annotations": [annotation(1, 100, [1.0, 2.0, 3.0, 4.0], bbox=[1, 2, "x"])]},
            'bbox must be four numbers (left, top, width, height), got [1, 2, "x"]', "annotations[0]"),
    "box not finite": ({"annotations": [annotation(1, 100, [1.0, 2.0, 3.0, float("nan")])]},
                       "bbox must be four numbers (left, top, width, height), got [1.0, 2.0, 3.0, NaN]",
                       "annotations[0]"),
    "image": ({"annotations": [annotation(1, 5, [1.0, 2.0, 3.0, 4.0])]}, "no image has the id 5",
              "annotations[0]"),
    "category": ({"annotations": [annotation(1, 100, [1.0, 2.0, 3.0, 4.0], category_id=4)]},
                 "no category has the id 4", "annotations[0]"),
    "polygon": ({"annotations": [annotation(1, 100, [1.0, 2.0, 3.0, 4.0], segmentation=[[1, 2, 3]])]},
                "a polygon of its segmentation is no even list of six or more numbers", "annotations[0]"),
    "no polygon": ({"annotations": [annotation(1, 100, [1.0, 2.0, 3.0, 4.0], segmentation=None)]},
                   "no segmentation, and a model with masks needs one of every object; RetinaNet needs none",
                   "annotations[0]"),
    "size": ({"images": [{"id": 100, "file_name": "0.png", "width": "40", "height": 30}]},
             'width must be a whole number, got "40"', "images[0]"),
    "twice": ({"images": [{"id": 1, "file_name": f"{i}.png", "width": 40, "height": 30} for i in (0, 1)]},
              "the id 1 stands here more than once", "images[1]"),
    "nameless": ({"categories": [{"id": 3}]}, "a category needs an id and a name of its own", "categories[0]"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_told_with_its_entry_and_what_to_do(what: str, tmp_path: Path) -> None:
    replaced, message, key = BROKEN[what]
    write_part(tmp_path / "set", "images", "instances.json", 2, **replaced)
    with pytest.raises(DataError) as caught:
        load(tmp_path, masks=True)
    problem = caught.value.problems[0]
    assert problem.message == message
    assert problem.where == str(tmp_path / "set" / "annotations" / "instances.json")
    assert problem.key == key
    assert problem.hints


def test_a_cut_off_file_and_a_missing_picture_are_told(tmp_path: Path) -> None:
    write_part(tmp_path / "set", "images", "instances.json", 2)
    (tmp_path / "set" / "images" / "1.png").unlink()
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert caught.value.problems[0].where == str(tmp_path / "set" / "images" / "1.png")
    assert "an annotation file speaks of this picture" in caught.value.problems[0].hints[0]
    file = tmp_path / "set" / "annotations" / "instances.json"
    file.write_text(file.read_text()[:-20])
    with pytest.raises(DataError, match="not JSON, or cut off"):
        load(tmp_path)


def test_parts_with_other_categories_are_refused(tmp_path: Path) -> None:
    write_part(tmp_path / "set", "train", "instances_train.json", 2)
    write_part(
        tmp_path / "set",
        "val",
        "instances_val.json",
        2,
        annotations=[],
        categories=[{"id": 3, "name": "cow"}],
    )
    with pytest.raises(DataError, match=r"its categories are not those of instances_train\.json"):
        load(tmp_path)


def test_a_wrong_layout_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder") as caught:
        check_data(COCO, data_dir=tmp_path)
    assert "give --data-dir DIR" in caught.value.problems[0].hints[0]
    write_part(tmp_path / "set", "train2017", "instances_train2017.json", 2)
    with pytest.raises(DataError, match="a train part and a val or test part are needed; found: train"):
        check_data(COCO, data_dir=tmp_path)
    write_part(tmp_path / "set", "val2017", "instances_val2017.json", 2)
    check_data(COCO, data_dir=tmp_path)
    write_part(tmp_path / "set", "val2014", "instances_val2014.json", 2)
    with pytest.raises(DataError, match=r"instances_val2014\.json and instances_val2017\.json are both"):
        check_data(COCO, data_dir=tmp_path)


def test_without_pycocotools_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ActbenchError, match="detection needs pycocotools") as caught:
        check_data(COCO, data_dir=tmp_path)
    assert caught.value.problems[0].hints == ('pip install "actbench[coco]"',)
