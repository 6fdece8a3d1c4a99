"""Pickles that may hold arrays and plain values, and nothing else.

A pickle can name any function and have it called, so a file from elsewhere must not be loaded as it is. This
loader knows only what arrays are made of, in the spellings of Python 2 and 3 and of old and new numpy.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from actbench.errors import DataError

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")


def load_plain_pickle(path: Path) -> Any:
    """The value that the file holds; a DataError names the file if it is damaged or holds anything else."""
    try:
        with path.open("rb") as file:
            return _ArrayUnpickler(file, encoding="bytes").load()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except Exception as error:  # a damaged pickle can fail with nearly any exception
        raise DataError(
            f"damaged, or not a CIFAR file ({error or type(error).__name__})",
            where=str(path),
            hints=["put an intact copy in its place, or name another folder with --data-dir DIR"],
        ) from None


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _ARRAY_MODULES and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if module in _BUFFER_MODULES and name == "_frombuffer":
            return _array_of_buffer
        if module == "numpy" and name == "ndarray":
            return np.ndarray
        if module == "numpy" and name == "dtype":
            return np.dtype
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _array_of_buffer(
    buffer: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any
) -> np.ndarray[Any, Any]:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


def _latin1(text: str, encoding: str) -> bytes:
    # How Python 3 writes bytes in protocol 2.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")
