"""`actbench report`, the program itself: one file that needs nothing, the same bytes for the same records."""

import hashlib
import html
import json
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.import_runs import ImportRequest, import_runs
from actbench.commands.outcome import Outcome
from actbench.commands.report import ReportRequest, report
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from tests.report.stored import store_runs

Program = Callable[..., "subprocess.CompletedProcess[str]"]
Make = Callable[..., Outcome]
MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
ARMS = [{"name": name, "activation": name} for name in ("relu", "swish", "lslu")]
OUTSIDE = re.compile(r"https?:|//\w|\bsrc=|@import|url\((?!#)", re.IGNORECASE)
"""Anything by which a page could reach for another file."""


@pytest.fixture
def records(tmp_path: Path, make_recipe: MakeRecipe, make_run: MakeRun) -> list[Path]:
    return store_runs(tmp_path, make_recipe(arms=ARMS), make_run)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """The command without figures, inside tmp_path."""
    monkeypatch.chdir(tmp_path)

    def run(*references: str, **options: Any) -> Outcome:
        return report(ReportRequest(**{"references": references, "with_figures": False, **options}))

    return run


class _Outline(HTMLParser):
    """Which elements a page has, whether each is closed, and its ids and anchors."""

    VOID = ("meta", "br", "wbr", "path", "use", "rect")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.headings: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        if (given.get("href") or "").startswith("#"):
            self.anchors.append((given["href"] or "")[1:])

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


@pytest.mark.usefixtures("records")
def test_one_recipe_becomes_one_page(program: Program, tmp_path: Path) -> None:
    done = program("report", "results", "--json", "-o", "page.html")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    content = (tmp_path / "page.html").read_bytes()
    assert (document["written"], document["bytes"]) == ("page.html", len(content))
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    page = content.decode()
    assert not OUTSIDE.search(page), OUTSIDE.search(page)
    outline = _Outline(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.anchors) <= set(outline.ids)
    assert outline.headings == [
        "How does lslu do against ReLU and Swish on CIFAR-100 with VanillaNet-5 x0.125?",
        "The numbers",
        "Figures",
        "The arms and what they share",
        "The runs",
        "Data, versions and machines",
        "For the appendix",
        "How to repeat it",
    ]
    again = program("report", "results", "-o", "again.html")
    assert (again.returncode, again.stdout) == (0, "wrote again.html\n")
    assert (tmp_path / "again.html").read_bytes() == content, "another process, the same bytes"


def test_the_page_holds_every_record_by_its_sum(make: Make, records: list[Path], tmp_path: Path) -> None:
    document: Any = make("results").document
    page = (tmp_path / "report.html").read_text()
    (chapter,) = document["chapters"]
    sums = {record["file"]: record["sha256"] for record in chapter["records"]}
    assert sums == {
        path.relative_to(tmp_path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in records
    }
    for name, value in sums.items():
        assert f"{value}  {name}" in page
    assert chapter["answer"][0].startswith("lslu reaches 55.73 % accuracy")
    assert " ".join(chapter["answer"]) in html.unescape(page)


def test_the_order_of_files_moves_no_byte(make: Make, records: list[Path], tmp_path: Path) -> None:
    make("results")
    before = (tmp_path / "report.html").read_bytes()
    for path in reversed(records):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    make("results")
    assert (tmp_path / "report.html").read_bytes() == before
    names = [str(path.relative_to(tmp_path)) for path in reversed(records)]
    backwards: Any = make(*names).document
    whole: Any = make("results").document
    assert backwards["made_from"] == whole["made_from"]
    for key in ("answer", "records"):
        assert backwards["chapters"][0][key] == whole["chapters"][0][key]


@pytest.mark.usefixtures("records")
def test_commands_to_repeat_it_stand_on_the_page(make: Make, tmp_path: Path) -> None:
    document: Any = make("results", arms=("lslu", "relu"), baselines=("relu",), seeds="0,1").document
    shown = "results --arm lslu --arm relu --seeds 0,1 --baseline relu"
    assert document["chapters"][0]["commands"][1:] == [
        f"actbench compare {shown}",
        f"actbench export-table {shown} --format latex",
        f"actbench report {shown} -o report.html",
    ]
    assert f"<code>actbench compare {shown}</code>" in (tmp_path / "report.html").read_text()


@pytest.mark.usefixtures("records")
def test_every_recipe_with_records_has_a_chapter(
    make: Make, tmp_path: Path, make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    store_runs(tmp_path, make_recipe(arms=ARMS, name="another", data={"name": "cifar10"}), make_run)
    assert make().exit_code == 0
    outline = _Outline((tmp_path / "report.html").read_text())
    questions = [heading for heading in outline.headings if heading.endswith("?")]
    assert outline.headings[0] == "2 comparisons of activation functions"
    assert [question.split(" on ")[1] for question in questions] == [
        "CIFAR-10 with VanillaNet-5 x0.125?",
        "CIFAR-100 with VanillaNet-5 x0.125?",
    ]
    assert len(outline.anchors) >= 2
    assert set(outline.anchors) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_a_name_from_a_record_cannot_run_a_script(
    make: Make, tmp_path: Path, make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    nasty = "<script>alert(1)</script>"
    store_runs(tmp_path, make_recipe(arms=ARMS, title=nasty), make_run, hardware=nasty)
    make("results")
    page = (tmp_path / "report.html").read_text()
    assert nasty not in page
    assert html.escape(nasty) in page


def test_imported_results_have_a_chapter_that_claims_less(make: Make, tmp_path: Path) -> None:
    rows = ["arm,seed,top1_accuracy,status"]
    rows += [
        f"{arm},{seed},{value + seed / 10},"
        for arm, value in (("relu", 71), ("mine", 74))
        for seed in (0, 1, 2)
    ]
    (tmp_path / "runs.csv").write_text("\n".join([*rows, "mine,3,,diverged"]) + "\n")
    asked = ImportRequest(
        file=Path("runs.csv"), name="mine", data="CIFAR-10", model="ResNet-20", unit="percent"
    )
    import_runs(asked)
    document: Any = make().document
    (chapter,) = document["chapters"]
    assert chapter["question"] == "How does mine do against ReLU on CIFAR-10 with ResNet-20?"
    assert chapter["limits"][0].startswith(
        "Footing not audited: the numbers were imported from runs.csv (sha256 "
    )
    assert chapter["limits"][1] == (
        "Diverged: 1 of 4 runs of mine. A mean is over the runs that did not, which flatters the arm."
    )
    (record,) = chapter["records"]
    assert record["file"].startswith("results/mine/imported/runs-")
    page = (tmp_path / "report.html").read_text()
    outline = _Outline(page)
    assert outline.open == []
    assert "The arms and what they share" not in outline.headings
    assert hashlib.sha256((tmp_path / "runs.csv").read_bytes()).hexdigest() in page


def test_unequal_runs_stand_side_by_side_where_it_is_allowed(
    make: Make, tmp_path: Path, make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(arms=ARMS)
    (tmp_path / "results").mkdir()
    for arm, changed in (("relu", {}), ("lslu", {"limit": 100})):
        kept = [each for each in recipe.arms if each.name in (arm, "relu")]
        store_runs(tmp_path, recipe.model_copy(update={**changed, "arms": tuple(kept)}), make_run, only=arm)
    document: Any = make("results", allow_mismatch=True).document
    (chapter,) = document["chapters"]
    assert chapter["answer"][0].startswith("Not all these runs stand on one footing")
    assert chapter["limits"][0].startswith("Footing differs: ")
    assert chapter["commands"][-1].endswith("--allow-mismatch -o report.html")
    assert "Only 3 of 6 runs carry the footing" in (tmp_path / "report.html").read_text()


def test_without_records_there_is_no_page(program: Program, tmp_path: Path) -> None:
    done = program("report")
    assert done.returncode == 4
    assert done.stderr == "no records to report on in results\n  actbench train RECIPE\n"
    assert not (tmp_path / "report.html").exists()


@pytest.mark.usefixtures("records")
def test_unequal_runs_are_refused_where_named_and_left_out_where_not(
    make: Make, tmp_path: Path, make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    other = make_recipe(arms=ARMS, name="another")
    store_runs(tmp_path, other, make_run)
    store_runs(tmp_path, other.model_copy(update={"limit": 100}), make_run)
    with pytest.raises(NotComparableError, match="were not trained on equal footing"):
        make("results/another")
    assert not (tmp_path / "report.html").exists()
    outcome = make()
    assert outcome.exit_code == 4
    assert outcome.warnings[0].startswith(
        "results/another/lite left out: runs of another were not trained on equal"
    )
    page = (tmp_path / "report.html").read_text()
    assert "What the program warned of" in page
    assert html.escape(outcome.warnings[0]) in page


def test_settings_without_a_recipe_are_refused(make: Make) -> None:
    with pytest.raises(ActbenchError) as caught:
        make(overrides=("train.lr=0.2",))
    assert str(caught.value) == "command line: settings are given and no recipe is named\n  train.lr=0.2"


@pytest.mark.parametrize(
    ("output", "why"), [(".", "is a folder"), ("nowhere/page.html", "its folder does not exist")]
)
def test_a_place_that_cannot_be_written_is_told_first(make: Make, output: str, why: str) -> None:
    with pytest.raises(ActbenchError) as caught:
        make("results", output=Path(output))
    assert str(caught.value) == f"{output}: cannot be written: {why}\n  name a file: -o report.html"
