"""A scalar's text read by the type that its field declares.

YAML's own guesses are not asked: `no` is text where text is wanted, `1e-3` a number where a number is wanted,
and `2409.10` stays an arXiv id. Each reader returns the value, or BAD after it has named the problem.
"""

import math
import re
from typing import Any, Final

from actbench.errors import Problem
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Mapping, Node, Scalar, Sequence, describe

BAD: Final = object()
"""Stands for a value that could not be read and whose problem is already told."""

_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*(_[0-9]+)*)")
_NUMBER = re.compile(r"[+-]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?\.?(nan|inf|infinity)", re.IGNORECASE)
_RANGE = re.compile(r"\s*([0-9]{1,10})\s*\.\.\s*([0-9]{1,10})\s*")
_MAX_DIGITS = 40
MAX_SEEDS = 10_000


def wrong_kind(node: Node, wanted: str, problems: list[Problem], *hints: str) -> Any:
    problems.append(node.problem(f"expected {wanted}, got {describe(node)}", *hints))
    return BAD


def read_integer(node: Node, problems: list[Problem]) -> Any:
    if not isinstance(node, Scalar) or node.is_null:
        return wrong_kind(node, "an integer", problems)
    if not node.plain:
        return wrong_kind(node, "an integer", problems, "write the number without quotes")
    if _INTEGER.fullmatch(node.text) and len(node.text) <= _MAX_DIGITS:
        return int(node.text)
    return wrong_kind(node, "an integer", problems)


def read_number(node: Node, problems: list[Problem]) -> Any:
    if not isinstance(node, Scalar) or node.is_null:
        return wrong_kind(node, "a number", problems)
    if not node.plain:
        return wrong_kind(node, "a number", problems, "write the number without quotes")
    if _NUMBER.fullmatch(node.text) and len(node.text) <= _MAX_DIGITS:
        value = float(node.text)
        if math.isfinite(value):
            return value
    elif not _NOT_FINITE.fullmatch(node.text):
        return wrong_kind(node, "a number", problems)
    return wrong_kind(node, "a finite number", problems)


def read_boolean(node: Node, problems: list[Problem]) -> Any:
    if isinstance(node, Scalar) and node.plain and node.text in ("true", "True", "TRUE"):
        return True
    if isinstance(node, Scalar) and node.plain and node.text in ("false", "False", "FALSE"):
        return False
    return wrong_kind(node, "true or false", problems)


def read_text(node: Node, problems: list[Problem]) -> Any:
    if not isinstance(node, Scalar):
        return wrong_kind(node, "text", problems)
    if node.is_null:
        return wrong_kind(node, "text", problems, "quotes make it text, empty quotes an empty one")
    return node.text


def read_choice(node: Node, choices: tuple[object, ...], problems: list[Problem]) -> Any:
    """One of the values of a Literal, whose types say how the text is read."""
    if isinstance(node, Scalar) and not node.is_null:
        for choice in choices:
            # Compared as text, so that 18 and "18" differ only by quotes; True is told as YAML writes it.
            spelled = str(choice).lower() if isinstance(choice, bool) else str(choice)
            if node.text == spelled and (node.plain or isinstance(choice, str)):
                return choice
        if all(isinstance(choice, str) for choice in choices):
            hints = name_hints(node.text, map(str, choices))
            problems.append(node.problem(f"unknown value {describe(node)}", *hints))
            return BAD
    wanted = ", ".join(str(choice) for choice in choices)
    return wrong_kind(node, f"one of {wanted}" if len(choices) > 1 else wanted, problems)


def read_by_looks(node: Node, problems: list[Problem]) -> Any:
    """A value whose type nobody declares: null, a boolean, an integer, a number, text, or a list of these."""
    if isinstance(node, Sequence):
        values = tuple(read_by_looks(item, problems) for item in node.items)
        return BAD if any(value is BAD for value in values) else values
    if isinstance(node, Mapping):
        return wrong_kind(node, "a value or a list", problems)
    if node.is_null:
        return None
    for reader in (read_boolean, read_integer, read_number):
        value = reader(node, [])
        if value is not BAD:
            return value
    return node.text


def read_seeds(node: Node, problems: list[Problem]) -> Any:
    """`0..4` with both ends, `0,1,2`, one integer, or a list of integers."""
    if isinstance(node, Sequence):
        values = tuple(read_integer(item, problems) for item in node.items)
        return BAD if BAD in values else values
    if isinstance(node, Mapping) or node.is_null:
        return wrong_kind(node, "seeds", problems, "write 0..4, 0,1,2 or [0, 1, 2]")
    span = _RANGE.fullmatch(node.text)
    if span:
        first, last = int(span[1]), int(span[2])
        if last < first:
            problems.append(
                node.problem(f"seeds {node.text} run backwards", f"did you mean {last}..{first}?")
            )
            return BAD
        if last - first >= MAX_SEEDS:
            problems.append(node.problem(f"seeds {node.text} are more than {MAX_SEEDS}"))
            return BAD
        return tuple(range(first, last + 1))
    parts = [part.strip() for part in node.text.split(",")]
    if all(_INTEGER.fullmatch(part) and len(part) <= _MAX_DIGITS for part in parts):
        return tuple(int(part) for part in parts)
    return wrong_kind(node, "seeds", problems, "write 0..4, 0,1,2 or [0, 1, 2]")
