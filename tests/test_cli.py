"""What the program prints: usage, version, documents, and the same bytes on standard output as in a file."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.main import get_group

import actbench
from actbench.cli import program_for
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store
from actbench.tables.columns import COLUMNS

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stored(tmp_path: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> None:
    recipe = make_recipe(seeds=[0], title="Prüfling")
    for arm in recipe.arms:
        path = tmp_path / "results" / recipe.name / "lite" / f"{arm.name}-seed0.json"
        Store(tmp_path / "results").write(path, make_run(recipe, arm.name, 0))


@pytest.mark.parametrize(("words", "known"), [([], "export-table"), (["bench"], "ops"), (["plot"], "shapes")])
def test_help_cuts_no_line_short_at_80_columns(words: list[str], known: str, program: Program) -> None:
    done = program(*words, "--help", COLUMNS="80")
    assert done.returncode == 0
    commands = done.stdout.partition("Commands:")[2]
    assert known in commands
    assert "..." not in commands


def test_a_part_of_the_program_has_the_command_as_the_whole_has_it() -> None:
    whole = _options(program_for([]))
    assert {"compare", "export-table", "bench", "import", "ls"} <= set(whole)
    for name in whole:
        part = _options(program_for([name, "--help"]))
        assert part[name] == whole[name]
        assert len(part) < len(whole) / 2
    for words in ([], ["--help", "compare"], ["--version"], ["comparee"], [""]):
        assert _options(program_for(words)) == whole


def _options(program: typer.Typer) -> dict[str, list[str]]:
    """By the command: its help and its options."""
    commands = get_group(program).commands.items()
    return {
        name: [str(command.help), *(option for each in command.params for option in each.opts)]
        for name, command in commands
    }


def test_version(program: Program) -> None:
    done = program("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"actbench {actbench.__version__}\n", "")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("format", ["markdown", "latex", "csv", "json", "terminal"])
def test_a_redirected_table_equals_the_written_one(format: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "actbench", "export-table", "results", "--format", format]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    subprocess.run([*command, "-o", "table"], cwd=tmp_path, capture_output=True, check=True)
    assert shown == (tmp_path / "table").read_bytes()


@pytest.mark.usefixtures("stored")
def test_json_keeps_letters_and_says_whether_all_is_there(program: Program, tmp_path: Path) -> None:
    done = program("compare", "results", "--json")
    assert "Prüfling" in done.stdout
    document = json.loads(done.stdout)
    assert (document["complete"], document["warnings"]) == (True, [])
    (tmp_path / "results/lslu_c100/lite/lslu-seed0.json").unlink()
    document = json.loads(program("compare", "results", "--json").stdout)
    assert document["complete"] is False
    assert document["warnings"] == ["incomplete: lslu_c100 lacks 1 of 4 runs"]


def test_claims_and_papers_are_listed_with_their_recipes(program: Program) -> None:
    claims = {claim["claim"]: claim for claim in json.loads(program("ls", "claims", "--json").stdout)}
    pwlu = claims["pwlu-resnet18-imagenet"]
    assert (pwlu["difference"], pwlu["records"]) == (0.9, [])
    stands_in = {recipe["name"]: recipe["is_stand_in"] for recipe in pwlu["recipes"]}
    assert (stands_in["pwlu_resnet18_imagenet"], stands_in["pwlu_resnet20_c100"]) == (False, True)
    done = program("ls", "papers")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[:8] == [
        "paper", "title", "arxiv", "year", "tables", "claims", "recipes", "records",
    ]  # fmt: skip


@pytest.mark.usefixtures("stored")
def test_columns_are_chosen_by_name_and_named_by_the_usage(program: Program) -> None:
    document = json.loads(program("compare", "results", "--columns", "kept,n", "--json").stdout)
    relu = document["tables"][0]["rows"][0]
    assert list(relu) == ["arm", "kept", "n", "evidence", "files"]
    assert relu["kept"] == {"per_element": 4.0, "beyond_output": 0.0, "text": "4.0 (0.0)", "emphasis": []}
    assert relu["n"] == {"completed": 1, "text": "1", "emphasis": []}
    for command in ("compare", "export-table"):
        done = program(command, "results", "--columns", "kept,m")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[:2] == [
            "command line: no column 'm' (--columns)",
            f"  known: {', '.join(COLUMNS)}",
        ]
        usage = " ".join(program(command, "--help", COLUMNS="200").stdout.split())
        assert "--columns LIST" in usage
        assert all(name in usage.partition("--columns")[2] for name in COLUMNS)
