"""`actbench waterfall` and its figure: the real program on stored runs, in every format, and its words of refusal."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.recipe.load import load_recipe
from tests.fair.falls import MakeRun, store_falls

Program = Callable[..., "subprocess.CompletedProcess[str]"]
RECIPE = """\
name: falling
title: A narrow net
data: {name: cifar100}
model: {name: vanillanet, width: 0.125, decay_epochs: 10}
input: {size: 32}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
  - {name: lslu, activation: lslu}
train: {epochs: 30, lr: 0.1}
profiles:
  paper: {}
  lite: {}
  smoke: {data: {name: synthetic}}
"""


@pytest.fixture
def stored(tmp_path: Path, make_run: MakeRun) -> Path:
    (tmp_path / "falling.yaml").write_text(RECIPE)
    (recipe,) = load_recipe(tmp_path / "falling.yaml").recipes
    store_falls(tmp_path / "results", recipe, make_run)
    return tmp_path


def test_the_table_tells_every_rung_and_each_number_its_records(stored: Path, program: Program) -> None:
    done = program("waterfall", "falling.yaml", "--json")
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    assert [row["comparison"] for row in table["rows"]] == [
        "same recipe",
        "both tuned",
        "equal parameters",
        "equal time",
    ]
    assert (table["candidate"], table["baselines"], table["interim"]) == ("lslu", ["relu", "swish"], False)
    same = table["rows"][0]
    assert same["gain_relu"]["difference"] == pytest.approx(0.03)
    assert same["evidence"]["relu"]["verdict"] == "better"
    for row in table["rows"]:
        of_rungs = [file for rung in row["evidence"].values() for file in rung["files"]]
        assert of_rungs
        assert set(of_rungs) == set(row["files"])
        assert all((stored / file).is_file() for file in of_rungs)


@pytest.mark.usefixtures("stored")
def test_every_format_holds_the_same_rows(program: Program) -> None:
    for format in ("terminal", "markdown", "latex", "csv", "html", "json"):
        done = program("waterfall", "falling.yaml", "--format", format)
        assert done.returncode == 0, done.stderr
        for label in ("same recipe", "both tuned", "equal parameters", "equal time"):
            assert label in done.stdout


def test_a_stale_file_is_told(stored: Path, program: Program) -> None:
    assert program("waterfall", "falling.yaml", "-o", "fall.md").returncode == 0
    assert program("waterfall", "falling.yaml", "--check", "fall.md").returncode == 0
    page = stored / "fall.md"
    page.write_text(page.read_text().replace("better", "worse"))
    done = program("waterfall", "falling.yaml", "--check", "fall.md")
    assert done.returncode == 4
    assert "fall.md: stale: the stored runs give another waterfall" in done.stderr
    assert "actbench waterfall falling.yaml --format markdown -o fall.md" in done.stderr


def test_the_figure_is_written_in_three_formats(stored: Path, program: Program) -> None:
    done = program("plot", "waterfall", "falling.yaml", "-o", "plots")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (stored / "plots").iterdir()}
    assert names == {f"falling-lite-lslu-waterfall.{suffix}" for suffix in ("png", "svg", "pdf")}
    svg = (stored / "plots" / "falling-lite-lslu-waterfall.svg").read_text()
    for words in ("same recipe", "both tuned", "equal parameters", "equal time", "over relu", "as good"):
        assert words in svg


@pytest.mark.usefixtures("stored")
def test_without_a_candidate_there_is_no_gap(program: Program) -> None:
    done = program(
        "waterfall", "falling.yaml", *(w for a in ("relu", "swish", "lslu") for w in ("--baseline", a))
    )
    assert done.returncode == 2
    assert "falling has no arm beside its baselines: there is no gap to show" in done.stderr


def test_a_page_takes_the_table_between_its_markers(stored: Path, program: Program) -> None:
    page = stored / "page.md"
    page.write_text("before\n<!-- actbench: falling waterfall -->\nold\n<!-- /actbench -->\nafter\n")
    done = program("waterfall", "falling.yaml", "-o", "page.md")
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("before\n<!-- actbench: falling waterfall -->\n")
    assert text.endswith("\n<!-- /actbench -->\nafter\n")
    assert "| both tuned |" in text
    assert "old" not in text
    assert program("waterfall", "falling.yaml", "--check", "page.md").returncode == 0
    page.write_text("no marker\n")
    done = program("waterfall", "falling.yaml", "-o", "page.md")
    assert done.returncode == 2
    assert "page.md: no place marked for the waterfall of falling" in done.stderr


def test_the_report_says_what_becomes_of_the_gain(stored: Path, program: Program) -> None:
    (stored / "recipes").mkdir()
    (stored / "falling.yaml").rename(stored / "recipes" / "falling.yaml")
    done = program("report", "-o", "page.html", "--json")
    assert done.returncode == 0, done.stderr
    (chapter,) = json.loads(done.stdout)["chapters"]  # the parts of a recipe are no chapters of their own
    assert chapter["recipe"] == "falling"
    assert [row["comparison"] for row in chapter["waterfalls"][0]["rows"]][1] == "both tuned"
    page = (stored / "page.html").read_text()
    assert "the gain of lslu over relu, +3.00, becomes +1.27 (both tuned, better)" in page
    assert page.count('id="c1-fall-lslu"') == 1
    assert page.index("As the comparison gets fairer</h3>") < page.index("The numbers</h3>")


@pytest.mark.usefixtures("stored")
def test_of_the_seeds_that_are_asked_for_all_rows_are(program: Program) -> None:
    done = program("waterfall", "falling.yaml", "--seeds", "0,1", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["tables"][0]["rows"]
    assert {len(rung["differences"]) for row in rows for rung in row["evidence"].values()} == {2}
