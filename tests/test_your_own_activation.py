"""docs/your-own-activation.md works as it is written, block by block, in an empty folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "your-own-activation.md"


class _Block(NamedTuple):
    language: str
    text: str


def _blocks() -> list[_Block]:
    return [_Block(*found) for found in re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def _run(words: list[str], folder: Path) -> str:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ACTBENCH_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_from_an_empty_file_to_a_latex_row(tmp_path: Path) -> None:
    blocks = _blocks()
    assert [block.language for block in blocks] == [
        "python", "bash", "bash", "yaml", "bash", "bash", "python", "toml",
    ]  # fmt: skip
    printed: dict[str, str] = {}
    for language, text in blocks:
        first, _, rest = text.partition("\n")
        if language == "python" and first == "# my_act.py":
            (tmp_path / "my_act.py").write_text(text)
        elif language == "python":
            printed["python"] = _run([sys.executable, "-c", text], tmp_path)
        elif language == "yaml":
            assert first == "# my_digits.yaml, below arms:"
            recipe = tmp_path / "my_digits.yaml"
            assert recipe.read_text().count("\narms:\n") == 1
            recipe.write_text(recipe.read_text().replace("\narms:\n", f"\narms:\n{rest}"))
        elif language == "bash":
            for line in text.strip().splitlines():
                printed[line.split()[1]] = _run(["bash", "-c", line], tmp_path)
    assert set(printed) == {
        "ls", "check", "cp", "validate", "show", "train", "compare", "export-table", "eval", "python",
    }  # fmt: skip
    assert "beta=1.0, gamma=0.1" in printed["ls"]
    assert "MyAct keeps the contract" in printed["check"]
    assert "6 of 6 runs finished" in printed["train"]
    assert "my_act" in printed["compare"]
    assert "17 sites" in printed["python"]
    latex = (tmp_path / "my_digits.tex").read_text()
    assert re.search(r"^ *my\\_act.* \\\\$", latex, re.MULTILINE)
    assert "beta = 1.5" in latex
    (record, _) = sorted((tmp_path / "results" / "my_digits" / "lite").glob("my_act-*.json"))
    held = json.loads(record.read_text())
    assert held["arm"]["plugins"]["MyAct"]["file"] == "my_act.py"
    assert held["cost"]["undeclared_sites"] == len(held["backends"]) > 0
    assert held["cost"]["pointwise_ops"] == 0
