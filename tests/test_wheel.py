"""The wheel holds all that the program needs, recipes and papers included, and works in an environment of its own."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # Built without isolation, so that no network is needed: hatchling is among the development requirements.
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_recipes_papers_and_types_are_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"actbench/recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")}
    assert len(shipped) >= 8
    assert shipped <= names
    assert {"actbench/py.typed", "actbench/papers/lslu.yaml"} <= names
    kernels = {
        f"actbench/activations/kernels/{name}" for name in ("piecewise_linear.cpp", "swish.cpp", "rows.h")
    }
    assert kernels <= names
    assert {
        f"actbench/data/{name}" for name in ("augment.cpp", "augment.h", "affine.h", "photometric.h")
    } <= names
    assert "actbench/bench/pace.cpp" in names
    assert not any(name.startswith(("tests/", "results/")) for name in names)


def test_it_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """Nothing of the checkout is in reach; of what is installed here only the requirements are lent."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    (site,) = (home / "lib").glob("python*/site-packages")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--target",
            site,
            wheel,
        ],
        check=True,
        capture_output=True,
    )
    # A .pth line adds the folder itself, not the .pth files in it, so an editable install of this checkout stays out.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [home / "bin" / "python", "-m", "actbench", *arguments],
            cwd=elsewhere,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "lslu_vanillanet_c100" in run("ls", "recipes")
    where = subprocess.run(
        [home / "bin" / "python", "-c", "import actbench; print(actbench.__file__)"],
        cwd=elsewhere, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert where.startswith(str(home))
    run("train", "demo_digits", "--profile", "smoke", "--arm", "relu", "--seeds", "0")
    assert "relu" in run("compare", "demo_digits", "--profile", "smoke")
