"""YAML text as a light tree in which every value still knows its file, line and key path.

Nothing is constructed: a scalar keeps its text, and `convert.py` reads it by the type that its field has,
which heals YAML's traps (`no` as false, `1e-3` as text). The tree is built from parser events, so that depth,
aliases and tags are judged before anything is expanded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from actbench.errors import Problem

# libyaml is several times faster; both give the same events and marks.
EVENT_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 24
MAX_NODES = 50_000
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Located:
    """Something that stands in a file, or on the command line."""

    source: str
    """File as it is shown, or "command line"."""
    line: int | None
    """Line of the value's key or list item, from 1; None on the command line."""
    key: str
    """Key path inside the source."""

    @property
    def where(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def problem(self, message: str, *hints: str, key: str | None = None) -> Problem:
        return Problem(message=message, where=self.where, key=key or self.key or None, hints=hints)


@dataclass(frozen=True, slots=True)
class Scalar(Located):
    """A single value, as it is written."""

    text: str
    plain: bool
    """Written without quotes."""

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Sequence(Located):
    """A list."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Mapping(Located):
    """Values by key."""

    entries: dict[str, "Node"]

    def with_entries(self, entries: dict[str, "Node"]) -> "Mapping":
        return Mapping(self.source, self.line, self.key, entries)

    def text(self, key: str) -> str | None:
        """Text of the scalar under that key; None where there is none."""
        node = self.entries.get(key)
        return node.text if isinstance(node, Scalar) and not node.is_null else None


Node = Scalar | Sequence | Mapping


def join(path: str, key: str) -> str:
    """The key path one step further down."""
    return f"{path}.{key}" if path else key


def describe(node: Node) -> str:
    """What stands there, in a word or two."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.is_null:
        return "nothing" if node.text == "" else node.text
    text = node.text if len(node.text) <= 40 else node.text[:37] + "..."
    return repr(text) if not node.plain or not text.isprintable() else text


def read_tree(path: Path, source: str, problems: list[Problem]) -> Node | None:
    """The tree of a file; None, with the reason among `problems`, where there is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(Problem(message=f"cannot be read: {error.strerror}", where=source))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(message="not UTF-8 text", where=f"{source}:{line}"))
        return None
    return parse_tree(text, source, problems)


def parse_tree(
    text: str, source: str, problems: list[Problem], *, root: Located | None = None
) -> Node | None:
    """The tree of a YAML text; with `root`, every node stands at that place (an override's value)."""
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        where = root.where if root else f"{source}:{line}"
        problems.append(
            Problem(message=f"control character U+{ord(control[0]):04X} in the text", where=where)
        )
        return None
    composer = _Composer(text, source, problems, root)
    try:
        return composer.document()
    except _RefusedError as refusal:
        problems.append(refusal.problem)
    except yaml.YAMLError as error:
        problems.append(_syntax_problem(error, text, composer))
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF" in the pure Python scanner
        problems.append(
            Problem(message=f"not valid YAML: {error}", where=composer.place(composer.line).where)
        )
    return None


class _RefusedError(Exception):
    """Stops the reading of a text whose rest could not be trusted."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Composer:
    """Builds the tree from events; one instance per text."""

    def __init__(self, text: str, source: str, problems: list[Problem], root: Located | None) -> None:
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=EVENT_LOADER)
        self.source, self.problems, self.root = source, problems, root
        self.anchors: dict[str, tuple[Node, int] | None] = {}
        self.count = 0
        self.line = 1

    def place(self, line: int, key: str = "") -> Located:
        return self.root or Located(self.source, line, key)

    def document(self) -> Node | None:
        node: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    place = self.place(_line(event))
                    raise _RefusedError(place.problem("a second YAML document starts here; one is allowed"))
            elif isinstance(event, yaml.NodeEvent):
                node = self.node(event, "", _line(event), 0)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            raise _RefusedError(self.place(1).problem("the file is empty"))
        return node

    def node(self, event: yaml.Event, key: str, line: int, depth: int) -> Node:
        self.line = line
        place = self.place(line, key)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, place)
        if depth > MAX_DEPTH:
            raise _RefusedError(place.problem(f"nested deeper than {MAX_DEPTH} levels", key=key[:60]))
        if getattr(event, "tag", None) is not None:
            self.problems.append(place.problem(f"YAML tags are not allowed here: {event.tag}"))  # type: ignore[attr-defined]
        before = self.count
        self.grow(1, place)
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            self.anchors[anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(place.source, place.line, place.key, event.value, not event.style)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Sequence(place.source, place.line, place.key, self.items(key, depth))
        else:
            node = Mapping(place.source, place.line, place.key, self.entries(key, depth))
        if anchor is not None:
            self.anchors[anchor] = (node, self.count - before)
        return node

    def items(self, key: str, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event, f"{key}[{len(items)}]", _line(event), depth + 1))
        return tuple(items)

    def entries(self, path: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = _line(event)
            name = self.node(event, path, line, depth + 1)
            key = join(path, name.text) if isinstance(name, Scalar) else path
            value = self.node(next(self.events), key, line, depth + 1)
            if not isinstance(name, Scalar):
                self.problems.append(
                    self.place(line, path).problem(f"a key must be text, not {describe(name)}")
                )
            elif name.text in entries:
                first = entries[name.text].line
                message = f"duplicate key {name.text!r}" + (f", first on line {first}" if first else "")
                self.problems.append(self.place(line, key).problem(message))
            else:
                entries[name.text] = value
        return entries

    def alias(self, event: yaml.AliasEvent, place: Located) -> Node:
        name = str(event.anchor)
        if name not in self.anchors:
            raise _RefusedError(place.problem(f"alias *{name} without an anchor"))
        target = self.anchors[name]
        if target is None:
            raise _RefusedError(place.problem(f"alias *{name} contains itself"))
        self.grow(target[1], place)
        return target[0]

    def grow(self, nodes: int, place: Located) -> None:
        # Aliases count at their full size: a few lines of them can stand for billions of values.
        self.count += nodes
        if self.count > MAX_NODES:
            raise _RefusedError(place.problem(f"more than {MAX_NODES} values, aliases counted out"))


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _syntax_problem(error: yaml.YAMLError, text: str, composer: _Composer) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    # libyaml sets the mark of an unfinished text behind its end.
    last = max(len(text.splitlines()), 1)
    line = min(mark.line + 1, last) if mark else composer.line
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    context = getattr(error, "context", None)
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    hints = ("indent by spaces: a tab stands on this line",) if "\t" in written else ()
    message = f"not valid YAML: {what}" + (f" ({context})" if context else "")
    return Problem(
        message=message, where=composer.place(line).where, key=composer.place(line).key or None, hints=hints
    )
