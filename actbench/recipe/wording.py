"""pydantic's findings in words that a person understands, at the line and key that they concern."""

import re
from collections.abc import Iterator, Set

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from actbench.errors import Problem
from actbench.frozen import Frozen
from actbench.recipe.nodes import Mapping, Node, Sequence, describe, join

_LIMITS = {
    "greater_than": ("gt", "must be above {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be below {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "string_too_long": ("max_length", "must have at most {} characters"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "too_short": ("min_length", "needs at least {} entries"),
    "too_long": ("max_length", "may have at most {} entries"),
}
_PATH = r"[a-z_][a-z0-9_]*(?:\[\d+\])?(?:\.[a-z_][a-z0-9_]*(?:\[\d+\])?)*"
_LEADING_PATH = re.compile(rf"({_PATH}): ")
_LEADING_FIELD = re.compile(r"([a-z_][a-z0-9_]*) ")


def reworded(
    error: ValidationError, node: Mapping, model: type[Frozen], unread: Set[str]
) -> Iterator[Problem]:
    """The problems behind the error, without those of fields whose problem is already told."""
    details = error.errors(include_url=False)
    lists = {detail["loc"][:-1] for detail in details if detail["loc"]}
    for detail in details:
        path = detail["loc"]
        # A list's wrong entries are told themselves; pydantic then counts them as absent as well.
        if (path and path[0] in unread) or (detail["type"] == "too_short" and path in lists):
            continue
        message = message_of(detail)
        if not path:
            message, path = _named_path(message, model)
        yield _at(node, path, message)


def message_of(detail: ErrorDetails) -> str:
    """The finding in a few words, without its place."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _LIMITS:
        name, template = _LIMITS[kind]
        limit = context[name]
        if kind == "too_short" and limit == 1:
            return "may not be empty"
        if kind == "string_too_short" and limit == 1:
            return "may not be empty"
        return template.format(f"{limit:g}" if isinstance(limit, float) else limit)
    if kind == "string_pattern_mismatch":
        return "must start with a letter and hold only letters, digits and the signs _ . -"
    if kind == "value_error":
        return str(context["error"])
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _named_path(message: str, model: type[Frozen]) -> tuple[str, tuple[str | int, ...]]:
    """The keys that a check over several fields begins its message with: `train.lr: ...` or `lr 1 is ...`."""
    leading = _LEADING_PATH.match(message)
    if leading and re.split(r"[.\[]", leading[1])[0] in model.model_fields:
        steps = re.findall(r"[a-z_][a-z0-9_]*|\d+", leading[1])
        return message[leading.end() :], tuple(int(step) if step.isdigit() else step for step in steps)
    field = _LEADING_FIELD.match(message)
    if field and field[1] in model.model_fields:
        return message, (field[1],)
    return message, ()


def _at(node: Node, path: tuple[str | int, ...], message: str) -> Problem:
    """The problem at the node that the path leads to, or at the nearest above it that stands in the file."""
    for index, step in enumerate(path):
        if isinstance(node, Mapping) and step in node.entries:
            node = node.entries[str(step)]
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            missing = "" if not isinstance(node, Mapping) else ".".join(str(s) for s in path[index:])
            return node.problem(message, key=join(node.key, missing) if missing else node.key)
    shows_value = message.startswith("must ")
    return node.problem(f"{message}, got {describe(node)}" if shows_value else message)
