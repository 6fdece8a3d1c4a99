"""`cp`: a recipe copied under a new name, comments kept, that is valid where it lands."""

from pathlib import Path

import pytest

from actbench.commands.cp import cp
from actbench.errors import ActbenchError, RecipeError
from actbench.recipe.find import packaged_recipes
from actbench.recipe.load import load_profiles, load_recipe


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", packaged_recipes())
def test_copy_differs_in_its_name_alone_and_is_valid(name: str) -> None:
    outcome = cp(name, name="mine")
    assert outcome.text == f"copied {name} to recipes/mine.yaml; next: actbench validate mine"
    original, copied = (
        packaged_recipes()[name].read_text().splitlines(),
        Path("recipes/mine.yaml").read_text(),
    )
    assert len(copied.splitlines()) == len(original)
    for old, new in zip(original, copied.splitlines(), strict=True):
        is_command = old.startswith("#") and "actbench " in old
        assert new == (old.replace(name, "mine") if is_command or old == f"name: {name}" else old)
    copy, source = load_profiles("mine"), load_profiles(name)
    for profile, loaded in source.items():
        renamed = tuple(recipe.model_copy(update={"name": "mine"}) for recipe in loaded.recipes)
        assert copy[profile].recipes == renamed


@pytest.mark.parametrize(
    ("destination", "name", "target"),
    [
        (None, "mine", "recipes/mine.yaml"),
        ("deep/er/mine.yaml", None, "deep/er/mine.yaml"),
        ("mine.yaml", "mine", "mine.yaml"),
        ("new/", None, "new/demo_digits.yaml"),
        (".", "mine", "mine.yaml"),
    ],
)
def test_where_the_copy_lands(destination: str | None, name: str | None, target: str) -> None:
    outcome = cp("demo_digits", destination, name=name)
    assert outcome.document == {
        "source": str(packaged_recipes()["demo_digits"]), "path": target, "name": Path(target).stem,
    }  # fmt: skip
    assert load_recipe(target).recipes[0].name == Path(target).stem


@pytest.mark.parametrize(
    ("destination", "name", "says"),
    [
        ("foo", None, r"(?s)which 'foo' does not.*actbench cp demo_digits --name foo"),
        (None, None, "the copy needs a name of its own"),
        (None, "demo_digits", "the copy needs a name of its own"),
        (None, "2nd", "'2nd' is no name for a recipe"),
        (None, "a/b", "is no name for a recipe"),
        ("mine.txt", None, "a recipe's file ends in .yaml"),
        ("mine.yaml", "other", "the name 'other' is not the file's"),
    ],
)
def test_bad_destination(destination: str | None, name: str | None, says: str) -> None:
    with pytest.raises(ActbenchError, match=says):
        cp("demo_digits", destination, name=name)
    assert list(Path().rglob("*.yaml")) == []


def test_file_is_overwritten_only_by_force() -> None:
    Path("mine.yaml").write_text("precious")
    with pytest.raises(ActbenchError, match=r"mine.yaml exists already"):
        cp("demo_digits", "mine.yaml")
    assert Path("mine.yaml").read_text() == "precious"
    cp("demo_digits", "mine.yaml", force=True)
    assert load_recipe("mine.yaml").recipes[0].name == "mine"


def test_broken_recipe_is_not_copied() -> None:
    Path("broken.yaml").write_text("base: demo_digits\nname: broken\nx: 1\n")
    with pytest.raises(RecipeError, match="unknown key 'x'"):
        cp("broken.yaml", name="mine")
    assert not Path("recipes").exists()


def test_base_is_found_from_the_new_place() -> None:
    Path("one").mkdir()
    cp("demo_digits", "one/below.yaml")
    Path("one/child.yaml").write_text("base: ./below.yaml # beside\nname: child\ntitle: C\n")
    cp("one/child.yaml", "two/copy.yaml")
    assert Path("two/copy.yaml").read_text() == 'base: "../one/below.yaml" # beside\nname: copy\ntitle: C\n'
    assert load_recipe("two/copy.yaml").recipes[0].title == "C"


def test_folder_that_cannot_be_made() -> None:
    Path("file").write_text("")
    with pytest.raises(ActbenchError, match=r"cannot write file/mine\.yaml"):
        cp("demo_digits", "file/mine.yaml")


def test_comments_tell_commands_for_the_copy() -> None:
    Path("old.yaml").write_text(
        "# actbench train old (see old-er, old.yaml and results/old): old.\n"
        "# The old one.\n"
        "base: demo_digits\nname: old\ntitle: actbench old\n"
    )
    outcome = cp("old.yaml", "new.yaml")
    assert Path("new.yaml").read_text() == (
        "# actbench train new (see old-er, old.yaml and results/old): new.\n"
        "# The old one.\n"
        "base: demo_digits\nname: new\ntitle: actbench old\n"
    )
    assert outcome.text == "copied old to new.yaml; next: actbench validate new.yaml"
