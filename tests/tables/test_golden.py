"""Tables in every format, byte for byte. ACTBENCH_REWRITE_GOLDEN=1 writes the files anew."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.compare import Selection, compare
from actbench.footing import Origin
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.tables.build import build_tables
from actbench.tables.columns import DEFAULT, Columns
from actbench.tables.formats import RENDERERS, Format
from actbench.tables.table import Table

GOLDEN = Path(__file__).parent.parent / "golden"
FILES: dict[Format, str] = {
    "terminal": "tables.txt",
    "markdown": "tables.md",
    "latex": "tables.tex",
    "csv": "tables.csv",
    "json": "tables.json",
}

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
MakeTables = Callable[..., list[Table]]
ASKED: Columns = ("n", "metric", "kept", "time", "parameters", "differences", "reported")


@pytest.fixture
def tables(make_recipe: MakeRecipe, make_run: MakeRun) -> MakeTables:
    """The golden tables, from records shuffled by a seed."""
    paper_like = make_recipe(
        paper="lslu",
        table="lslu-table3-gain",
        claim="lslu-cifar100-gain",
        arms=[
            {"name": "relu", "activation": "relu"},
            {"name": "swish", "activation": "swish"},
            {"name": "series", "activation": "native"},
            {"name": "lslu", "activation": "lslu"},
            {"name": "lslu_n5", "activation": "lslu", "options": {"n": 5}, "sites": "stem"},
            {
                "name": "lslu_parallel",
                "activation": "lslu_parallel",
                "train": {"lr_factor": 0.1, "deep_lambda": 1},
            },
        ],
    )
    counts = {
        "relu": (5000, 5100, 5050),
        "swish": (5100, 5150, 5200),
        "series": (5500, 5600, 5450),
        "lslu": (5600, 5590, 5530),
        "lslu_n5": (5400, 5400, 5400),
    }
    runs = [
        make_run(paper_like, arm, seed, correct)
        for arm, values in counts.items()
        for seed, correct in enumerate(values)
        if (arm, seed) != ("swish", 2)
    ]
    runs += [
        make_run(paper_like, "lslu_parallel", 0, 5321),
        *(make_run(paper_like, "lslu_parallel", seed, status="diverged") for seed in (1, 2)),
    ]
    smoke = make_recipe(
        name="awkward_name",
        title=r"50 % of {#1} & 2^10 ~ $x_i$ <a> | b \ c",
        profile="smoke",
        variant="no_decay-1",
        data={"name": "synthetic"},
        model={"name": "resnet", "depth": 18, "width": 8, "stem": "cifar"},
        arms=[
            {"name": "relu", "activation": "relu"},
            {"name": "lslu_parallel", "activation": "lslu_parallel"},
        ],
        evaluation={"protocol": "best-test"},
        train={"epochs": 1, "lr": 0.1},
        seeds=[7],
    )
    smoke_runs = [
        make_run(smoke, "relu", 7, 100, total=256),
        make_run(smoke, "lslu_parallel", 7, 90, total=256),
    ]

    def build(shuffle: int, columns: Columns = DEFAULT) -> list[Table]:
        order = random.Random(shuffle)
        selections = [
            Selection(
                plan=plan,
                stored=tuple(StoredRun(Path("run.json"), run) for run in order.sample(members, len(members))),
                origin=Origin(reference=plan.name, profile=plan.profile),
            )
            for plan, members in ((paper_like, runs), (smoke, smoke_runs))
        ]
        return build_tables(compare(selections, papers={"lslu": load_paper("lslu")}), lambda _name: columns)

    return build


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize(("stem", "columns"), [("tables", DEFAULT), ("columns", ASKED)])
def test_tables_equal_the_golden_files(
    format: Format, stem: str, columns: Columns, tables: MakeTables
) -> None:
    path = (GOLDEN / FILES[format]).with_stem(stem)
    made = RENDERERS[format](tables(0, columns)).encode()
    if os.environ.get("ACTBENCH_REWRITE_GOLDEN") == "1":
        path.write_bytes(made)
    assert made == path.read_bytes()


@pytest.mark.parametrize("format", FILES)
def test_the_order_of_records_changes_no_byte(format: Format, tables: MakeTables) -> None:
    expected = RENDERERS[format](tables(0))
    for shuffle in range(1, 6):
        assert RENDERERS[format](tables(shuffle)) == expected


def test_every_format_has_a_golden_file() -> None:
    assert set(FILES) == set(RENDERERS)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation (pdflatex)")
def test_latex_compiles_in_a_plain_article_and_fits_its_page(tables: MakeTables, tmp_path: Path) -> None:
    lines = [
        r"\documentclass{article}",
        r"\usepackage{booktabs}",
        r"\begin{document}",
        RENDERERS["latex"](tables(0)),
        r"See Table~\ref{tab:lslu-c100-lite}.",
        r"\end{document}",
    ]
    (tmp_path / "page.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "page.pdf").stat().st_size > 0
    assert "Overfull" not in done.stdout
    assert "undefined" not in done.stdout
