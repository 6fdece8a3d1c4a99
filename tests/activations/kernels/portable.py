"""A kernel's source built for any processor: without its instructions, and without threads."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from actbench.activations.kernels import build


def build_portable(name: str, folder: Path, *flags: str) -> ctypes.CDLL:
    """Skips the test where nothing can be built; warnings are errors."""
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    made = folder / f"{name}.so"
    command = [compiler, "-O2", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wno-unknown-pragmas", "-Werror"]
    subprocess.run(
        [*command, *flags, str(build._FOLDER / f"{name}.cpp"), "-o", str(made)], check=True, timeout=300
    )
    return ctypes.CDLL(str(made))
