"""The only way from a recipe's file, bases, profile, variants and overrides to frozen `Recipe`s.

Layers are merged as trees (base < recipe < profile < variant < command line), so that every value keeps its
file and line; `convert.py` then types the result once. All three profiles are checked whichever is asked for, but for
reading what one of them left.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from actbench.errors import ActbenchError, Problem, RecipeError
from actbench.recipe.activation_names import Remembered, check_activations, with_remembered
from actbench.recipe.convert import convert, shown
from actbench.recipe.document import Document, VariantAt, read_document
from actbench.recipe.find import find_recipe
from actbench.recipe.merge import arm_names, merge
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Located, Mapping, Scalar, Sequence
from actbench.recipe.origins import origins_of
from actbench.recipe.overrides import COMMAND_LINE, Override, override_layer
from actbench.recipe.references import check_references
from actbench.recipe.schema import PROFILES, Profile, Recipe
from actbench.recipe.tuned_keys import check_space


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecipe:
    """A recipe under one profile, ready to be planned."""

    path: Path
    profile: Profile
    recipes: tuple[Recipe, ...]
    """One for each variant in the file's order; without variants a single one."""
    read_origins: Callable[[], tuple[dict[str, str], ...]] = field(repr=False, compare=False)

    @property
    def origins(self) -> tuple[dict[str, str], ...]:
        """For each of `recipes`: key path (`arms.lslu.options.n`) -> where its value comes from."""
        return self.read_origins()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line asks of one profile."""

    overrides: tuple[str, ...] = ()
    limit: int | None = None
    seeds: str | None = None


def load_recipe(
    reference: str | Path,
    *,
    profile: Profile | None = None,
    overrides: Iterable[str] = (),
    limit: int | None = None,
    seeds: str | None = None,
    arms: Iterable[str] = (),
    remembered: Remembered | None = None,
    whole: bool = True,
) -> LoadedRecipe:
    """The recipe under a profile (lite unless told), checked whole; RecipeError with all that is wrong.

    With `remembered` nothing is imported for it: of plug-ins that are not loaded, that is what is known. Unless
    `whole`, mistakes that other profiles alone have are passed over, in a third of the time.
    """
    chosen = profile or "lite"
    if chosen not in PROFILES:
        message = f"unknown profile {chosen!r}"
        raise ActbenchError(message, where=COMMAND_LINE, hints=name_hints(chosen, PROFILES))
    asked = _Asked(overrides=tuple(overrides), limit=limit, seeds=seeds)
    loaded = _load(
        find_recipe(reference),
        {chosen: asked},
        remembered,
        is_chosen=profile is not None,
        profiles=PROFILES if whole else (chosen,),
    )
    known = _arms_of(loaded[chosen])
    problems = [
        Problem(
            message=f"unknown arm {name!r}",
            where=COMMAND_LINE,
            key="--arm",
            hints=arm_hints(name, known, loaded),
        )
        for name in arms
        if name not in known
    ]
    if problems:
        raise RecipeError(problems)
    return loaded[chosen]


def arm_hints(name: str, known: Iterable[str], loaded: dict[Profile, LoadedRecipe]) -> tuple[str, ...]:
    """Hints for an arm that is not among the known ones; it may be there under another profile."""
    others = [profile for profile, recipe in loaded.items() if name in _arms_of(recipe)]
    elsewhere = [f"profile {profile} has it: --profile {profile}" for profile in others]
    return (*name_hints(name, known), *elsewhere)


def load_profiles(
    reference: str | Path, *, remembered: Remembered | None = None
) -> dict[Profile, LoadedRecipe]:
    """The recipe under each of its profiles, as the file says it; `remembered` as in `load_recipe`."""
    return _load(find_recipe(reference), {}, remembered, is_chosen=True)


def _arms_of(loaded: LoadedRecipe) -> tuple[str, ...]:
    return tuple(dict.fromkeys(arm.name for recipe in loaded.recipes for arm in recipe.arms))


def _load(
    path: Path,
    asked: dict[Profile, _Asked],
    remembered: Remembered | None,
    *,
    is_chosen: bool,
    profiles: tuple[Profile, ...] = PROFILES,
) -> dict[Profile, LoadedRecipe]:
    problems: list[Problem] = []
    document = read_document(path, problems)
    if document is None:
        raise RecipeError(problems)
    found: dict[Problem, list[Profile]] = {}
    loaded: dict[Profile, LoadedRecipe] = {}
    for profile in profiles:
        own: list[Problem] = []
        resolved = _resolve(document, profile, asked.get(profile, _Asked()), remembered, own)
        for problem in dict.fromkeys(own):
            found.setdefault(problem, []).append(profile)
        if resolved is not None:
            origin_of = _origin_namer(document, profile, is_chosen=is_chosen)
            loaded[profile] = LoadedRecipe(
                path=path,
                profile=profile,
                recipes=tuple(recipe for recipe, _ in resolved),
                read_origins=partial(_origins, resolved, origin_of),
            )
    if found and profiles != PROFILES:
        return _load(path, asked, remembered, is_chosen=is_chosen)  # to say which profiles have each mistake
    problems += [_with_profiles(problem, under) for problem, under in found.items()]
    if problems:
        raise RecipeError(_in_order(problems, shown(path)))
    return loaded


def _origins(
    resolved: list[tuple[Recipe, Mapping]], origin_of: Callable[[Located], str]
) -> tuple[dict[str, str], ...]:
    return tuple(origins_of(recipe, tree, origin_of) for recipe, tree in resolved)


def _in_order(problems: list[Problem], own: str) -> list[Problem]:
    """Each problem once: the recipe's own by line, then those of other files and of the command line."""

    def place(problem: Problem) -> tuple[int, str, int]:
        source, _, line = (problem.where or "").rpartition(":")
        number = int(line) if source and line.isdigit() else 0
        return (2 if problem.where == COMMAND_LINE else int(source != own), source, number)

    return sorted(dict.fromkeys(problems), key=place)


def _with_profiles(problem: Problem, profiles: list[Profile]) -> Problem:
    """Says under which profiles a mistake shows that only their combination with the rest makes one."""
    is_plain = len(profiles) == len(PROFILES) or problem.where == COMMAND_LINE
    if is_plain or (problem.key or "").startswith("profiles."):
        return problem
    hint = f"under the profile{'s' if len(profiles) > 1 else ''} {' and '.join(profiles)}"
    return Problem(
        message=problem.message, where=problem.where, key=problem.key, hints=(*problem.hints, hint)
    )


def _resolve(
    document: Document,
    profile: Profile,
    asked: _Asked,
    remembered: Remembered | None,
    problems: list[Problem],
) -> list[tuple[Recipe, Mapping]] | None:
    """One recipe and its tree for each variant under the profile; None where something is wrong."""
    body, variants = document.under(profile, problems)
    place = document.body
    label = Scalar(place.source, place.line, "profile", profile, False)
    body = body.with_entries({**body.entries, "profile": label})
    resolved: list[tuple[Recipe, Mapping]] = []
    for variant in variants or (None,):
        tree = body if variant is None else _with_variant(body, variant, problems)
        tree = merge(tree, _asked_layer(asked, arm_names(body), problems))
        check_activations(tree, problems, remembered)
        recipe = convert(tree, Recipe, problems)
        if recipe is not None and remembered and not problems:
            recipe = with_remembered(recipe, remembered)
        if recipe is not None:
            check_references(recipe, tree, problems)
            check_space(recipe, tree, problems)
            resolved.append((recipe, tree))
    return None if problems else resolved


def _with_variant(body: Mapping, variant: VariantAt, problems: list[Problem]) -> Mapping:
    name, settings = variant.node.entries["name"], variant.node.entries["set"]
    assert isinstance(settings, Sequence)
    overrides = [Override(text, at) for text, at in zip(variant.variant.set, settings.items, strict=True)]
    labelled = body.with_entries({**body.entries, "variant": name})
    return merge(labelled, override_layer(overrides, arm_names(body), problems))


def _asked_layer(asked: _Asked, arms: tuple[str, ...], problems: list[Problem]) -> Mapping:
    anywhere = Located(COMMAND_LINE, None, "")
    layer = override_layer([Override(text, anywhere) for text in asked.overrides], arms, problems)
    if asked.seeds is not None and "seeds" in layer.entries:
        problems.append(layer.entries["seeds"].problem("seeds are given twice", "leave out this or --seeds"))
    given = {"limit": asked.limit, "seeds": asked.seeds}
    fixed = {
        key: Scalar(COMMAND_LINE, None, f"--{key}", str(value), True)
        for key, value in given.items()
        if value is not None
    }
    return layer.with_entries({**layer.entries, **fixed})


def _origin_namer(document: Document, profile: Profile, *, is_chosen: bool) -> Callable[[Located], str]:
    own = document.body.source

    def origin(node: Located) -> str:
        if node.key == "profile":
            return COMMAND_LINE if is_chosen else "default"
        if "variants[" in node.key:
            return f"variant ({node.where})"
        if node.key.startswith("profiles."):
            return f"profile {profile} ({node.where})"
        if node.source not in (own, COMMAND_LINE):
            return f"base {node.where}"
        return node.where

    return origin
