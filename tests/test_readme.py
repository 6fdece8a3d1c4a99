"""The README's tour works as it is written, line by line, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from actbench.activations.pwlu import PWLU
from actbench.commands.export_table import export_table
from actbench.commands.plot.request import PlotRequest
from actbench.commands.plot.shapes import plot_shapes

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


LSLU_ARMS = ["relu", "swish", "series", "lslu"]


@pytest.mark.parametrize(
    ("recipe", "arms", "page"),
    [
        ("lslu_vanillanet_c100", LSLU_ARMS, "README.md"),
        ("pwlu_resnet20_c100", [], "README.md"),
        ("pwlu_decay_resnet8_c100", [], "docs/pwlu.md"),
        ("zoo_resnet8_c100", [], "README.md"),
        ("apalu_signdigits", [], "docs/zoo.md"),
        ("talu_mnist", [], "docs/zoo.md"),
        ("raft_bert_small_sst2", [], "docs/zoo.md"),
    ],
)
def test_the_tables_are_what_the_records_say(recipe: str, arms: list[str], page: str) -> None:
    """`make tables` writes them; a change of records or rendering that leaves one behind is caught here."""
    outcome = export_table([recipe], arms=arms, check=ROOT / page, results_dir=ROOT / "results")
    assert outcome.exit_code == 0


@pytest.mark.parametrize(("name", "minus_relu"), [("pwlu_shapes", False), ("pwlu_shapes_minus_relu", True)])
def test_the_figures_are_what_the_records_say(name: str, minus_relu: bool, tmp_path: Path) -> None:
    """Picture for picture; to a few shades, as another version of the drawing library may smooth otherwise."""
    made = tmp_path / f"{name}.png"
    plot_shapes(
        PlotRequest(
            references=("pwlu_resnet20_c100",),
            arms=("pwlu",),
            seeds="0",
            output=made,
            results_dir=ROOT / "results",
        ),
        minus_relu=minus_relu,
    )
    fresh, stored = (
        np.asarray(Image.open(path).convert("L"), dtype=np.float64)
        for path in (made, ROOT / "docs" / "figures" / f"{name}.png")
    )
    assert fresh.shape == stored.shape
    assert np.abs(fresh - stored).mean() < 1


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
