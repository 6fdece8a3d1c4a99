"""Trees into typed objects of other models than a recipe: every declared type, every mistake at once."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, model_validator

from actbench.errors import Problem, RecipeError
from actbench.frozen import Frozen
from actbench.recipe.convert import convert, read_typed
from actbench.recipe.nodes import parse_tree


class Inner(Frozen):
    low: float = 0.0
    high: float = Field(1.0, le=10)

    @model_validator(mode="after")
    def _ordered(self) -> "Inner":
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        return self


class Outer(Frozen):
    text: str
    maybe: str | None = None
    number: float | None = None
    count: int = 0
    on: bool = False
    kind: Literal["a", "b"] = "a"
    power: Literal[1, 2, 4] = 1
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    names: list[str] = Field(default_factory=list)
    either: Literal["all"] | tuple[str, ...] = "all"
    mixed: int | str = 0


def converted(text: str) -> tuple[Outer | None, list[str]]:
    problems: list[Problem] = []
    node = parse_tree(text, "f.yaml", problems)
    assert node is not None
    value = convert(node, Outer, problems)
    return value, [str(problem).split("\n")[0] for problem in problems]


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("maybe: 2409.10", "maybe", "2409.10"),
        ("maybe: ~", "maybe", None),
        ("maybe: '~'", "maybe", "~"),
        ("maybe: on", "maybe", "on"),
        ("maybe: 2001-01-01", "maybe", "2001-01-01"),
        ("number: 1e-3", "number", 0.001),
        ("number: +.5E2", "number", 50.0),
        ("number: 3", "number", 3.0),
        ("number: 1_000", "number", 1000.0),
        ("number: null", "number", None),
        ("count: -7", "count", -7),
        ("count: 10_000", "count", 10_000),
        ("on: TRUE", "on", True),
        ("on: false", "on", False),
        ("kind: b", "kind", "b"),
        ("power: 4", "power", 4),
        ("inner: {low: 1, high: 2}", "inner", Inner(low=1, high=2)),
        ("inners: [{}, {low: -1}]", "inners", (Inner(), Inner(low=-1))),
        ("names: [no, 1, a]", "names", ["no", "1", "a"]),
        ("either: all", "either", "all"),
        ("either: [x, y]", "either", ("x", "y")),
        ("mixed: 3", "mixed", 3),
        ("mixed: three", "mixed", "three"),
    ],
)
def test_value_is_read_by_the_type_of_its_field(written: str, field: str, value: object) -> None:
    outer, problems = converted(f"text: t\n{written}\n")
    assert problems == []
    assert outer is not None
    got = getattr(outer, field)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("count: 1.0", "expected an integer, got 1.0 (count)"),
        ("count: 1e3", "expected an integer, got 1e3 (count)"),
        ("count: " + "9" * 5000, "expected an integer, got " + "9" * 37 + "... (count)"),
        ("count: 0x10", "expected an integer, got 0x10 (count)"),
        ("number: 1:30", "expected a number, got 1:30 (number)"),
        ("number: -.INF", "expected a finite number, got -.INF (number)"),
        ("number: NaN", "expected a finite number, got NaN (number)"),
        ("number: true", "expected a number, got true (number)"),
        ("on: no", "expected true or false, got no (on)"),
        ("on: 1", "expected true or false, got 1 (on)"),
        ("on: 'true'", "expected true or false, got 'true' (on)"),
        ("kind: c", "unknown value c (kind)"),
        ("power: 3", "expected one of 1, 2, 4, got 3 (power)"),
        ("power: '4'", "expected one of 1, 2, 4, got '4' (power)"),
        ("either: some", "unknown value some (either)"),
        ("either: [[x]]", "expected text, got a list (either[0])"),
        ("either: {}", "expected all, got a mapping (either)"),
        ("inner: {low: 2}", "low 2 is above high 1 (inner.low)"),
        ("inner: {high: 11}", "must be at most 10, got 11 (inner.high)"),
        ("inners: [{}, {high: 11}]", "must be at most 10, got 11 (inners[1].high)"),
    ],
)
def test_mistake_is_told(written: str, says: str) -> None:
    outer, problems = converted(f"text: t\n{written}\n")
    assert outer is None
    assert problems == [f"f.yaml:2: {says}"]


def test_unread_value_hides_no_other_mistake_and_is_told_once() -> None:
    outer, problems = converted("inner: {low: x, high: 11, middle: 1}\ncount: no\nmaybe: []\n")
    assert outer is None
    assert sorted(problems) == [
        "f.yaml:1: expected a number, got x (inner.low)",
        "f.yaml:1: missing key 'text' (text)",
        "f.yaml:1: must be at most 10, got 11 (inner.high)",
        "f.yaml:1: unknown key 'middle' (inner.middle)",
        "f.yaml:2: expected an integer, got no (count)",
        "f.yaml:3: expected text, got a list (maybe)",
    ]


def test_any_typed_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "typed.yaml"
    path.write_text("text: t\ncount: 3\n")
    assert read_typed(path, Outer) == Outer(text="t", count=3)
    path.write_text("text: t\ncont: 3\n")
    with pytest.raises(RecipeError, match="unknown key 'cont'") as caught:
        read_typed(path, Outer)
    assert caught.value.problems[0].where == f"{path}:2"
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        read_typed(tmp_path / "nowhere.yaml", Outer)
