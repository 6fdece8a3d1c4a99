"""LaTeX: any text compiles, and a table is no wider than it says."""

# ruff: noqa: RUF001 - characters that look alike are told apart here on purpose

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actbench.tables import latex
from actbench.tables.appendix import as_latex
from actbench.tables.build import build_tables
from actbench.tables.columns import WIDE
from actbench.tables.latex_fit import COLUMN_PT, PAGE_PT, fitted, letters_pt
from actbench.tables.latex_text import escaped
from actbench.tables.side_by_side import side_by_side
from actbench.tables.table import Cell, Column, Note, Row, Table
from tests.tables.comparisons import MakeComparison

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs a LaTeX installation (pdflatex)"
)
ODD = [
    r"\ { } $ & # % _ ~ ^ < > | [ ] * ` ' \" - -- --- \input{x} \\ $$ %%",
    "Gül naïve Ångström Dvořák œuvre façade — “quoted” ‘so’ … 50 % ± 2 × 3 − 1 α β Ω †‡ °C",
    "日本語 \N{GRINNING FACE} \u200b \u0301 \ud7a3",
    "a" * 300,
    "line\nbreak\ttab\r\x07",
]


def odd_table() -> Table:
    return Table(
        name="x",
        label="odd",
        title="x",
        caption=" ".join(ODD),
        columns=tuple(Column(key=str(place), lines=(text[:20], "[x]")) for place, text in enumerate(ODD[:3])),
        rows=tuple(
            Row(arm=text[:40], mark="†", cells=(Cell((text[:12],), marks=("*", "†")),) * 3) for text in ODD
        ),
        notes=tuple(Note(mark=str(place), text=text) for place, text in enumerate(ODD)),
        facts={},
        claims=tuple(ODD),
    )


def test_every_special_character_is_made_plain() -> None:
    assert escaped(r"a_b & 5 % {#1} \x ~ ^") == (
        r"a\_b \& 5 \% \{\#1\} \textbackslash{}x \textasciitilde{} \textasciicircum{}"
    )
    assert escaped("-1.50 [-2, +3] a-b -") == r"$-$1.50 {[}$-$2, +3{]} a-b -"
    assert escaped("-") == "--"
    assert escaped("--seeds") == "-{}-seeds"
    assert escaped('"so" 5"') == "``so'' 5''"
    assert escaped("é Ø α ± † −2") == r"\'{e} \O{} $\alpha$ $\pm$ $^{\dagger}$ $-$2"
    assert escaped("日") == "U+65E5"


def test_any_text_becomes_plain_ascii_without_an_open_brace() -> None:
    order = random.Random(0)
    for _ in range(300):
        text = "".join(
            chr(order.choice([order.randrange(32, 127), order.randrange(0x2000)])) for _ in range(30)
        )
        made = escaped(text)
        assert made.isascii()
        bare = re.sub(r"\\[\\{}]", "", made.replace(r"\textbackslash{}", ""))
        assert bare.count("{") == bare.count("}")
        assert len(re.findall(r"(?<!\\)\$", bare)) % 2 == 0


def test_emphasis_signs_and_several_lines() -> None:
    cell = Cell(("50.00 ± 1.00", "(n=2)"), emphasis=frozenset({"bold", "underline"}), marks=("*", "†"))
    table = Table(
        name="x",
        label="x",
        title="x",
        caption="x",
        columns=(Column(key="top1", lines=("top-1 %",)),),
        rows=(Row(arm="relu", mark="1", cells=(cell,)),),
        notes=(Note(mark="bold", text="near."), Note(mark="*", text="star.")),
        facts={},
    )
    text = latex.render([table])
    assert r"\underline{\textbf{50.00}}$^{*}$$^{\dagger}$ $\pm$ 1.00 \\ (n=2)" in text
    assert r"relu\textsuperscript{1} &" in text
    assert r"\textbf{bold}: near.\par" in text
    assert r"$^{*}$\,star.\par" in text


def test_the_default_table_fits_a_column_and_all_columns_no_page(golden: MakeComparison) -> None:
    comparison = golden(0)
    for table in build_tables(comparison):
        assert fitted(table).columns == 1
        assert r"\begin{table}[htbp]" in latex.render([table])
    wide = build_tables(comparison, lambda _name: WIDE)[0]
    assert fitted(wide).columns == 0
    assert latex.render([wide]).startswith("% Wider than 6.75 in: choose fewer columns.\n\\begin{table*}")


def compiled(body: str, folder: Path) -> str:
    lines = [
        r"\documentclass[twocolumn]{article}",
        r"\usepackage{booktabs}",
        rf"\setlength{{\textwidth}}{{{PAGE_PT}pt}}",
        rf"\setlength{{\columnsep}}{{{PAGE_PT - 2 * COLUMN_PT}pt}}",
        r"\begin{document}",
        body,
        r"\end{document}",
    ]
    (folder / "page.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    for _ in range(2):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@needs_latex
def test_tables_compile_and_fit_the_columns_that_they_ask_for(golden: MakeComparison, tmp_path: Path) -> None:
    comparison = golden(0)
    tables = [*build_tables(comparison), side_by_side(comparison.groups)]
    said = compiled(latex.render(tables) + r"See Table~\ref{tab:lslu-c100-lite}.", tmp_path)
    assert "Overfull" not in said
    assert "undefined" not in said
    assert (tmp_path / "page.pdf").stat().st_size > 0


@needs_latex
def test_no_table_is_wider_than_it_was_measured_to_be(golden: MakeComparison, tmp_path: Path) -> None:
    comparison = golden(0)
    tables = [
        *build_tables(comparison),
        *build_tables(comparison, lambda _name: WIDE),
        side_by_side(comparison.groups),
    ]
    boxes = []
    for table in tables:
        (grid,) = re.findall(
            r"  \\begin{tabular}{@{}l.*?\\bottomrule\n  \\end{tabular}", latex.render([table]), re.DOTALL
        )
        boxes.append(rf"\sbox0{{\scriptsize\setlength{{\tabcolsep}}{{0pt}}{grid}}}\typeout{{WIDTH \the\wd0}}")
    widths = [
        float(width)
        for width in re.findall(r"WIDTH ([\d.]+)pt", compiled("\n".join([*boxes, "x"]), tmp_path))
    ]
    measured = [letters_pt(fitted(table).table) for table in tables]
    for width, bound in zip(widths, measured, strict=True):
        assert 0.85 * bound < width <= bound


@needs_latex
def test_odd_names_and_the_appendix_compile(golden: MakeComparison, tmp_path: Path) -> None:
    body = "\n".join([latex.render([odd_table()]), *map(as_latex, golden(0).groups)])
    compiled(body, tmp_path)
    assert (tmp_path / "page.pdf").stat().st_size > 0
