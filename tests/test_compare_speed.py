"""Tables of thousands of runs cost little more than the program's start, whatever libraries are installed."""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare_speed import Shape, cpu_s, make_results

HEAVY = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "sklearn", "rich")
FIRST_S, LATER_S = 3.0, 1.0
"""CPU seconds for 10,000 records: without an index, and with one."""
LIBRARIES_S = 0.2
"""CPU seconds of the libraries alone where that holds; where other work slows them, all is slow."""


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    make_results(folder, Shape(recipes=1, arms=20, seeds=50))
    _settle(folder)
    return folder


def _settle(folder: Path) -> None:
    """Makes the records old enough for an index to trust them."""
    for path in (folder / "results").rglob("*.json"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def _libraries_s() -> float:
    """CPU seconds of importing what every command needs: what other work on the machine slows, it slows too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import typer, yaml, pydantic; pydantic.BaseModel"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_thousand_runs_cost_little_more_than_the_start(thousand: Path) -> None:
    cpu_s(thousand, "compare", "made_000")  # byte-compiles
    for index in (thousand / "cache").rglob("*.index"):
        index.unlink()
    measured = []
    for _ in range(4):
        unit = _libraries_s()
        measured.append((cpu_s(thousand, "compare", "made_000"), unit))
    unit = min(unit for _, unit in measured)
    assert measured[0][0] / measured[0][1] <= 5.5
    assert min(later for later, _ in measured[1:]) / unit <= 4.0


def test_no_library_of_the_making_half_is_loaded(thousand: Path) -> None:
    code = (
        "import sys\nfrom actbench.cli import main\nsys.argv = ['actbench', 'compare', 'made_000']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=thousand,
        env={**os.environ, "ACTBENCH_CACHE_DIR": str(thousand / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == ""
    assert "leaky_018" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [{"recipes": 1, "arms": 100, "seeds": 100}, {"recipes": 20, "arms": 10, "seeds": 50}]
)
def test_ten_thousand_runs_cost_a_second(shape: dict[str, Any], tmp_path: Path) -> None:
    names = make_results(tmp_path, Shape(**shape))
    _settle(tmp_path)
    cpu_s(tmp_path, "compare", *names)  # byte-compiles
    first, later, units = [], [], []
    for _ in range(3):
        for index in (tmp_path / "cache").rglob("*.index"):
            index.unlink()
        units.append(_libraries_s())
        first.append(cpu_s(tmp_path, "compare", *names))
        for _ in range(3):
            units.append(_libraries_s())
            later.append(cpu_s(tmp_path, "compare", *names))
    slowness = max(1.0, statistics.median(units) / LIBRARIES_S)
    assert min(first) / slowness < FIRST_S
    assert min(later) / slowness < LATER_S
