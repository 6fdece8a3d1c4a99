"""Where imported sets lie: `results/<name>/imported/<stem>-<sha8>.json`, one for each name.

Beside the folders of profiles, so that none of them is ever read as a record of actbench's own.
"""

import re
from pathlib import Path

from actbench.recipe.find import is_recipe
from actbench.store import IMPORTED

NAME = r"[A-Za-z][A-Za-z0-9_.-]{0,63}"


def is_name(text: str) -> bool:
    """Whether a set can be called so."""
    return re.fullmatch(NAME, text) is not None


def paths(results_dir: Path, name: str | None = None) -> list[Path]:
    """The files of the sets of that name, or of all, in order."""
    if name is not None and not is_name(name):
        return []
    return sorted(results_dir.glob(f"{name or '*'}/{IMPORTED}/*.json"))


def is_place_of_set(path: Path) -> bool:
    """Whether a file lies where an imported set does."""
    return path.parent.name == IMPORTED and path.suffix == ".json"


def place_of(results_dir: Path, name: str, source: str, sha256: str) -> Path:
    """Of the set of that name, from the file `source` whose content has that sum."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(source).stem)
    return results_dir / name / IMPORTED / f"{stem}-{sha256[:8]}.json"


def files_of_sets(reference: str, results_dir: Path) -> list[Path]:
    """The sets that a reference means: by its file, by a folder above it, or by its name if no recipe has it."""
    path = Path(reference)
    if path.is_dir():
        return sorted(file for file in path.rglob("*.json") if is_place_of_set(file))
    if path.suffix == ".json":
        return [path] if is_place_of_set(path) else []
    found = paths(results_dir, reference)
    return found if found and not is_recipe(reference) else []
