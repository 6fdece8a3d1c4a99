"""`train.lr=0.1`, `arms.lslu.options.n=5`: settings of command line and variants as a layer over a recipe."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from actbench.errors import Problem
from actbench.recipe.merge import merge
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Located, Mapping, Node, Scalar, Sequence, parse_tree
from actbench.recipe.schema import Recipe

COMMAND_LINE = "command line"

BODY_KEYS = tuple(key for key in Recipe.model_fields if key not in ("profile", "variant", "limit", "part"))
"""What a recipe's file says of the experiment itself."""

_FORM = re.compile(r"\s*([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*=(.*)", re.DOTALL)
_ELSEWHERE = {
    "name": "a recipe is named by its file; copy it with `actbench cp`",
    "profile": "choose it with --profile",
    "variant": "every variant is trained",
    "limit": "set it with --limit",
    "base": "it belongs into the recipe's file",
    "variants": "they belong into the recipe's file",
    "profiles": "name the setting itself, such as train.epochs=1",
}


class Override(NamedTuple):
    """One setting as it is written, and where."""

    text: str
    place: Located


def is_override(text: str) -> bool:
    """Whether a word of the command line is `key.sub=value` rather than a recipe."""
    return _FORM.fullmatch(text) is not None


def override_layer(overrides: Iterable[Override], arms: tuple[str, ...], problems: list[Problem]) -> Mapping:
    """All the overrides as one tree, the later winning; `arms` are the names that `arms.NAME` may say."""
    layer = Mapping(COMMAND_LINE, None, "", {})
    # Names first, since a new name empties its block: `data.size=16 data.name=synthetic` is meant either way.
    for override in sorted(overrides, key=lambda override: not _sets_name(override.text)):
        node = _parse(override.text, override.place, arms, problems)
        if node is not None:
            layer = merge(layer, node)
    return layer


def option_layer(settings: Iterable[str], problems: list[Problem]) -> Mapping:
    """`n=5`, `sharing=layer`: options of one activation as a tree, the later of two winning."""
    entries: dict[str, Node] = {}
    for text in settings:
        form = _FORM.fullmatch(text)
        place = Located(COMMAND_LINE, None, form[1] if form else text)
        value = _value(form[2].strip(), place, problems) if form else None
        if form and value is not None:
            entries[form[1]] = value
    return Mapping(COMMAND_LINE, None, "", entries)


def _sets_name(text: str) -> bool:
    return text.partition("=")[0].strip().endswith((".name", ".activation", ".fill"))


def _parse(text: str, place: Located, arms: tuple[str, ...], problems: list[Problem]) -> Mapping | None:
    form = _FORM.fullmatch(text)
    if form is None:
        message = f"{text!r} is not of the form key.sub=value"
        problems.append(place.problem(message, "such as train.lr=0.1"))
        return None
    path, written = form[1], form[2].strip()
    place = Located(place.source, place.line, place.key or path)
    steps = path.split(".")
    if steps[0] not in BODY_KEYS or steps[0] == "name":
        hint = _ELSEWHERE.get(steps[0])
        hints = (hint,) if hint else name_hints(steps[0], (key for key in BODY_KEYS if key != "name"))
        what = "cannot be overridden" if hint else "is no key of a recipe"
        problems.append(place.problem(f"{steps[0]!r} {what}", *hints))
        return None
    value = _value(written, place, problems)
    if value is None:
        return None
    if steps == ["arms"] and isinstance(value, Sequence) and not value.items:
        problems.append(place.problem("an empty list takes no arm away", "choose arms with --arm NAME"))
        return None
    if steps[0] == "arms" and len(steps) > 1:
        return _arm_layer(path.removeprefix("arms."), value, arms, place, problems)
    if steps[:2] == ["tune", "space"] and len(steps) > 2:
        steps[2:] = [".".join(steps[2:])]  # a key of the space is one name with dots
    return _nested(steps, value, place)


def _value(written: str, place: Located, problems: list[Problem]) -> Node | None:
    # Only what looks like a list, a mapping or a quoted text is YAML; all else is one plain scalar whole, so
    # that `title=a: b # c` means what it says.
    if written[:1] in ("[", "{", '"', "'"):
        return parse_tree(written, place.source, problems, root=place)
    return Scalar(place.source, place.line, place.key, written, True)


def _nested(steps: list[str], value: Node, place: Located) -> Mapping:
    for step in reversed(steps[1:]):
        value = Mapping(place.source, place.line, place.key, {step: value})
    return Mapping(place.source, place.line, "", {steps[0]: value})


def _arm_layer(
    rest: str, value: Node, arms: tuple[str, ...], place: Located, problems: list[Problem]
) -> Mapping | None:
    # An arm's name may itself hold dots, so the longest one that fits is meant.
    name = max((arm for arm in arms if rest == arm or rest.startswith(f"{arm}.")), key=len, default=None)
    if name is None:
        unknown = rest.split(".")[0]
        problems.append(place.problem(f"unknown arm {unknown!r}", *name_hints(unknown, arms)))
        return None
    steps = rest[len(name) + 1 :].split(".") if rest != name else []
    if not steps or steps == ["name"]:
        message = "say which setting of the arm" if not steps else "an arm's name cannot be overridden"
        problems.append(place.problem(message, f"such as arms.{name}.activation=gelu"))
        return None
    arm = _nested(steps, value, place)
    label = Scalar(place.source, place.line, place.key, name, False)
    arm = Mapping(place.source, place.line, place.key, {"name": label, **arm.entries})
    arms_node = Sequence(place.source, place.line, "arms", (arm,))
    return Mapping(place.source, place.line, "", {"arms": arms_node})
