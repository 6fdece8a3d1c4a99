"""A recipe's file with its bases merged into it: body, profiles and variants, still as trees."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from actbench.errors import ActbenchError, Problem
from actbench.recipe.convert import convert, shown
from actbench.recipe.find import SUFFIXES, find_recipe
from actbench.recipe.merge import arm_names, merge, without_arms, without_repeated_arms
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Mapping, Node, Scalar, Sequence, join, read_tree
from actbench.recipe.overrides import BODY_KEYS
from actbench.recipe.schema import PROFILES, Profile, Variant

_FILE_KEYS = (*BODY_KEYS, "base", "variants", "profiles")
_PROFILE_KEYS = (*(key for key in BODY_KEYS if key != "name"), "variants", "drop_arms")


class VariantAt(NamedTuple):
    """A variant and where it stands."""

    variant: Variant
    node: Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A recipe's file with its bases merged, not yet under any profile."""

    body: Mapping
    """What holds under every profile."""
    profiles: dict[str, Mapping]

    def under(self, profile: Profile, problems: list[Problem]) -> tuple[Mapping, tuple[VariantAt, ...]]:
        """The body with the profile laid over it, and the variants that it then has."""
        block = self.profiles.get(profile)
        merged = self.body if block is None else merge(self.body, block)
        entries = dict(merged.entries)
        drop_arms, variants = entries.pop("drop_arms", None), entries.pop("variants", None)
        merged = merged.with_entries(entries)
        # Dropped last: a recipe may drop an arm that the same profile of its base adds.
        tree = without_arms(merged, _dropped_arms(drop_arms, arm_names(merged), problems))
        return tree, _variants(variants, problems)


def read_document(path: Path, problems: list[Problem]) -> Document | None:
    """The file and its bases as one; None where there is nothing to go on with."""
    root = _read_chain(path, problems, ())
    if root is None:
        return None
    entries = dict(root.entries)
    profiles = _profiles(root, entries.pop("profiles", None), problems)
    return Document(body=root.with_entries(entries), profiles=profiles)


def find_base(reference: str, folder: Path) -> Path:
    """The file that `base: REFERENCE` means in a recipe of that folder."""
    as_path = "/" in reference or reference.endswith(SUFFIXES)
    beside = folder / (reference if as_path else f"{reference}.yaml")
    if beside.is_file():
        return beside
    if as_path:
        raise ActbenchError(f"there is no file {shown(beside)}")
    return find_recipe(reference)


def _read_chain(path: Path, problems: list[Problem], above: tuple[Path, ...]) -> Mapping | None:
    """The file merged over its base, the base over its own, and so on."""
    own = _read_one(path, problems)
    if own is None:
        return None
    entries = dict(own.entries)
    base = entries.pop("base", None)
    own = own.with_entries(entries)
    if base is None:
        return own
    lower = _read_base(base, path, problems, (*above, path.resolve()))
    # Without its base nearly every key would seem to be missing.
    return None if lower is None else merge(lower, own)


def _read_base(base: Node, path: Path, problems: list[Problem], above: tuple[Path, ...]) -> Mapping | None:
    if not isinstance(base, Scalar) or base.is_null:
        problems.append(base.problem("expected the name or path of a recipe"))
        return None
    try:
        found = find_base(base.text, path.parent)
    except (ActbenchError, OSError, ValueError) as error:
        hints = error.problems[0].hints if isinstance(error, ActbenchError) else ()
        problems.append(base.problem(f"cannot find the base: {str(error).splitlines()[0]}", *hints))
        return None
    if found.resolve() in above:
        chain = " -> ".join(step.stem for step in (*above, found))
        problems.append(base.problem(f"the bases run in a circle: {chain}"))
        return None
    return _read_chain(found, problems, above)


def _read_one(path: Path, problems: list[Problem]) -> Mapping | None:
    """One file's tree with known keys only, and with a name that is the file's."""
    node = read_tree(path, shown(path), problems)
    if node is None:
        return None
    if not isinstance(node, Mapping):
        kind = "a list" if isinstance(node, Sequence) else "a single value"
        problems.append(node.problem(f"a recipe is a mapping of keys to values; this file holds {kind}"))
        return None
    root = without_repeated_arms(_known_only(node, _FILE_KEYS, problems), problems)
    name = root.entries.get("name")
    if name is None:
        problems.append(root.problem("missing key 'name'", f"write name: {path.stem}", key="name"))
    elif isinstance(name, Scalar) and name.text != path.stem:
        message = f"the name {name.text!r} is not the file's, which is {path.stem!r}"
        problems.append(name.problem(message))
    return root.with_entries(
        {
            **root.entries,
            "name": Scalar(root.source, name.line if name else root.line, "name", path.stem, False),
        }
    )


def _known_only(block: Mapping, known: Iterable[str], problems: list[Problem]) -> Mapping:
    names = tuple(known)
    for key, node in block.entries.items():
        if key not in names:
            problems.append(node.problem(f"unknown key {key!r}", *name_hints(key, names)))
    return block.with_entries({key: node for key, node in block.entries.items() if key in names})


def _profiles(root: Mapping, node: Node | None, problems: list[Problem]) -> dict[str, Mapping]:
    if not isinstance(node, Mapping):
        if node is None:
            message = f"missing key 'profiles' with {', '.join(PROFILES)}"
            problems.append(root.problem(message, key="profiles"))
        else:
            problems.append(node.problem("expected a mapping of the three profiles"))
        return {}
    profiles: dict[str, Mapping] = {}
    for name, block in _known_only(node, PROFILES, problems).entries.items():
        if isinstance(block, Mapping):
            known = _known_only(block, _PROFILE_KEYS, problems)
            profiles[name] = without_repeated_arms(known, problems)
        elif not (isinstance(block, Scalar) and block.is_null):
            problems.append(block.problem("expected a mapping of settings"))
    for name in PROFILES:
        if name not in node.entries:
            hint = f"write {name}: {{}} where it changes nothing"
            problems.append(node.problem(f"missing profile {name!r}", hint, key=join(node.key, name)))
    return profiles


def _variants(node: Node | None, problems: list[Problem]) -> tuple[VariantAt, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        problems.append(node.problem("expected a list of variants, each with name and set"))
        return ()
    variants: dict[str, VariantAt] = {}
    for item in node.items:
        variant = convert(item, Variant, problems)
        if variant is None or not isinstance(item, Mapping):
            continue
        if variant.name in variants:
            problems.append(item.problem(f"the variant {variant.name!r} stands here more than once"))
        else:
            variants[variant.name] = VariantAt(variant, item)
    return tuple(variants.values())


def _dropped_arms(node: Node | None, known: tuple[str, ...], problems: list[Problem]) -> frozenset[str]:
    if node is None:
        return frozenset()
    if not isinstance(node, Sequence) or not all(isinstance(item, Scalar) for item in node.items):
        problems.append(node.problem("expected a list of the names of arms"))
        return frozenset()
    names = [item for item in node.items if isinstance(item, Scalar)]
    for name in names:
        if name.text not in known:
            problems.append(name.problem(f"unknown arm {name.text!r}", *name_hints(name.text, known)))
    return frozenset(name.text for name in names)
