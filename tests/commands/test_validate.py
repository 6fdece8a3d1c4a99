"""`validate`: a line for each good recipe, the mistakes of all bad ones together."""

from pathlib import Path
from typing import Any

import pytest

from actbench.commands.validate import validate
from actbench.errors import RecipeError
from actbench.recipe.find import packaged_recipes


def test_every_shipped_recipe_is_valid() -> None:
    outcome = validate(packaged_recipes())
    lines = outcome.text.split("\n")
    assert len(lines) == len(packaged_recipes()) > 0
    assert all(
        f"{name}: valid (3 profiles, " in line for name, line in zip(packaged_recipes(), lines, strict=True)
    )


def test_counts() -> None:
    outcome = validate(["demo_digits", "lslu_regularization_vanillanet_c100"])
    assert outcome.text == (
        "demo_digits: valid (3 profiles, 4 arms)\n"
        "lslu_regularization_vanillanet_c100: valid (3 profiles, 4 variants, 4 arms)"
    )
    documents: Any = outcome.document
    first, second = documents
    assert (first["name"], first["valid"], first["profiles"]) == (
        "demo_digits",
        True,
        ["paper", "lite", "smoke"],
    )
    assert first["variants"] == []
    assert len(second["variants"]) == 4


def test_mistakes_of_all_files_are_told_together(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("base: demo_digits\nname: first\ntrain: {lrr: 1}\n")
    second.write_text("base: demo_digits\nname: second\nseeds: 3..1\n")
    with pytest.raises(RecipeError) as caught:
        validate([str(first), "demo_digits", "nowhere", str(second)])
    told = [(problem.where, problem.message) for problem in caught.value.problems]
    assert told == [
        (f"{first}:3", "unknown key 'lrr'"),
        (None, "no recipe 'nowhere'"),
        (f"{second}:3", "seeds 3..1 run backwards"),
    ]


def test_overrides_are_checked_with_the_recipe_under_the_profile() -> None:
    with pytest.raises(RecipeError, match="unknown key 'lrr'"):
        validate(["demo_digits"], overrides=["train.lrr=1"], profile="paper")
