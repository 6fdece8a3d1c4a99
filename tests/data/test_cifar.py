"""CIFAR from pickles in any order and from folders gives one set; what is wrong is named with its remedy."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from actbench.data.canonical import Examples
from actbench.data.catalog import Cifar10Options, Cifar100Options
from actbench.data.cifar import CifarName, check_cifar, load_cifar
from actbench.data.settings import InputSettings
from actbench.data.source import DataSource, check_data, open_data
from actbench.errors import DataError

WriteCifar = Callable[..., Path]


def examples(count: int, num_classes: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Examples(images, np.arange(count) % num_classes)


def write_pickle(path: Path, part: Examples, key: Any, data_key: Any = b"data", protocol: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.ascontiguousarray(part.images.transpose(0, 3, 1, 2)).reshape(len(part.labels), -1)
    path.write_bytes(pickle.dumps({data_key: rows, key: part.labels.tolist()}, protocol=protocol))


def write_cifar100(root: Path, train: Examples, test: Examples) -> None:
    write_pickle(root / "cifar-100-python/train", train, b"fine_labels")
    write_pickle(root / "cifar-100-python/test", test, "fine_labels", "data", protocol=4)


def write_folders(root: Path, train: Examples, test: Examples) -> None:
    for part, content in (("train", train), ("test", test)):
        for i, (image, label) in enumerate(zip(*content, strict=True)):
            path = root / "cifar100" / part / f"class{label:03}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path, compress_level=0)


def open_cifar100(root: Path) -> DataSource:
    return open_data(
        Cifar100Options(name="cifar100"), InputSettings(), data_dir=root, limit=None, val_fraction=0.5
    )


def test_sample_order_and_layout_change_nothing(tmp_path: Path) -> None:
    train, test = examples(200, 100, 0), examples(100, 100, 1)
    order = np.random.default_rng(2).permutation(200)
    write_cifar100(tmp_path / "a", train, test)
    write_cifar100(tmp_path / "b", train.select(order), test.select(order[order < 100]))
    write_folders(tmp_path / "c", train, test)
    sources = [open_cifar100(tmp_path / name) for name in "abc"]
    assert len({source.fingerprint for source in sources}) == 1
    assert [(s.num_train, s.num_val, s.num_test, s.channels) for s in sources] == [(100, 100, 100, 3)] * 3


def test_a_part_is_the_same_images_of_each_class_in_any_order_and_leaves_the_test_set_whole(
    tmp_path: Path,
) -> None:
    train, test = examples(400, 100, 0), examples(100, 100, 1)
    write_cifar100(tmp_path / "a", train, test)
    write_cifar100(tmp_path / "b", train.select(np.random.default_rng(2).permutation(400)), test)
    options = Cifar100Options(name="cifar100", per_class=3)
    a, b = (
        open_data(options, InputSettings(), data_dir=tmp_path / name, limit=None, val_fraction=None)
        for name in "ab"
    )
    assert a.fingerprint == b.fingerprint != open_cifar100(tmp_path / "a").fingerprint
    assert (a.num_train, a.num_test) == (300, 100)
    (batch,) = a.train_batches(
        seed=0, epoch=0, batch_size=300, device=torch.device("cpu"), channels_last=False
    )
    assert batch.targets.bincount().tolist() == [3] * 100


def test_planes_become_pixels(tmp_path: Path) -> None:
    train, test = examples(100, 100, 0), examples(100, 100, 1)
    write_cifar100(tmp_path, train, test)
    data = load_cifar("cifar100", tmp_path)
    assert np.array_equal(data.train.images, train.images)
    assert np.array_equal(data.test.images, test.images)
    assert data.train.labels.tolist() == train.labels.tolist()
    assert data.num_classes == 100


def test_cifar10_joins_its_five_batches(tmp_path: Path) -> None:
    parts = [examples(10, 10, seed) for seed in range(6)]
    folder = tmp_path / "cifar-10-batches-py"
    for i in range(5):
        write_pickle(folder / f"data_batch_{i + 1}", parts[i], b"labels")
    write_pickle(folder / "test_batch", parts[5], b"labels")
    check_data(Cifar10Options(name="cifar10"), data_dir=tmp_path)
    data = load_cifar("cifar10", tmp_path)
    assert np.array_equal(data.train.images, np.concatenate([p.images for p in parts[:5]]))
    assert np.array_equal(data.test.images, parts[5].images)
    (folder / "data_batch_3").unlink()
    with pytest.raises(DataError, match="no data_batch_3"):
        check_data(Cifar10Options(name="cifar10"), data_dir=tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_missing_data_says_what_and_what_to_type_in_two_lines(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as error:
        check_cifar(cast(CifarName, name), tmp_path)
    first, second = str(error.value).splitlines()
    assert first.startswith(f"{tmp_path}: {name} is not here")
    for part in (
        "--data-dir DIR",
        "ACTBENCH_DATA_DIR",
        "--download",
        "batches-py" if name == "cifar10" else "100-python",
    ):
        assert part in second


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": np.zeros((2, 3072), np.uint8)}, "it has no 'fine_labels'"),
        ({"fine_labels": [1]}, "it has no 'data'"),
        ({"data": np.zeros((2, 3071), np.uint8), "fine_labels": [1, 2]}, r"uint8 \[2, 3071\]"),
        ({"data": np.zeros((2, 3072), np.float32), "fine_labels": [1, 2]}, "float32"),
        ({"data": np.zeros((0, 3072), np.uint8), "fine_labels": []}, r"\[0, 3072\]"),
        ({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [1]}, "2 images, but labels"),
        ({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [1, 100]}, "from 1 to 100"),
        ({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [-1, 0]}, "from -1 to 0"),
        ({"data": np.zeros((2, 3072), np.uint8), "fine_labels": ["a", "b"]}, "labels"),
        ([1, 2], "holds a list"),
    ],
)
def test_a_wrong_content_is_named(tmp_path: Path, content: object, message: str) -> None:
    write_cifar100(tmp_path, examples(100, 100, 0), examples(100, 100, 1))
    path = tmp_path / "cifar-100-python/test"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message) as error:
        load_cifar("cifar100", tmp_path)
    assert error.value.problems[0].where == str(path)
    assert "not a CIFAR file" in str(error.value)


def test_folders_of_another_size_or_number_are_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, examples(100, 100, 0), examples(99, 99, 1))
    with pytest.raises(DataError, match="in one alone: class099"):
        check_cifar("cifar100", tmp_path)
    stray = tmp_path / "cifar100/test/class099/0.png"
    stray.parent.mkdir()
    Image.new("RGB", (31, 32)).save(stray)
    with pytest.raises(DataError, match="31x32 pixels") as error:
        load_cifar("cifar100", tmp_path)
    assert error.value.problems[0].where == str(stray)


@pytest.mark.skipif("ACTBENCH_DATA_DIR" not in os.environ, reason="needs CIFAR-100 below ACTBENCH_DATA_DIR")
def test_the_real_set_has_its_known_facts() -> None:
    root = Path(os.environ["ACTBENCH_DATA_DIR"])
    data = load_cifar("cifar100", root)
    assert data.train.images.shape == (50_000, 32, 32, 3)
    assert np.bincount(data.train.labels).tolist() == [500] * 100
    assert np.bincount(data.test.labels).tolist() == [100] * 100
    assert np.allclose(data.train.images.mean(axis=(0, 1, 2)) / 255, (0.5071, 0.4865, 0.4409), atol=1e-4)
    source = open_data(
        Cifar100Options(name="cifar100"), InputSettings(), data_dir=root, limit=1000, val_fraction=0.1
    )
    assert (source.num_train, source.num_val, source.num_test) == (900, 100, 1000)
