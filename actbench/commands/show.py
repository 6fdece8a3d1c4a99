"""`actbench show`: a recipe as it is written, or every value it resolves to and where each comes from."""

import json
from collections.abc import Iterable

from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.recipe.find import find_recipe
from actbench.recipe.json_schema import recipe_schema
from actbench.recipe.load import LoadedRecipe, load_recipe
from actbench.recipe.origins import flat_values
from actbench.recipe.schema import Profile


def show(
    reference: str | None,
    *,
    profile: Profile | None = None,
    overrides: Iterable[str] = (),
    resolved: bool = False,
    schema: bool = False,
) -> Outcome:
    """The recipe's text; with `resolved` its values under a profile; with `schema` the files' format."""
    if schema:
        document = recipe_schema()
        return Outcome(text=json.dumps(document, indent=2), document=document)
    if reference is None:
        raise ActbenchError("no recipe named", where="command line", hints=["actbench ls recipes"])
    overrides = tuple(overrides)
    if resolved or profile or overrides:
        return _resolved(load_recipe(reference, profile=profile, overrides=overrides))
    path = find_recipe(reference)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ActbenchError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ActbenchError("not UTF-8 text", where=str(path)) from error
    return Outcome(text=text.rstrip("\n"), document={"name": path.stem, "path": str(path), "text": text})


def _resolved(loaded: LoadedRecipe) -> Outcome:
    blocks: list[str] = []
    documents: list[dict[str, object]] = []
    for recipe, origins in zip(loaded.recipes, loaded.origins, strict=True):
        values = flat_values(recipe)
        written = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
        key_width, value_width = max(map(len, written)), max(map(len, written.values()))
        # A long title would push every origin off the screen.
        value_width = min(value_width, 40)
        lines = (
            f"{key:<{key_width}} = {text:<{value_width}}   {origins[key]}" for key, text in written.items()
        )
        blocks.append("\n".join(lines))
        documents.append(
            {
                "recipe": recipe.model_dump(mode="json"),
                "values": [
                    {"key": key, "value": value, "origin": origins[key]} for key, value in values.items()
                ],
            }
        )
    return Outcome(text="\n\n".join(blocks), document=documents)
