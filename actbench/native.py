"""Builds C++ sources on first use, in seconds, into the user's cache.

A source has C linkage and includes nothing of PyTorch, so the library depends on compiler and processor alone;
both, and the source, make the name of the cached file. OpenMP is the one that PyTorch has loaded already.
`ACTBENCH_KERNELS=0` turns kernels off; without a compiler the plain form serves, after one line of notice.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from actbench.user_cache import user_cache

_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC")
# The best first: this processor's own instructions and threads; then what any compiler takes.
_EXTRAS = (("-march=native", "-fopenmp"), ("-march=native",), ())
_PATIENCE_S = 120

_log = logging.getLogger("actbench")


@cache
def load_library(folder: Path, name: str) -> ctypes.CDLL | None:
    """NAME.cpp of that folder, built if need be; None where kernels are turned off or it cannot be built."""
    if os.environ.get("ACTBENCH_KERNELS") == "0":
        return None
    try:
        return ctypes.CDLL(str(_built(folder / f"{name}.cpp")))
    except (OSError, subprocess.SubprocessError, Timeout, RuntimeError) as error:
        _log.warning(
            "actbench: no compiled kernel for %s, slower plain PyTorch is used instead (%s)",
            name,
            str(error).splitlines()[0] if str(error) else type(error).__name__,
        )
        return None


def _built(source: Path) -> Path:
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise RuntimeError("no C++ compiler found: install g++ or clang++, or set CXX")
    folder = user_cache() / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{source.stem}-{_key(compiler, source)}.so"
    if not _is_whole(library):
        with FileLock(library.with_suffix(".lock"), timeout=_PATIENCE_S):
            if not _is_whole(library):
                _compile(compiler, source, library)
    return library


def _is_whole(library: Path) -> bool:
    """Whether the file holds what was built: loading a damaged one can end the process."""
    try:
        return _digest_path(library).read_text() == _digest(library)
    except OSError:
        return False


def _digest_path(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _key(compiler: str, source: Path) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=_PATIENCE_S)
    sources = b"".join(file.read_bytes() for file in (source, *sorted(source.parent.glob("*.h"))))
    parts = (sources, version.stdout, repr((_FLAGS, _EXTRAS)).encode(), _processor().encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> str:
    """What `-march=native` depends on: a cache may be shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(
            sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
        )
    except OSError:
        return f"{platform.machine()} {platform.processor()}"


def _compile(compiler: str, source: Path, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        for extra in _EXTRAS:
            command = [compiler, *_FLAGS, *extra, str(source), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)
            if done.returncode == 0:
                digest = _digest(made)
                made.replace(library)  # a running program keeps the file that it has loaded
                _digest_path(library).write_text(digest)
                return
        raise RuntimeError(f"{compiler} failed: {(done.stderr or 'no message').splitlines()[0]}")
