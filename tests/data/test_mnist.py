"""MNIST from IDX files, plain or gzipped, in any of its folders; what is wrong is named with its remedy."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from actbench.data.catalog import MnistOptions
from actbench.data.mnist import PARTS, check_mnist, load_mnist
from actbench.data.settings import InputSettings
from actbench.data.source import check_data, open_data
from actbench.errors import DataError
from tests.data.mnist_files import contents, idx, write_mnist

OPTIONS = MnistOptions(name="mnist")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("folder", ["MNIST/raw", "MNIST", "mnist"])
def test_every_layout_holds_the_same_set(tmp_path: Path, folder: str, zipped: bool) -> None:
    write_mnist(tmp_path / folder, zipped=zipped)
    check_data(OPTIONS, data_dir=tmp_path)
    data, wanted = load_mnist(tmp_path), contents()
    for part, (images, labels) in PARTS.items():
        got = getattr(data, part)
        assert np.array_equal(got.images, wanted[images][..., None])
        assert got.labels.tolist() == wanted[labels].tolist()
        assert got.labels.dtype == np.int64
    assert data.num_classes == 10


def test_a_source_has_one_channel_and_the_usual_normalisation(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    source = open_data(OPTIONS, InputSettings(size=28), data_dir=tmp_path, limit=None, val_fraction=0.25)
    assert (source.num_train, source.num_val, source.num_test, source.channels) == (30, 10, 20, 1)
    (batch,) = source.eval_batches("test", batch_size=20, device=torch.device("cpu"), channels_last=False)
    assert batch.images.shape == (20, 1, 28, 28)
    first = np.sort(contents()[PARTS["test"][0]].astype(np.float64).ravel())
    got = np.sort(batch.images.double().numpy().ravel())
    assert np.allclose(got, (first / 255 - 0.1307) / 0.3081, atol=1e-5)


def test_missing_data_says_what_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        check_data(OPTIONS, data_dir=tmp_path)
    first, second = str(error.value).splitlines()
    assert first == f"{tmp_path}: mnist is not here: none of its files in MNIST/raw, MNIST, mnist"
    for part in ("--data-dir DIR", "ACTBENCH_DATA_DIR=DIR", "DIR/MNIST/raw/", ".gz"):
        assert part in second


def test_an_incomplete_set_names_what_is_absent(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="not complete: no t10k-labels-idx1-ubyte") as error:
        check_mnist(tmp_path)
    assert error.value.problems[0].where == str(tmp_path / "MNIST/raw")


IMAGES, LABELS = PARTS["test"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"", "begins with nothing instead of 00 00 08"),
        (IMAGES, b"\x89PNG\r\n", "begins with 89 50 4e 47"),
        (IMAGES, b"\0\0\x0d\3" + bytes(12), "begins with 00 00 0d 03"),  # elements of float32
        (IMAGES, b"\0\0\x08\3\0\0", "6 bytes"),
        (IMAGES, idx(np.zeros((20, 28, 28), np.uint8))[:-1], r"15695 bytes, where \[20, 28, 28\]"),
        (IMAGES, idx(np.zeros((20, 28, 28), np.uint8)) + b"\0", "make 15696"),
        (IMAGES, idx(np.zeros((20, 28, 27), np.uint8)), r"\[20, 28, 27\] instead of \[N, 28, 28\]"),
        (IMAGES, idx(np.zeros((0, 28, 28), np.uint8)), r"\[0, 28, 28\]"),
        (LABELS, idx(np.zeros(19, np.uint8)), r"20 images, but labels \[19\]"),
        (LABELS, idx(np.full(20, 10, np.uint8)), "labels up to 10 for 10 classes"),
    ],
)
def test_a_wrong_content_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_mnist(tmp_path / "mnist")
    path = tmp_path / "mnist" / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load_mnist(tmp_path)
    assert error.value.problems[0].where == str(path)
    assert "not an MNIST file" in str(error.value)
    assert "put an intact copy in its place" in str(error.value)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist", zipped=True)
    path = tmp_path / f"mnist/{IMAGES}.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive" + whole):
        path.write_bytes(content)
        with pytest.raises(DataError, match="it cannot be read") as error:
            load_mnist(tmp_path)
        assert error.value.problems[0].where == str(path)


@pytest.mark.skipif("ACTBENCH_DATA_DIR" not in os.environ, reason="needs MNIST below ACTBENCH_DATA_DIR")
def test_the_real_set_has_its_known_facts() -> None:
    data = load_mnist(Path(os.environ["ACTBENCH_DATA_DIR"]))
    assert (len(data.train.images), len(data.test.images)) == (60_000, 10_000)
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    share = data.train.images / 255
    assert np.allclose((share.mean(), share.std()), (0.1307, 0.3081), atol=5e-5)
