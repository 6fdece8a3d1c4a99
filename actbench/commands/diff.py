"""`actbench diff`: why two records differ, or two recipes. Imports no torch."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from actbench.commands.outcome import Outcome
from actbench.difference import Section
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.load import LoadedRecipe, load_recipe
from actbench.recipe.schema import Profile
from actbench.recipe.side_by_side import KeyDifference, RecipeDifference, recipe_differences
from actbench.record import RunRecord
from actbench.run_difference import run_difference
from actbench.selection import Sources, select
from actbench.store import Store

_ADDRESS = re.compile(r"(?P<recipe>.+):(?P<arm>[^:]+):(?P<seed>[^:]+)")
_WIDTH = 44
"""Of a value in a line; --json has it whole."""


def diff(
    first: str, second: str, *, profile: Profile | None, results_dir: Path, check: bool = False
) -> Outcome:
    """Compares two record files, two runs named RECIPE:ARM:SEED, or two recipes.

    Exit code 4 under `check` where they differ: runs in their hash or their numbers, recipes in anything that a
    run depends on.
    """
    warnings: list[str] = []
    one, two = (_read(text, profile, results_dir, warnings) for text in (first, second))
    if isinstance(one, _Run) and isinstance(two, _Run):
        outcome, is_equal = _of_runs(one, two)
    elif isinstance(one, LoadedRecipe) and isinstance(two, LoadedRecipe):
        outcome, is_equal = _of_recipes(one, two)
    else:
        raise ActbenchError(
            "a recipe and a run do not compare",
            where="command line",
            hints=["name two recipes, or two runs: record files or RECIPE:ARM:SEED"],
        )
    code = NotComparableError.exit_code if check and not is_equal else 0
    return Outcome(
        text=outcome.text, document=outcome.document, warnings=tuple(dict.fromkeys(warnings)), exit_code=code
    )


class _Run(NamedTuple):
    path: Path
    record: RunRecord

    @property
    def title(self) -> str:
        recipe = self.record.recipe
        variant = f" ({recipe.variant})" if recipe.variant else ""
        return f"{recipe.name}{variant}, profile {recipe.profile}, {self.record.arm.name}, seed {self.record.seed}"


def _read(text: str, profile: Profile | None, results_dir: Path, warnings: list[str]) -> _Run | LoadedRecipe:
    path = Path(text)
    if path.suffix == ".json":
        return _Run(path, Store(results_dir).read(path))
    address = None if path.exists() else _ADDRESS.fullmatch(text)
    if address is None:
        return load_recipe(text, profile=profile)
    seed = address["seed"]
    if not re.fullmatch(r"\d{1,10}", seed):
        raise ActbenchError(
            f"{seed!r} is no seed", where="command line", hints=["a run is named RECIPE:ARM:SEED"]
        )
    sources = Sources([address["recipe"]], profile, (), results_dir, [address["arm"]], seeds=seed)
    selected = select(sources)
    warnings += selected.warnings
    paths = [run.path for selection in selected.selections for run in selection.stored]
    if len(paths) > 1:
        files = [str(path) for path in paths]
        raise ActbenchError(
            f"{len(paths)} records hold {text}", where="command line", hints=["name one file:", *files]
        )
    return _Run(paths[0], Store(results_dir).read(paths[0]))


def _of_runs(one: _Run, two: _Run) -> tuple[Outcome, bool]:
    if one.path.resolve() == two.path.resolve():
        answer = "equal: one and the same file"
        document = {"kind": "runs", "equal": True, "answer": answer, "a": str(one.path), "b": str(two.path)}
        return Outcome(text=answer, document=document), True
    found = run_difference(one.record, two.record)
    head = [
        found.answer,
        *(f"{a}  {run.title}\n   {run.path}" for a, run in zip("AB", (one, two), strict=True)),
    ]
    sections = [section for section in found.sections if not section.is_empty]
    document = {
        "kind": "runs",
        "equal": found.is_equal,
        "answer": found.answer,
        "a": str(one.path),
        "b": str(two.path),
        "sections": {
            section.name: {
                "differences": [
                    {"key": d.key, "a": d.first, "b": d.second, **({"remark": d.remark} if d.remark else {})}
                    for d in section.differences
                ],
                "notes": list(section.notes),
            }
            for section in sections
        },
    }
    text = "\n".join(head) + "".join(f"\n\n{_section(section)}" for section in sections)
    return Outcome(text=text, document=document), found.is_equal


def _section(section: Section) -> str:
    rows = [
        (d.key, _shown(d.first, d.is_fraction), _shown(d.second, d.is_fraction), d.remark)
        for d in section.differences
    ]
    return "\n".join([section.name, *_aligned(rows), *(f"  {note}" for note in section.notes)])


def _aligned(rows: list[tuple[str, str, str, str]]) -> Iterable[str]:
    """Key, the first's value, the second's, and what is to be said, in columns."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    for key, first, second, remark in rows:
        line = f"  {key:<{widths[0]}}  {first:<{widths[1]}}  {second:<{widths[2]}}  {remark}"
        yield line.rstrip()


def _shown(value: object, is_fraction: bool = False) -> str:
    if value is None:
        return "-"
    if is_fraction and isinstance(value, float):
        return f"{100 * value:.2f} %"
    if isinstance(value, float):
        return f"{value:.7g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _of_recipes(one: LoadedRecipe, two: LoadedRecipe) -> tuple[Outcome, bool]:
    pairs = recipe_differences(one, two)
    if not pairs:
        names = [", ".join(str(recipe.variant) for recipe in loaded.recipes) for loaded in (one, two)]
        raise ActbenchError(
            "the recipes have no variant in common", hints=[f"variants: {names[0]} / {names[1]}"]
        )
    is_equal = all(pair.is_equal_footing and not pair.arms for pair in pairs)
    head = [
        f"{letter}  {loaded.path}, profile {loaded.profile}" for letter, loaded in (("A", one), ("B", two))
    ]
    blocks = ["\n".join(_pair(pair)) for pair in pairs]
    document = {
        "kind": "recipes",
        "equal": is_equal,
        "a": str(one.path),
        "b": str(two.path),
        "profile": one.profile,
        "pairs": [asdict(pair) for pair in pairs],
    }
    return Outcome(text="\n\n".join(["\n".join(head), *blocks]), document=document), is_equal


def _pair(pair: RecipeDifference) -> Iterable[str]:
    if any(pair.variants):
        yield f"variant {' / '.join(dict.fromkeys(name or 'none' for name in pair.variants))}"
    if pair.is_equal_footing:
        yield "equal footing: all that arms share is the same"
    else:
        yield "settings that all arms share"
        yield from _located(pair.shared)
    if pair.arms:
        yield "arms of one name"
        yield from _located(pair.arms)
    for letter, names in (("A", pair.only_first), ("B", pair.only_second)):
        if names:
            yield f"arms only in {letter}: {', '.join(names)}"
    if pair.without_effect:
        yield "of no effect on a run"
        yield from _located(pair.without_effect)


def _located(differences: tuple[KeyDifference, ...]) -> Iterable[str]:
    """Every value with its place behind it."""

    def cell(value: object, origin: str | None) -> str:
        return "-" if origin is None else f"{_shown(value)}, {origin}"

    return _aligned(
        [(d.key, cell(d.first, d.first_origin), cell(d.second, d.second_origin), "") for d in differences]
    )
