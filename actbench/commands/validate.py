"""`actbench validate`: whether recipes are free of mistakes, under all their profiles."""

from collections.abc import Iterable

from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError, Problem, RecipeError
from actbench.recipe.load import LoadedRecipe, load_recipe
from actbench.recipe.schema import PROFILES, Profile


def validate(
    references: Iterable[str], *, profile: Profile | None = None, overrides: Iterable[str] = ()
) -> Outcome:
    """One line for each recipe; RecipeError with the mistakes of all of them together."""
    lines: list[str] = []
    documents: list[dict[str, object]] = []
    problems: list[Problem] = []
    overrides = tuple(overrides)
    for reference in references:
        try:
            loaded = load_recipe(reference, profile=profile, overrides=overrides)
        except ActbenchError as error:
            problems.extend(error.problems)
            continue
        arms = [arm.name for arm in loaded.recipes[0].arms]
        lines.append(f"{loaded.path.stem}: valid ({', '.join(_counts(loaded, len(arms)))})")
        documents.append(
            {
                "name": loaded.path.stem,
                "path": str(loaded.path),
                "valid": True,
                "profiles": list(PROFILES),
                "variants": [recipe.variant for recipe in loaded.recipes if recipe.variant],
                "arms": arms,
            }
        )
    if problems:
        raise RecipeError(list(dict.fromkeys(problems)))
    return Outcome(text="\n".join(lines), document=documents)


def _counts(loaded: LoadedRecipe, arms: int) -> list[str]:
    counts = [(len(PROFILES), "profile")]
    if loaded.recipes[0].variant is not None:
        counts.append((len(loaded.recipes), "variant"))
    counts.append((arms, "arm"))
    return [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts]
