"""Building the kernels: once per machine, never half, never in the way of a program that could run without."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("c++", "g++", "clang++")),
    reason="no C++ compiler on this machine",
)

BUILD = """
from actbench.activations.kernels.build import load_library
print("cpp" if load_library("piecewise_linear") else "reference")
load_library("piecewise_linear")
"""  # asked again, it does not repeat itself; without torch, which takes seconds to import
USE = """
import torch
from actbench.activations.create import create_activation
unit = create_activation("pwlu", 2)
y = unit(torch.tensor([[-1.0, 2.0]]))
assert (y - torch.tensor([[0.0, 2.0]])).abs().max() < 1e-6, y
print(unit.backend)
unit.double()(torch.zeros(1, 2))
"""


def start(cache: Path, code: str = BUILD, **environment: str) -> "subprocess.Popen[str]":
    kept = {key: value for key, value in os.environ.items() if key not in {"ACTBENCH_KERNELS", "CXX"}}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**kept, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache), "HOME": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def use(cache: Path, code: str = BUILD, **environment: str) -> tuple[str, str]:
    """What it printed, on stdout and stderr."""
    process = start(cache, code, **environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip(), err.strip()


def libraries(cache: Path, name: str = "piecewise_linear") -> list[Path]:
    return sorted(cache.rglob(f"{name}-*.so"))


def counting_compiler(folder: Path) -> Path:
    """A compiler that notes each compilation in `log` beside it."""
    real = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
    script = folder / "counting-c++"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in --version) ;; *) echo built >> "{folder}/log";; esac\nexec {real} "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def test_built_once_by_any_number_of_processes_and_again_where_damaged(tmp_path: Path) -> None:
    compiler, small = counting_compiler(tmp_path), BUILD.replace("piecewise_linear", "relu2")
    cache = tmp_path / "cache"
    processes = [
        start(cache, small, CXX=str(compiler)) for _ in range(2)
    ]  # both find nothing and want to build
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out.strip(), err) == (0, "cpp", "")
    log = tmp_path / "log"
    assert log.read_text().split() == ["built"]
    (library,) = libraries(cache, "relu2")
    assert not [path for path in library.parent.iterdir() if path.is_dir()], "no leftovers"
    assert use(cache, small, CXX=str(compiler)) == ("cpp", "")
    assert log.read_text().split() == ["built"], "a second program finds it"
    whole = library.read_bytes()
    library.write_bytes(whole[: len(whole) // 2])
    assert use(cache, small, CXX=str(compiler)) == ("cpp", ""), "a damaged file is built anew"
    assert log.read_text().split() == ["built", "built"]
    assert libraries(cache, "relu2")[0].stat().st_size == len(whole)


def test_turned_off_without_a_word(tmp_path: Path) -> None:
    assert use(tmp_path, ACTBENCH_KERNELS="0") == ("reference", "")
    assert not libraries(tmp_path)


def failing_compiler(folder: Path) -> Path:
    script = folder / "failing-c++"
    script.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit 0\necho "no space left" >&2\nexit 1\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.mark.parametrize("case", ["no compiler", "fails", "is none", "no cache"])
def test_where_it_cannot_be_built_one_line_says_so_and_the_plain_form_serves(
    tmp_path: Path, case: str
) -> None:
    empty, cache = tmp_path / "empty", tmp_path / "cache"
    empty.mkdir()
    environment, expected = {
        "no compiler": (
            {"PATH": str(empty), "CXX": ""},
            "no C++ compiler found: install g++ or clang++, or set CXX",
        ),
        "fails": ({"CXX": str(failing_compiler(tmp_path))}, "failed: no space left"),
        "is none": ({"CXX": shutil.which("false") or "false"}, "non-zero exit status"),
        "no cache": ({}, "cache"),
    }[case]
    if case == "no cache":
        cache.write_text("a file where a folder should be")
    out, err = use(cache, USE if case == "no compiler" else BUILD, **environment)
    assert out == "reference"
    assert len(err.splitlines()) == 1, err
    assert err.startswith(
        "actbench: no compiled kernel for piecewise_linear, slower plain PyTorch is used instead ("
    )
    assert expected in err
