"""Every shipped recipe mutated at random: each mutant is rejected with file and line, or proved valid."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.errors import Problem, RecipeError
from actbench.recipe.find import packaged_recipes
from actbench.recipe.load import load_profiles
from actbench.recipe.schema import PROFILES, Recipe

MUTANTS = 300
RECIPES = packaged_recipes()

_STRANGE = (
    ".nan",
    "-.inf",
    "1e400",
    "-1",
    "0",
    "1.5",
    "999999999999999999999999",
    "no",
    "~",
    "''",
    "[]",
    "{}",
    "[[1]]",
    "{a: 1}",
    "!!int x",
    "*nowhere",
    "&a [*a]",
    "2001-01-01",
    "0x10",
    "1:30",
    "'0.1'",
    "true",
    "|",
    "> x",
    "\\x",
)
_JUNK = (
    "\ufeff",
    "\x00",
    "\x85",
    "\u2028",
    "é",
    "😀",
    "\t",
    "\r",
    "%",
    "@",
    "`",
    "'",
    '"',
    "{",
    "]",
    ":",
    "#",
    "\x7f",
)


def _line(lines: list[str], draw: random.Random) -> int:
    """The number of a line that holds more than a comment."""
    return draw.choice(
        [n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    )


def drop_line(lines: list[str], draw: random.Random) -> None:
    del lines[_line(lines, draw)]


def repeat_line(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    lines.insert(draw.randrange(len(lines) + 1) if draw.random() < 0.5 else number, lines[number])


def indent_line(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    lines[number] = draw.choice(["  ", " ", "\t", "      "]) + lines[number]


def outdent_line(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    lines[number] = lines[number].lstrip()


def swap_lines(lines: list[str], draw: random.Random) -> None:
    first, second = _line(lines, draw), _line(lines, draw)
    lines[first], lines[second] = lines[second], lines[first]


def replace_value(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    key, colon, _ = lines[number].partition(":")
    lines[number] = f"{key}{colon or ':'} {draw.choice(_STRANGE)}"


def replace_word(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    words = lines[number].split(" ")
    words[draw.randrange(len(words))] = draw.choice(_STRANGE)
    lines[number] = " ".join(words)


def rename_key(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    at = draw.randrange(len(lines[number]))
    lines[number] = lines[number][:at] + draw.choice("abxyz_0") + lines[number][at + 1 :]


def insert_key(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
    lines.insert(
        number, f"{indent}{draw.choice(['lrr', 'profile', '1', '~', '<<', 'base'])}: {draw.choice(_STRANGE)}"
    )


def truncate(lines: list[str], draw: random.Random) -> None:
    number = draw.randrange(len(lines))
    del lines[number + 1 :]
    lines[number] = lines[number][: draw.randrange(len(lines[number]) + 1)]


def insert_junk(lines: list[str], draw: random.Random) -> None:
    number = draw.randrange(len(lines))
    at = draw.randrange(len(lines[number]) + 1)
    lines[number] = lines[number][:at] + draw.choice(_JUNK) + lines[number][at:]


def drop_character(lines: list[str], draw: random.Random) -> None:
    number = _line(lines, draw)
    at = draw.randrange(len(lines[number]))
    lines[number] = lines[number][:at] + lines[number][at + 1 :]


def change_digit(lines: list[str], draw: random.Random) -> None:
    places = [(n, at) for n, line in enumerate(lines) for at, sign in enumerate(line) if sign.isdigit()]
    number, at = draw.choice(places)
    lines[number] = lines[number][:at] + draw.choice(["0", "9", "-", "e9", "99999"]) + lines[number][at + 1 :]


MUTATIONS: tuple[Callable[[list[str], random.Random], None], ...] = (
    drop_line,
    repeat_line,
    indent_line,
    outdent_line,
    swap_lines,
    replace_value,
    replace_word,
    rename_key,
    insert_key,
    truncate,
    insert_junk,
    drop_character,
    change_digit,
)


def mutate(text: str, draw: random.Random) -> bytes:
    """The recipe after one mutation; one mutant in twenty gets a byte that is no UTF-8 as well."""
    lines = text.split("\n")
    draw.choice(MUTATIONS)(lines, draw)
    content = "\n".join(lines).encode()
    if draw.random() < 0.05:
        at = draw.randrange(len(content) + 1)
        content = content[:at] + draw.choice([b"\xff", b"\xc3", b"\xed\xa0\x80"]) + content[at:]
    return content


def is_located(where: str | None, path: Path, last: int) -> bool:
    """Whether the place is a file and a line, and one that is there if the file is the mutant."""
    source, _, line = (where or "").rpartition(":")
    return (
        source.endswith(".yaml")
        and line.isdigit()
        and 1 <= int(line) <= (last if source == str(path) else 1000)
    )


def prove_valid(path: Path) -> None:
    loaded = load_profiles(path)
    assert tuple(loaded) == PROFILES
    for one in loaded.values():
        for recipe, origins in zip(one.recipes, one.origins, strict=True):
            assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
            located = {
                key: origin for key, origin in origins.items() if origin != "default" and key != "profile"
            }
            assert all(origin.rstrip(")").rpartition(":")[2].isdigit() for origin in located.values()), (
                located
            )


def problems_unless_valid(path: Path) -> tuple[Problem, ...]:
    """The mistakes told; none only if the recipe is proved valid. No other exception is caught."""
    try:
        prove_valid(path)
    except RecipeError as error:
        return error.problems
    return ()


def test_there_are_recipes_to_mutate() -> None:
    assert RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_mutants_are_rejected_with_file_and_line_or_valid(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = RECIPES[name].read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # bases are then found among the packaged recipes
    path = Path(f"{name}.yaml")
    path.write_text(text, encoding="utf-8")
    prove_valid(path)
    rejected = 0
    for seed in range(MUTANTS):
        content = mutate(text, random.Random(f"{name} {seed}"))
        path.write_bytes(content)
        problems = problems_unless_valid(path)
        rejected += bool(problems)
        last = len(content.decode("utf-8", "replace").splitlines()) + 1
        lost = [problem for problem in problems if not is_located(problem.where, path, last)]
        assert lost == [], f"mutant {seed}"
    assert 0.3 * MUTANTS < rejected < MUTANTS
