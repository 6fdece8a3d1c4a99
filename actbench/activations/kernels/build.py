"""The C++ kernels of this folder, built on first use: see actbench.native."""

import ctypes
from pathlib import Path

from actbench import native

_FOLDER = Path(__file__).parent


def load_library(name: str) -> ctypes.CDLL | None:
    """The kernels of NAME.cpp, built if need be; None where they are turned off or cannot be built."""
    return native.load_library(_FOLDER, name)
