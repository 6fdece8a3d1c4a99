"""`actbench cp`: a recipe copied to a file of one's own, to edit."""

import contextlib
import json
import os
import re
import shlex
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.recipe.convert import shown
from actbench.recipe.document import find_base
from actbench.recipe.edit import replace_scalar, scalar_text
from actbench.recipe.find import SUFFIXES, find_recipe, local_recipes
from actbench.recipe.load import load_profiles
from actbench.recipe.schema import Name


def cp(
    reference: str, destination: str | None = None, *, name: str | None = None, force: bool = False
) -> Outcome:
    """Copies the recipe, comments included, under a new name; refuses to overwrite a file unless forced."""
    source = find_recipe(reference)
    load_profiles(source)  # a broken recipe is better mended where it stands
    target = _target(source, destination, name)
    if target.exists() and not force:
        raise ActbenchError(f"{shown(target)} exists already", hints=["overwrite it with --force"])
    text = replace_scalar(source.read_text(encoding="utf-8-sig"), "name", target.stem)
    text = _with_commands(_with_base(text, source, target), source.stem, target.stem)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ActbenchError(f"cannot write {shown(target)}: {error.strerror}") from error
    reference = target.stem if local_recipes().get(target.stem) == target else str(target)
    return Outcome(
        text=f"copied {source.stem} to {shown(target)}; next: actbench validate {shlex.quote(reference)}",
        document={"source": str(source), "path": str(target), "name": target.stem},
    )


def _target(source: Path, destination: str | None, name: str | None) -> Path:
    """The file to write: a folder takes NAME.yaml, and without any destination ./recipes does."""
    path = Path("recipes" if destination is None else destination)
    if destination is None or path.is_dir() or destination.endswith("/"):
        stem = name or source.stem
        if destination is None and stem == source.stem:
            raise _usage(
                "the copy needs a name of its own", f"actbench cp {stem} --name my_{stem}", key="--name"
            )
        path = path / f"{stem}.yaml"
    elif path.suffix not in SUFFIXES:
        hint = f"actbench cp {source.stem} --name {shlex.quote(path.name)}"
        raise _usage(f"a recipe's file ends in .yaml, which {destination!r} does not", hint)
    else:
        stem = path.stem
        if name not in (None, stem):
            raise _usage(f"the name {name!r} is not the file's, which is {stem!r}", key="--name")
    try:
        TypeAdapter(Name).validate_python(stem)
    except ValidationError as error:
        hint = "a name starts with a letter and holds letters, digits and the signs _ . -"
        raise _usage(f"{stem!r} is no name for a recipe", hint) from error
    return path


def _usage(message: str, *hints: str, key: str | None = None) -> ActbenchError:
    return ActbenchError(message, where="command line", key=key, hints=hints)


def _with_base(text: str, source: Path, target: Path) -> str:
    """The text with a `base` that means the same file from the new place."""
    base = scalar_text(text, "base")
    if base is None:
        return text
    meant = find_base(base, source.parent).resolve()
    # A base that is not to be found from the new place is what the path below is for.
    with contextlib.suppress(ActbenchError):
        if find_base(base, target.parent).resolve() == meant:
            return text
    # A path of letters and slashes alone needs no quotes; json's are YAML's as well.
    return replace_scalar(text, "base", json.dumps(os.path.relpath(meant, target.parent.resolve())))


def _with_commands(text: str, old: str, new: str) -> str:
    """The text with the new name in the commands that comments tell."""
    name = re.compile(rf"(?<![\w./-]){re.escape(old)}(?![\w/-]|\.\w)")
    return "\n".join(
        name.sub(new, line) if line.lstrip().startswith("#") and "actbench " in line else line
        for line in text.split("\n")
    )
