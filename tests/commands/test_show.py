"""`show`: the text as written, every resolved value with its origin, the schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.show import show
from actbench.errors import ActbenchError, RecipeError
from actbench.recipe.find import packaged_recipes
from actbench.recipe.json_schema import recipe_schema


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(document: Any) -> dict[str, tuple[object, str]]:
    return {row["key"]: (row["value"], row["origin"]) for row in document["values"]}


def test_plain_is_the_text_of_the_file() -> None:
    outcome = show("demo_digits")
    path = packaged_recipes()["demo_digits"]
    assert outcome.text + "\n" == path.read_text()
    assert outcome.document == {"name": "demo_digits", "path": str(path), "text": path.read_text()}


def test_resolved_tells_every_value_and_its_origin_in_aligned_columns() -> None:
    outcome = show("demo_digits", resolved=True, overrides=["train.lr=0.25"])
    lines = outcome.text.split("\n")
    assert len({line.index(" = ") for line in lines}) == 1
    (line,) = (line for line in lines if line.startswith("train.lr "))
    assert line.split() == ["train.lr", "=", "0.25", "command", "line"]
    (line,) = (line for line in lines if line.startswith("train.beta2 "))
    assert line.split() == ["train.beta2", "=", "0.999", "default"]
    documents: Any = outcome.document
    (document,) = documents
    found = rows(document)
    assert len(found) == len(lines)
    assert found["train.lr"] == (0.25, "command line")
    assert found["profile"] == ("lite", "default")
    assert document["recipe"]["train"]["lr"] == 0.25
    json.dumps(outcome.document, allow_nan=False)


def test_profile_or_override_alone_asks_for_the_resolved_form() -> None:
    documents: Any = show("demo_digits", profile="smoke").document
    (document,) = documents
    assert rows(document)["profile"] == ("smoke", "command line")
    assert show("demo_digits", overrides=["seeds=5"]).text.count("command line") == 1


def test_each_variant_is_shown() -> None:
    outcome = show("lslu_regularization_vanillanet_c100", profile="smoke")
    assert len(outcome.document) == 2  # type: ignore[arg-type]
    assert outcome.text.count("\n\n") == 1


def test_schema_needs_no_recipe() -> None:
    outcome = show(None, schema=True)
    assert json.loads(outcome.text) == outcome.document == recipe_schema()


def test_no_recipe_is_an_error() -> None:
    with pytest.raises(ActbenchError, match="no recipe named"):
        show(None)


def test_broken_recipe_is_shown_as_it_is_but_not_resolved(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: [\n")
    assert show(str(path)).text == "name: ["
    with pytest.raises(RecipeError, match="not valid YAML"):
        show(str(path), resolved=True)
    path.write_bytes(b"\xff")
    with pytest.raises(ActbenchError, match="not UTF-8"):
        show(str(path))
