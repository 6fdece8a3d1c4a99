"""`ls`: every kind of thing as a table and as plain data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.commands.ls import ls
from actbench.data.catalog import ENTRIES as DATA_SETS
from actbench.errors import ActbenchError
from actbench.models.catalog import ENTRIES as MODELS
from actbench.papers.reported import load_papers
from actbench.recipe.find import packaged_recipes
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store


def listed(kind: str, results_dir: Path) -> list[dict[str, Any]]:
    outcome = ls(kind, results_dir=results_dir)
    assert outcome.warnings == ()
    assert json.loads(json.dumps(outcome.document)) == outcome.document
    rows: list[dict[str, Any]] = outcome.document  # type: ignore[assignment]
    lines = outcome.text.split("\n")
    first = next(iter(rows[0]))
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        first,
        *(r[first] for r in rows),
    ]
    return rows


def test_recipes_packaged_and_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/mine.yaml").write_text("base: demo_digits\nname: mine\ntitle: Mine\n")
    rows = listed("recipes", tmp_path)
    assert [row["recipe"] for row in rows] == sorted([*packaged_recipes(), "mine"])
    (mine,) = (row for row in rows if row["recipe"] == "mine")
    assert (mine["title"], mine["data"], mine["arms"]) == ("Mine", "digits", 4)


def test_broken_local_recipe_is_a_warning_and_the_rest_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/mine.yaml").write_text("base: demo_digits\nname: mine\ntitel: Mine\n")
    outcome = ls("recipes", results_dir=tmp_path)
    assert "mine" not in outcome.text
    assert "demo_digits" in outcome.text
    (warning,) = outcome.warnings
    assert warning.startswith("recipes/mine.yaml:3: unknown key 'titel'")


def test_catalogues(tmp_path: Path) -> None:
    assert [row["activation"] for row in listed("arms", tmp_path)] == list(ACTIVATIONS)
    assert [row["model"] for row in listed("models", tmp_path)] == list(MODELS)
    assert [row["data"] for row in listed("data", tmp_path)] == list(DATA_SETS)
    (lslu,) = (row for row in listed("arms", tmp_path) if row["activation"] == "lslu")
    assert lslu["options"] == ["n=3", "freeze=false"]
    assert lslu["source"].endswith("arXiv:2409.08283")
    (folder,) = (row for row in listed("data", tmp_path) if row["data"] == "image_folder")
    assert folder["options"] == ["folder (required)", "test_fraction=0.2", "grey=false"]


@pytest.mark.parametrize("kind", ["arms", "models", "data"])
def test_catalogues_fit_120_columns_and_json_has_the_sources(kind: str, tmp_path: Path) -> None:
    outcome = ls(kind, results_dir=tmp_path)
    assert max(map(len, outcome.text.splitlines())) <= 120
    assert "source" not in outcome.text.splitlines()[0]
    rows: list[dict[str, Any]] = outcome.document  # type: ignore[assignment]
    assert all(row["source" if kind != "data" else "layout"] for row in rows)


def test_papers_and_claims(tmp_path: Path) -> None:
    papers = load_papers()
    assert [row["paper"] for row in listed("papers", tmp_path)] == list(papers)
    claims: list[dict[str, Any]] = ls("claims", results_dir=tmp_path).document  # type: ignore[assignment]
    assert [row["claim"] for row in claims] == [
        claim.id for paper in papers.values() for claim in paper.claims
    ]
    assert all(row["records"] == [] for row in claims)
    (lslu,) = (row for row in claims if row["paper"] == "lslu")
    assert (lslu["baseline"], lslu["difference"]) == ("series", 3.17)
    assert lslu["recipes"][0] == {
        "name": "lslu_vanillanet_c100",
        "setting": "VanillaNet-5 on CIFAR-100",
        "is_stand_in": False,
    }


@pytest.mark.parametrize(("kind", "width"), [("papers", 120), ("claims", 100)])
def test_papers_and_claims_have_a_width(kind: str, width: int, tmp_path: Path) -> None:
    assert max(map(len, ls(kind, results_dir=tmp_path).text.splitlines())) <= width


def test_runs(tmp_path: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> None:
    assert ls("runs", results_dir=tmp_path).text == f"no runs in {tmp_path}"
    store = Store(tmp_path)
    record = make_run(make_recipe(), "relu", 1, 5123)
    path = store.path(recipe="lslu_c100", profile="lite", arm="relu", seed=1, run=record.run)
    store.write(path, record)
    (row,) = listed("runs", tmp_path)
    assert (row["arm"], row["seed"], row["status"], row["test %"]) == ("relu", 1, "completed", 51.23)
    assert row["file"] == str(path)
    path.with_name("damaged.json").write_text("{")
    outcome = ls("runs", results_dir=tmp_path)
    assert len(outcome.document) == 1  # type: ignore[arg-type]
    assert "damaged.json" in outcome.warnings[0]


def test_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(ActbenchError, match="nothing to list under 'recipe'") as caught:
        ls("recipe", results_dir=tmp_path)
    assert "did you mean 'recipes'?" in str(caught.value)
