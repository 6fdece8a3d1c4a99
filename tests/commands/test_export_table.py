import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.commands.export_table import export_table
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store
from actbench.tables.columns import COLUMNS, DEFAULT, WIDE
from actbench.tables.formats import RENDERERS, Format

END = "<!-- /actbench -->"
PAGE = f"# Page\n\n<!-- actbench: lslu_c100 -->\nold\n{END}\n\nThe end.\n"


@pytest.fixture
def store_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
) -> Callable[[int], None]:
    """Works in an empty folder; stores one complete set of runs with that many right answers each."""
    monkeypatch.chdir(tmp_path)
    recipe = make_recipe(seeds=[0])

    def store(correct: int) -> None:
        for arm in recipe.arms:
            run = make_run(recipe, arm.name, 0, correct)
            Store(Path("results")).write(Path("results", recipe.name, "lite", f"{arm.name}-seed0.json"), run)

    store(5000)
    return store


@pytest.mark.parametrize("format", sorted(RENDERERS))
def test_a_file_holds_what_standard_output_shows_and_checks(
    format: Format, store_runs: Callable[[int], None]
) -> None:
    shown = export_table(["results"], format=format).text
    path = Path("table.out")
    outcome = export_table(["results"], format=format, output=path)
    assert (outcome.text, outcome.exit_code) == ("wrote table.out\n", 0)
    assert path.read_text() == shown
    assert export_table(["results"], format=format, check=path).exit_code == 0
    store_runs(6000)
    with pytest.raises(NotComparableError) as caught:
        export_table(["results"], format=format, check=path)
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "table.out: stale: the stored runs give another table\n"
        f"  actbench export-table results --format {format} -o table.out"
    )
    export_table(["results"], format=format, output=path)
    assert export_table(["results"], format=format, check=path).exit_code == 0
    assert path.read_text() != shown


@pytest.mark.usefixtures("store_runs")
def test_a_pages_own_text_is_kept() -> None:
    path = Path("README.md")
    path.write_text(PAGE)
    export_table(["results"], output=path)
    text = path.read_text()
    assert text.startswith("# Page\n\n<!-- actbench: lslu_c100 -->\n")
    assert text.endswith(f"{END}\n\nThe end.\n")
    assert "| relu | 50.00 |" in text
    assert "old" not in text
    path.write_text(text.replace("The end.", "Another end."))
    assert export_table(["results"], check=path).exit_code == 0
    path.write_text(text.replace("50.00", "51.00"))
    with pytest.raises(NotComparableError, match="stale"):
        export_table(["results"], check=path)


@pytest.mark.parametrize("page", ["# Page\n", PAGE.replace("lslu_c100", "another"), PAGE.replace(END, "")])
@pytest.mark.usefixtures("store_runs")
def test_a_page_without_a_marked_place_is_not_touched(page: str) -> None:
    path = Path("README.md")
    path.write_text(page)
    for output, check in ((path, None), (None, path)):
        with pytest.raises(ActbenchError) as caught:
            export_table(["results"], output=output, check=check)
        assert str(caught.value) == (
            "README.md: no place marked for the tables of lslu_c100\n"
            "  put these two lines where they shall stand:\n"
            "  <!-- actbench: lslu_c100 -->\n"
            f"  {END}"
        )
    assert path.read_text() == page


@pytest.mark.usefixtures("store_runs")
def test_checking_a_file_that_is_not_there_is_stale() -> None:
    with pytest.raises(NotComparableError, match=r"README.md: stale"):
        export_table(["results"], check=Path("README.md"))
    assert not Path("README.md").exists()


@pytest.mark.usefixtures("store_runs")
def test_a_table_of_an_incomplete_selection_is_up_to_date_or_stale_as_any() -> None:
    path = Path("table.md")
    Path("results/lslu_c100/lite/swish-seed0.json").unlink()
    export_table(["results"], output=path)
    checked = export_table(["results"], check=path)
    assert checked.text == "table.md is up to date\n"
    assert any(warning.startswith("incomplete: ") for warning in checked.warnings)
    Path("results/lslu_c100/lite/series-seed0.json").unlink()
    with pytest.raises(NotComparableError, match="stale"):
        export_table(["results"], check=path)


def test_csv_and_json_hold_unrounded_numbers(store_runs: Callable[[int], None]) -> None:
    store_runs(5003)
    header, first, *_ = export_table(["results"], format="csv").text.splitlines()
    line = dict(zip(header.split(","), first.split(","), strict=True))
    assert (line["arm"], line["top1_mean"], line["top1_n"], line["top1_low"]) == ("relu", "0.5003", "1", "")
    document = json.loads(export_table(["results"], format="json").text)
    (table,) = document["tables"]
    assert table["rows"][0]["top1"]["mean"] == 0.5003
    assert table["rows"][0]["top1"]["low"] is None
    assert table["rows"][0]["evidence"]["parameters"] == 400_400


@pytest.mark.usefixtures("store_runs")
def test_a_place_that_cannot_be_written_is_an_error() -> None:
    Path("file").write_text("")
    with pytest.raises(ActbenchError, match=r"file/table.csv: cannot be written: "):
        export_table(["results"], format="csv", output=Path("file/table.csv"))
    with pytest.raises(ActbenchError, match=r"results: cannot be read: Is a directory"):
        export_table(["results"], output=Path("results"))
    with pytest.raises(ActbenchError, match=r"results: cannot be written: Is a directory"):
        export_table(["results"], format="csv", output=Path("results"))


@pytest.mark.usefixtures("store_runs")
def test_the_command_that_writes_a_stale_file_anew_repeats_every_option() -> None:
    Path("results").rename("else where")
    with pytest.raises(NotComparableError) as caught:
        export_table(
            ["else where"], check=Path("t.csv"), results_dir=Path("else where"), arms=["relu", "lslu"],
            baselines=["relu"], profile="lite", limit=9, seeds="0,1", overrides=["title=a b"],
        )  # fmt: skip
    assert str(caught.value).splitlines()[-1] == (
        "  actbench export-table 'else where' 'title=a b' --format csv -o t.csv --profile lite --arm relu "
        "--arm lslu --baseline relu --limit 9 --seeds 0,1 --results-dir 'else where'"
    )


@pytest.mark.usefixtures("store_runs")
def test_weights_and_place_are_repeated_as_well() -> None:
    path = Path("results/lslu_c100/lite")
    for file in path.glob("*.json"):
        run = json.loads(file.read_text())
        run["results"][0].update(which="best_val", weights="ema")
        file.write_text(json.dumps(run))
    with pytest.raises(NotComparableError) as caught:
        export_table(["results"], check=Path("t.md"), which="best_val", weights="ema")
    assert str(caught.value).endswith(
        "actbench export-table results --format markdown -o t.md --at best-val --weights ema"
    )


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("t.md", "markdown"),
        ("t.tex", "latex"),
        ("t.csv", "csv"),
        ("t.html", "html"),
        ("t.json", "json"),
        ("t.txt", "terminal"),
    ],
)
@pytest.mark.usefixtures("store_runs")
def test_the_files_suffix_tells_the_format(name: str, format: Format) -> None:
    export_table(["results"], output=Path(name))
    assert Path(name).read_text() == export_table(["results"], format=format).text
    assert export_table(["results"], check=Path(name)).exit_code == 0


@pytest.mark.usefixtures("store_runs")
def test_a_page_that_is_not_utf8_is_an_error() -> None:
    Path("page.md").write_bytes(PAGE.encode() + b"\xff")
    page = Path("page.md")
    for output, check in ((page, None), (None, page)):
        with pytest.raises(ActbenchError, match=r"page\.md: not UTF-8 text") as caught:
            export_table(["results"], output=output, check=check)
        assert caught.value.exit_code == 2


@pytest.mark.usefixtures("store_runs")
def test_writing_and_checking_at_once_is_refused() -> None:
    with pytest.raises(ActbenchError, match="give one") as caught:
        export_table(["results"], output=Path("a.md"), check=Path("a.md"))
    assert caught.value.exit_code == 2
    assert not Path("a.md").exists()


MARKED = PAGE.replace("lslu_c100 -->", "lslu_c100 columns=n,kept -->")


@pytest.mark.usefixtures("store_runs")
def test_a_pages_marker_remembers_the_columns() -> None:
    page = Path("README.md")
    page.write_text(MARKED)
    export_table(["results"], output=page)
    text = page.read_text()
    assert "<!-- actbench: lslu_c100 columns=n,kept -->\n" in text
    assert "| arm | n | kept bytes per element |" in text
    assert "| relu | 1 | 4.0 (0.0) |\n| swish | 1 | 4.0 (4.0) |\n| series | 1 | 8.2 (8.2) |" in text
    assert export_table(["results"], check=page).exit_code == 0
    with pytest.raises(NotComparableError) as caught:
        export_table(["results"], check=page, columns=("metric", "n"))
    assert str(caught.value).endswith("--format markdown -o README.md --columns metric,n")
    export_table(["results"], output=page, columns=("metric", "n"))
    assert "<!-- actbench: lslu_c100 columns=metric,n -->\n" in page.read_text()
    export_table(["results"], output=page, columns=DEFAULT)
    assert page.read_text().startswith("# Page\n\n<!-- actbench: lslu_c100 -->\n")


@pytest.mark.usefixtures("store_runs")
def test_a_marker_with_an_unknown_column_is_an_error_of_the_page() -> None:
    page = Path("README.md")
    page.write_text(MARKED.replace("kept", "keep"))
    with pytest.raises(ActbenchError) as caught:
        export_table(["results"], output=page)
    assert str(caught.value) == (
        "README.md: no column 'keep' (actbench: lslu_c100)\n"
        f"  known: {', '.join(COLUMNS)}\n"
        "  did you mean 'kept'?"
    )


@pytest.mark.usefixtures("store_runs")
def test_columns_in_numbers() -> None:
    header, first, *_ = export_table(["results"], format="csv", columns=("kept", "n")).text.splitlines()
    line = dict(zip(header.split(","), first.split(","), strict=True))
    assert {key: line[key] for key in list(line)[-3:]} == {
        "kept_per_element": "4.0",
        "kept_beyond_output": "0.0",
        "n_completed": "1",
    }


@pytest.mark.usefixtures("store_runs")
def test_the_order_of_files_changes_no_byte() -> None:
    files = [str(path) for path in sorted(Path("results").rglob("*.json"))]
    for format in RENDERERS:
        assert export_table(files[::-1], format=format).text == export_table(files, format=format).text


@pytest.mark.usefixtures("store_runs")
def test_all_columns_are_remembered_by_a_page() -> None:
    page = Path("README.md")
    page.write_text(PAGE)
    export_table(["results"], output=page, columns=WIDE)
    assert "<!-- actbench: lslu_c100 columns=wide -->\n" in page.read_text()
    assert "| arm | top-1 % | vs relu | vs swish | n | step time vs relu |" in page.read_text()
    assert export_table(["results"], check=page).exit_code == 0


@pytest.mark.usefixtures("store_runs")
def test_recipes_side_by_side_have_a_place_under_their_joined_names() -> None:
    Path("results/lslu_c100").rename("one")
    shutil.copytree("one", "two")
    for file in Path("two").rglob("*.json"):
        run = json.loads(file.read_text())
        run["recipe"]["name"] = "other"
        file.write_text(json.dumps(run))
    page = Path("README.md")
    page.write_text(PAGE.replace("lslu_c100", "lslu_c100+other"))
    export_table(["one", "two"], output=page, layout="paper")
    head = "VanillaNet-5 x0.125, CIFAR-100"
    assert f"| arm | {head}, lslu_c100: top-1 % | {head}, other: top-1 % |\n" in page.read_text()
    assert export_table(["one", "two"], check=page, layout="paper").exit_code == 0
    with pytest.raises(NotComparableError) as caught:
        export_table(["one", "two"], check=Path("t.tex"), layout="paper")
    assert str(caught.value).endswith("actbench export-table one two --format latex -o t.tex --layout paper")


@pytest.mark.usefixtures("store_runs")
def test_the_appendix_has_a_place_of_its_own() -> None:
    page = Path("README.md")
    page.write_text(f"{PAGE}\n<!-- actbench: lslu_c100 appendix -->\n{END}\n")
    export_table(["results"], output=page)
    tables = page.read_text()
    export_table(["results"], output=page, appendix=True)
    text = page.read_text()
    assert text.startswith(tables.split("<!-- actbench: lslu_c100 appendix -->", maxsplit=1)[0])
    assert "- **Runs.** 4 arms, seed 0: 4 runs completed. No run diverged.\n" in text
    assert export_table(["results"], check=page, appendix=True).exit_code == 0
    assert export_table(["results"], check=page).exit_code == 0
    with pytest.raises(NotComparableError, match="stale: the stored runs give another text") as caught:
        export_table(["results"], check=Path("a.tex"), appendix=True)
    assert str(caught.value).endswith("actbench export-table results --format latex -o a.tex --appendix")
    with pytest.raises(ActbenchError, match="can be had as markdown or latex"):
        export_table(["results"], format="csv", appendix=True)
    page.write_text(PAGE)
    with pytest.raises(ActbenchError, match="no place marked for the appendix of lslu_c100"):
        export_table(["results"], output=page, appendix=True)


@pytest.mark.usefixtures("store_runs")
def test_the_program_takes_the_options_of_tables(
    program: "Callable[..., subprocess.CompletedProcess[str]]",
) -> None:
    done = program("export-table", "results", "--wide", "--layout", "paper", "-o", "t.html")
    assert (done.returncode, done.stdout) == (0, "wrote t.html\n")
    assert Path("t.html").read_text().startswith("<!DOCTYPE html>\n")
    done = program("export-table", "results", "--wide", "--columns", "n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--wide shows all columns and --columns some: give one" in done.stderr
    done = program("export-table", "results", "--appendix", "-f", "latex")
    assert done.stdout.startswith("\\paragraph{How the numbers of lslu\\_c100 were made.}\n")
