"""Where a recipe lies: an existing path, ./recipes/NAME.yaml, or the packaged recipes."""

import os
from pathlib import Path

from actbench.errors import ActbenchError
from actbench.recipe.nearest import name_hints
from actbench.recipe.overrides import BODY_KEYS

_PACKAGE = Path(__file__).resolve().parent.parent
SUFFIXES = (".yaml", ".yml")


def packaged_recipes() -> dict[str, Path]:
    """The recipes that come with actbench, by name."""
    # A wheel holds them as actbench/recipes; an editable install uses the folder beside the package.
    for folder in (_PACKAGE / "recipes", _PACKAGE.parent / "recipes"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def local_recipes() -> dict[str, Path]:
    """The recipes in ./recipes, by name."""
    return {path.stem: path for path in sorted(Path("recipes").glob("*.yaml"))}


def _local_recipe(name: str) -> Path | None:
    """That one of them, without a path for each other."""
    folder, file = Path("recipes"), f"{name}.yaml"
    try:
        return folder / file if file in os.listdir(folder) else None
    except OSError:
        return None


def find_recipe(reference: str | Path) -> Path:
    """The recipe's file; ActbenchError with the nearest names where there is none."""
    text = str(reference)
    path = Path(text)
    if "\0" in text or not text.strip():
        raise ActbenchError(f"no recipe has the name {text!r}")
    try:
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except OSError as error:  # a name too long for the file system, a folder that may not be entered
        raise ActbenchError(f"no recipe {text[:80]!r}: {error.strerror}") from error
    if is_folder:
        raise ActbenchError(f"{text} is a folder; name a recipe inside it")
    if path.name == text and path.suffix not in SUFFIXES:
        found = _local_recipe(text) or packaged_recipes().get(text)
        if found:
            return found
    raise ActbenchError(f"no recipe {text!r}", hints=_missing_hints(path, text, packaged_recipes()))


def _missing_hints(path: Path, text: str, packaged: dict[str, Path]) -> tuple[str, ...]:
    key, _, rest = text.partition(".")
    if key in BODY_KEYS and rest and path.suffix not in SUFFIXES:
        return (f"a setting is typed as {text}=VALUE",)
    files = [f"{text}{suffix}" for suffix in SUFFIXES if Path(f"{text}{suffix}").is_file()]
    if files:
        return (f"did you mean the file {files[0]}?",)
    stem = path.stem if path.suffix in SUFFIXES else path.name
    if stem in packaged and stem != text:
        return (f"it comes with actbench: type the name alone, as in `actbench train {stem}`",)
    return name_hints(stem, {**packaged, **local_recipes()})


def is_recipe(reference: str) -> bool:
    """Whether a reference means a recipe: imported sets have names too, and records may outlive their recipe."""
    try:
        find_recipe(reference)
    except ActbenchError:
        return False
    return True
