"""The tree of a YAML text: places, texts and what stops the reading."""

import pytest
import yaml

from actbench.errors import Problem
from actbench.recipe import nodes
from actbench.recipe.nodes import Located, Mapping, Scalar, Sequence, describe, parse_tree


@pytest.fixture(params=["libyaml", "pure Python"], autouse=True)
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure Python":
        monkeypatch.setattr(nodes, "EVENT_LOADER", yaml.SafeLoader)


def tree(text: str) -> Mapping:
    problems: list[Problem] = []
    node = parse_tree(text, "f.yaml", problems)
    assert problems == []
    assert isinstance(node, Mapping)
    return node


def problems_of(text: str) -> list[str]:
    problems: list[Problem] = []
    parse_tree(text, "f.yaml", problems)
    return [str(problem) for problem in problems]


def test_every_node_knows_its_line_and_key_path() -> None:
    root = tree("a: 1\nb:\n  - x\n  - c:\n      2\nd: {e: [3,\n  4]}\n")
    a, b, d = root.entries["a"], root.entries["b"], root.entries["d"]
    assert a == Scalar("f.yaml", 1, "a", "1", True)
    assert isinstance(b, Sequence)
    assert (b.where, b.key) == ("f.yaml:2", "b")
    second = b.items[1]
    assert isinstance(second, Mapping)
    # The line of a value is its key's, even where the value stands below.
    assert (second.entries["c"].where, second.entries["c"].key) == ("f.yaml:4", "b[1].c")
    assert isinstance(d, Mapping)
    e = d.entries["e"]
    assert isinstance(e, Sequence)
    assert [(item.line, item.key) for item in e.items] == [(6, "d.e[0]"), (7, "d.e[1]")]


def test_quotes_are_told_from_plain_text() -> None:
    root = tree("a: no\nb: 'no'\nc: null\nd: 'null'\ne:\nf: |\n  two\n  lines\n")
    plain = {key: node.plain for key, node in root.entries.items() if isinstance(node, Scalar)}
    assert plain == {"a": True, "b": False, "c": True, "d": False, "e": True, "f": False}
    null = {key: node.is_null for key, node in root.entries.items() if isinstance(node, Scalar)}
    assert null == {"a": False, "b": False, "c": True, "d": False, "e": True, "f": False}
    assert (root.text("a"), root.text("c"), root.text("f"), root.text("g")) == (
        "no",
        None,
        "two\nlines\n",
        None,
    )


def test_aliases_stand_for_their_anchor() -> None:
    root = tree("a: &x {b: 1}\nc: *x\n")
    assert root.entries["c"] is root.entries["a"]


def test_several_duplicates_are_told_at_once_and_the_first_counts() -> None:
    problems: list[Problem] = []
    root = parse_tree("a: 1\na: 2\nb: 1\nb: 2\n", "f.yaml", problems)
    assert [str(problem) for problem in problems] == [
        "f.yaml:2: duplicate key 'a', first on line 1 (a)",
        "f.yaml:4: duplicate key 'b', first on line 3 (b)",
    ]
    assert isinstance(root, Mapping)
    assert root.text("a") == "1"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("~\n", "f.yaml:1: the file is empty"),
        ("a: 1\n--- \nb: 1\n", "f.yaml:2: a second YAML document starts here"),
        ("a: &x\n  - *x\n", "f.yaml:2: alias *x contains itself (a[0])"),
        ("a: *x\n", "f.yaml:1: "),
        ("a: !!python/object:os.system x\n", "f.yaml:1: YAML tags are not allowed here"),
        ("a: {b\n", "f.yaml:1: not valid YAML"),
        ("a: 'b\n\nc: d", "f.yaml:3: not valid YAML"),
        ("a:\n\t- b\n", "f.yaml:2: not valid YAML"),
        ("a: b: c\n", "f.yaml:1: not valid YAML: mapping values are not allowed"),
        ('a: "\\UFFFFFFFF"\n', "f.yaml:1: not valid YAML"),
        ("a: b\x07\n", "f.yaml:1: control character U+0007"),
        ("\n\n%YAML 3.0\n---\na: 1\n", "f.yaml:3: not valid YAML"),
        ("? {a: b}\n: c\n", "f.yaml:1: a key must be text, not a mapping"),
        ("[" * 5000, "f.yaml:1: nested deeper than 24 levels"),
        (
            "a:\n" + "".join("  " * n + "- \n" for n in range(1, 60)),
            "f.yaml:26: nested deeper than 24 levels",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, start: str) -> None:
    (told,) = problems_of(text)
    assert told.startswith(start)


def test_tab_gets_a_hint() -> None:
    assert "indent by spaces: a tab stands on this line" in problems_of("a:\n\tb: 1\n")[0]


def test_value_of_an_override_stands_at_the_place_of_the_override() -> None:
    problems: list[Problem] = []
    node = parse_tree("[1, {a: 2}]", "", problems, root=Located("command line", None, "train.x"))
    assert isinstance(node, Sequence)
    assert {(item.where, item.key) for item in (node, *node.items)} == {("command line", "train.x")}


def test_description_is_short_and_printable() -> None:
    root = tree("a: [1]\nb: {}\nc: ''\nd: ~\ne:\nf: " + "x" * 100 + "\n")
    assert [describe(node) for node in root.entries.values()] == [
        "a list", "a mapping", "''", "~", "nothing", "x" * 37 + "...",
    ]  # fmt: skip
