"""Where a recipe is looked for, and what is said where there is none."""

import errno
import os
from pathlib import Path

import pytest

from actbench.errors import ActbenchError
from actbench.recipe.find import find_recipe, packaged_recipes


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hints(reference: str) -> str:
    with pytest.raises(ActbenchError) as caught:
        find_recipe(reference)
    return "\n".join(caught.value.problems[0].hints)


def test_path_comes_before_local_before_packaged() -> None:
    assert find_recipe("demo_digits") == packaged_recipes()["demo_digits"]
    local = Path("recipes/demo_digits.yaml")
    local.parent.mkdir()
    local.touch()
    assert find_recipe("demo_digits") == local
    Path("demo_digits").touch()
    assert find_recipe("demo_digits") == Path("demo_digits")
    assert find_recipe(local) == local


def test_packaged_recipes_are_found_from_anywhere() -> None:
    assert "lslu_vanillanet_c100" in packaged_recipes()
    assert all(path.is_file() and path.stem == name for name, path in packaged_recipes().items())


def test_missing_path_of_a_packaged_recipe_gets_the_command_to_type() -> None:
    assert "`actbench train demo_digits`" in hints("recipes/demo_digits.yaml")
    assert "`actbench train demo_digits`" in hints("demo_digits.yaml")


def test_missing_name_gets_the_nearest() -> None:
    assert "did you mean 'demo_digits'?" in hints("demo_digit")
    assert "did you mean 'demo_digits'?" in hints("somewhere/demo_digit.yaml")


def test_a_file_beside_and_a_setting_without_its_sign_are_recognised() -> None:
    Path("plain.yaml").touch()
    assert hints("plain") == "did you mean the file plain.yaml?"
    assert hints("train.lr") == "a setting is typed as train.lr=VALUE"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("", "no recipe has the name ''"),
        ("  ", "no recipe has the name '  '"),
        ("a\0b", r"no recipe has the name 'a\x00b'"),
        ("x" * 5000, f"no recipe '{'x' * 80}': {os.strerror(errno.ENAMETOOLONG)}"),
        ("recipes/../..", "recipes/../.. is a folder; name a recipe inside it"),
    ],
)
def test_names_that_can_be_no_file_are_told_as_what_they_are(reference: str, message: str) -> None:
    Path("recipes").mkdir()
    with pytest.raises(ActbenchError) as caught:
        find_recipe(reference)
    assert str(caught.value) == message
