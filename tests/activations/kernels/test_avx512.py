"""The kernels' code for AVX-512, on processors without: its instructions are emulated, lane by lane (`avx512.h`)."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TESTS = [
    *(path for path in sorted(HERE.glob("test_*.py")) if path.stem not in ("test_build", "test_avx512")),
    ROOT / "tests/data/test_fused.py",
    ROOT / "tests/data/test_pipeline.py",
]


def emulating_compiler(folder: Path) -> Path:
    """g++ with the emulation before every source, at a level at which that is built in seconds."""
    real = shutil.which("g++")
    if real is None or platform.machine() != "x86_64":
        pytest.skip("the emulation is for g++ on x86-64")
    script = folder / "compiler"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in --version) exec {real} "$1";; esac\nshift  # -O3\n'
        f'exec {real} -O1 -Wno-psabi -include "{HERE / "avx512.h"}" "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.mark.slow
def test_sixteen_lanes_keep_the_same_bounds(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, TESTS)],
        cwd=ROOT,
        env={**os.environ, "CXX": str(emulating_compiler(tmp_path)), "ACTBENCH_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert len(list(cache.rglob("*.so"))) > 10
