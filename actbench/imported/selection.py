"""Of imported sets the runs that go into tables, as a person asks for them. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from actbench.errors import ActbenchError, NotComparableError, Problem, RecipeError
from actbench.imported import store
from actbench.imported.group import ImportedSelection
from actbench.imported.runs import in_lines
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Scalar
from actbench.recipe.overrides import COMMAND_LINE
from actbench.recipe.scalars import read_seeds


def select_set(path: Path, arms: Sequence[str], seeds: str | None) -> ImportedSelection:
    """The set with the arms and seeds that are wanted, all of them unless told."""
    imported = store.read(path)
    for name in arms:
        if name not in imported.arms:
            raise ActbenchError(
                f"imported set {imported.name!r} has no arm {name!r}",
                where=COMMAND_LINE,
                key="--arm",
                hints=name_hints(name, imported.arms),
            )
    wanted = None if seeds is None else _seeds(seeds)
    chosen = tuple(arm for arm in imported.arms if not arms or arm in arms)
    of_seeds = [run for run in imported.runs if wanted is None or run.seed in wanted]
    runs = tuple(run for run in of_seeds if run.arm in chosen)
    if not runs:
        raise NotComparableError(f"imported set {imported.name!r} has no run of seeds {seeds}")
    unshown = tuple(run for run in of_seeds if run.arm not in chosen)
    return ImportedSelection(imported=imported, path=path, arms=chosen, runs=runs, unshown=unshown)


def unfinished_note(selection: ImportedSelection) -> str | None:
    """What must be said where runs neither completed nor diverged."""
    if not selection.unfinished:
        return None
    runs = [f"{run.arm} seed {run.seed} {run.status} ({in_lines(run.lines)})" for run in selection.unfinished]
    return f"incomplete: {selection.imported.name}, by {selection.imported.source.name}: {'; '.join(runs)}"


def refuse_settings(profile: str | None, others: Sequence[str]) -> None:
    """Raises ActbenchError where settings are asked for that choose among a recipe's runs alone."""
    asked = [*([f"--profile {profile}"] if profile else []), *others]
    if asked:
        message = f"imported results have no settings to choose by: {' '.join(asked)}"
        raise ActbenchError(message, where=COMMAND_LINE)


def _seeds(text: str) -> tuple[int, ...]:
    problems: list[Problem] = []
    seeds = read_seeds(Scalar(COMMAND_LINE, None, "--seeds", text, True), problems)
    if problems:
        raise RecipeError(problems)
    assert isinstance(seeds, tuple)
    return seeds
