"""Pickles of arrays load; anything that could run code, or is cut short, is refused by name."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actbench.data.plain_pickle import load_plain_pickle
from actbench.errors import DataError

PYTHON_2_ARRAY = (
    b"\x80\x02}q\x01U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
    b"U\x01b\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x89U\x06\x01\x02\x03\x04\xfa\xfftbs."
)


class Payload:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol_load(tmp_path: Path, protocol: int) -> None:
    content: dict[Any, Any] = {
        b"data": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "labels": [1, 2],
        "name": b"\xfftext",
    }
    path = tmp_path / "train"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    loaded = load_plain_pickle(path)
    assert np.array_equal(loaded[b"data"], content[b"data"])
    assert loaded["labels"] == [1, 2]
    assert loaded["name"] == b"\xfftext"


def test_a_pickle_as_python_2_wrote_it_loads(tmp_path: Path) -> None:
    path = tmp_path / "train"
    path.write_bytes(PYTHON_2_ARRAY)
    assert load_plain_pickle(path)[b"data"].tolist() == [[1, 2, 3], [4, 250, 255]]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch ran",)),
        (eval, ("open('ran', 'w')",)),
        (np.load, ("ran",)),
        (np.lib.format.open_memmap, ("ran", "w+")),
        (getattr, ("text", "upper")),
    ],
)
def test_functions_are_refused_and_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, arguments: tuple[Any, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "train"
    path.write_bytes(pickle.dumps({"data": Payload(function, *arguments)}))
    with pytest.raises(DataError, match="it asks for") as error:
        load_plain_pickle(path)
    assert error.value.problems[0].where == str(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_cut_at_any_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train"
    for length in range(len(PYTHON_2_ARRAY)):
        path.write_bytes(PYTHON_2_ARRAY[:length])
        with pytest.raises(DataError, match="damaged, or not a CIFAR file") as error:
            load_plain_pickle(path)
        assert error.value.problems[0].where == str(path)
        assert "--data-dir" in str(error.value)


def test_changed_bytes_raise_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "train"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(PYTHON_2_ARRAY)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            load_plain_pickle(path)
        except DataError:
            refused += 1
    assert 0 < refused < 300


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train"
    path.write_bytes(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00rot_13\x86R.")
    with pytest.raises(DataError, match="rot_13"):
        load_plain_pickle(path)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_plain_pickle(tmp_path)
