"""Terminal tables: cells keep their lines, text is wrapped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from actbench.compare import Selection, compare
from actbench.footing import Origin
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.tables import terminal
from actbench.tables.build import build_tables
from actbench.tables.columns import DEFAULT, Columns
from actbench.tables.table import Cell, Column, Note, Row, Table


@pytest.fixture
def shown(make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> Callable[..., str]:
    def show(*, seeds: int, columns: Columns = DEFAULT, **fields: Any) -> str:
        recipe = make_recipe(seeds=list(range(seeds)), **fields)
        runs = [
            make_run(recipe, arm.name, seed, 5000 + 37 * seed * len(arm.name))
            for arm in recipe.arms
            for seed in recipe.seeds
        ]
        stored = tuple(StoredRun(Path("run.json"), run) for run in runs)
        selection = Selection(plan=recipe, stored=stored, origin=Origin(reference="x", profile="lite"))
        comparison = compare([selection], papers={"lslu": load_paper("lslu")})
        return terminal.render(build_tables(comparison, lambda _name: columns))

    return show


def test_the_default_table_fits_80_columns(shown: Callable[..., str]) -> None:
    grid = shown(seeds=3, paper="lslu", table="lslu-table3-gain").split("\n\n", 1)[1].rsplit("\n\n", 1)[0]
    assert "vs swish" in grid
    assert max(map(len, grid.splitlines())) <= 80


def test_a_table_with_three_baselines_fits_120_columns_and_its_text_100(shown: Callable[..., str]) -> None:
    columns = ("metric", "differences", "time", "parameters")
    text = shown(seeds=3, paper="lslu", table="lslu-table3-gain", columns=columns)
    caption, grid, notes = text.split("\n\n", 1)[0], text.split("\n\n", 1)[1], text.rsplit("\n\n", 1)[1]
    assert "vs series" in grid
    assert "(paper: +3.17)" in grid
    assert max(map(len, grid.splitlines())) <= 120
    assert max(map(len, [*caption.splitlines(), *notes.splitlines()])) <= 100


def test_rows_of_several_lines_stand_apart(shown: Callable[..., str]) -> None:
    lines = shown(seeds=2).splitlines()
    rows = [
        index for index, line in enumerate(lines) if line.startswith(("relu ", "swish ", "series ", "lslu "))
    ]
    assert len(rows) == 4
    assert all(lines[index - 1] == "" for index in rows[1:])
    assert all(line == line.rstrip() for line in lines)


def test_emphasis_stands_before_a_number_and_signs_behind_it() -> None:
    cell = Cell(("50.00 ± 1.00",), emphasis=frozenset({"bold", "underline"}), marks=("*", "†"))
    table = Table(
        name="x",
        label="x",
        title="x",
        caption="x",
        columns=(Column(key="top1", lines=("top-1 %",)),),
        rows=(Row(arm="relu", mark="", cells=(cell,)),),
        notes=(
            Note(mark="bold", text="near."),
            Note(mark="underline", text="largest."),
            Note(mark="†", text="seeds."),
        ),
        facts={},
    )
    text = terminal.render([table])
    assert "relu   ^~50.00*† ± 1.00\n" in text
    assert text.endswith("\n~ near.\n^ largest.\n† seeds.\n")


_LINE = st.text("ab%±†~^0.-", min_size=1, max_size=6) | st.sampled_from(["two words", "[-0.1, 0.2]"])
_LINES = st.lists(_LINE, min_size=1, max_size=3).map("\n".join)


@given(st.data(), st.integers(0, 3))
def test_the_grid_is_what_tabulate_makes_of_it(data: st.DataObject, columns: int) -> None:
    row = st.tuples(_LINES, *[st.just("") | _LINES] * columns)  # the first names the arm
    heads, rows = data.draw(row), data.draw(st.lists(row, min_size=1, max_size=4))
    aligned = ["left", *["right"] * columns]
    expected = tabulate(rows, heads, tablefmt="simple", disable_numparse=True, colalign=aligned)
    assert terminal.grid(heads, rows) == [line.rstrip() for line in expected.split("\n")]
