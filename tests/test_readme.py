"""The README's tour works as it is written, line by line, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from actbench.activations.pwlu import PWLU

ROOT = Path(__file__).parents[1]


def _tour() -> list[str]:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- tour -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert block
    return block[1].strip().splitlines()


def test_the_tour(tmp_path: Path) -> None:
    lines = _tour()
    words = {line.split()[1] for line in lines if line.startswith("actbench")}
    assert words >= {"--help", "ls", "show", "cp", "validate", "train", "eval", "compare", "export-table"}
    assert any("--deploy" in line for line in lines)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ACTBENCH_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    printed = {}
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed[line] = done.stdout
    recipe = (tmp_path / "recipes" / "my_digits.yaml").read_text()
    assert "name: my_digits" in recipe
    assert "options: {n: 2}" in recipe
    assert len(list((tmp_path / "results" / "my_digits" / "smoke").glob("*.json"))) == 8
    (compared,) = (text for line, text in printed.items() if line.startswith("actbench compare"))
    assert all(word in compared for word in ("relu", "swish", "series", "lslu", "Synthetic", "95 %"))
    assert "0 of 64 answers differ" in next(text for line, text in printed.items() if "--deploy" in line)
    assert r"\toprule" in (tmp_path / "my_digits.tex").read_text()


def test_relative_links_and_files_that_the_readme_names_exist() -> None:
    named = re.findall(
        r"`((?:actbench|recipes|docs|tests|benchmarks)/[\w/.]*)`", (ROOT / "README.md").read_text()
    )
    assert len(named) > 8
    own = {"actbench/activations/my_act.py", "tests/activations/test_my_act.py"}
    assert [name for name in named if name not in own and not (ROOT / name).exists()] == []


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _made_by(command: str) -> list[list[str]]:
    """The lines of `make tables` that call this command of the program, each as its arguments."""
    text = (ROOT / "Makefile").read_text()
    (block,) = re.findall(r"^tables:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    for name, value in re.findall(r"^(\w+) := (.*)$", text, re.MULTILINE):
        block = block.replace(f"$({name})", value)
    lines = [shlex.split(line)[1:] for line in block.splitlines()]
    return [arguments for arguments in lines if arguments[0] == command]


def _without_output(arguments: list[str]) -> tuple[list[str], str]:
    place = arguments.index("-o")
    return [*arguments[:place], *arguments[place + 2 :]], arguments[place + 1]


TABLES, FIGURES = [*_made_by("export-table"), *_made_by("waterfall")], _made_by("plot")


@pytest.mark.parametrize("arguments", TABLES, ids=lambda a: f"{a[1]}-{a[-1]}")
def test_the_tables_are_what_the_records_say(arguments: list[str]) -> None:
    """`make tables` writes them; a change of records or rendering that leaves one behind is caught here."""
    rest, page = _without_output(arguments)
    done = _program(*rest, "--check", page)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", FIGURES, ids=lambda a: Path(a[-1]).stem)
def test_the_figures_are_what_the_records_say(arguments: list[str], tmp_path: Path) -> None:
    """Picture for picture; to a few shades, as another version of the drawing library may smooth otherwise."""
    rest, figure = _without_output(arguments)
    made = tmp_path / Path(figure).name
    done = _program(*rest, "-o", str(made))
    assert done.returncode == 0, done.stdout + done.stderr
    fresh, stored = (
        np.asarray(Image.open(path).convert("L"), dtype=np.float64) for path in (made, ROOT / figure)
    )
    assert fresh.shape == stored.shape
    assert np.abs(fresh - stored).mean() < 1


def test_every_table_and_figure_of_the_pages_is_made_by_make_tables() -> None:
    written = {(arguments[1], arguments[-1]) for arguments in TABLES}
    drawn = {arguments[-1] for arguments in FIGURES}
    for page in PAGES:
        text, name = page.read_text(), str(page.relative_to(ROOT))
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
        marked = {(recipe, name) for recipe in re.findall(r"<!-- actbench: (\S+)", prose)}
        assert marked <= written, name
        shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose)
        assert {str((page.parent / link).resolve().relative_to(ROOT)) for link in shown} <= drawn, name


def _program(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "actbench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def test_the_python_of_the_readme_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    batch = "swapped.model(torch.randn(2, 3, 32, 32))"
    exec(compile(code.replace("    ... ", f"    {batch} "), "README.md", "exec"), names)
    assert len(names["swapped"].sites) == 17
    assert all(not unit.phase for unit in names["swapped"].model.modules() if isinstance(unit, PWLU))


def test_the_loop_in_the_pages_about_pwlu_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "pwlu.md").read_text(), re.DOTALL)
    exec(compile(code, "docs/pwlu.md", "exec"), {})
    assert capsys.readouterr().out.count("phase") == 2
