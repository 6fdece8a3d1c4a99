"""`actbench try FILE.py:NAME`: from a bare nn.Module to its gap waterfall, in one command.

Writes a recipe of the activation beside the baselines of another recipe, which every other command then takes, and
trains it in stages: tuning of every arm, controls, calibration. Imports torch inside functions that need it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actbench.activations.catalog import ActivationEntry
from actbench.commands.outcome import Outcome
from actbench.commands.request import Progress, TrainRequest, load_recipes
from actbench.commands.stages import Staged, train_stages, tuning_lines
from actbench.commands.waterfall import trained_waterfalls
from actbench.errors import ActbenchError
from actbench.fair.tryout import tryout_name, tryout_text
from actbench.recipe.convert import shown
from actbench.recipe.find import find_recipe
from actbench.recipe.load import load_profiles
from actbench.recipe.nearest import name_hints
from actbench.store import write_atomically
from actbench.tables import json, terminal
from actbench.tables.waterfall import waterfall_table

DEFAULT_RECIPE = "demo_fair_digits"
FOLDER = Path("recipes")

_DECLARATIONS = {
    "operations_per_element": "operations per element (its own work counts as none)",
    "limits": "limits at infinity",
    "is_pointwise": "that it is pointwise (its curves are not measured)",
    "param_groups": "weight decay of its parameters (none on those of one dimension)",
    "log_values": "values to log",
    "deploy": "a form for inference",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRequest:
    file: Path
    name: str
    """Of a class in it."""
    reference: str = DEFAULT_RECIPE
    budget_s: float | None = None
    """No run is begun after so many seconds."""
    train: TrainRequest
    """For device, folders, overrides and so on; what it refers to does not matter."""


def try_activation(request: TryRequest, progress: Progress) -> Outcome:
    """Raises ActbenchError before anything is spent where file, class or recipe are no good."""
    begun = time.monotonic()
    entry = _load(request)
    path = _write_recipe(request, progress)
    train = replace(
        request.train, references=(str(path),), plugins=(request.file, *request.train.plugins), calibrate=True
    )
    staged: list[Staged] = []
    for recipe in load_recipes(train):
        progress.note(_declared(entry))
        staged.append(
            train_stages(
                recipe,
                train,
                progress,
                calibrate=True,
                until=lambda: request.budget_s is not None and time.monotonic() - begun > request.budget_s,
                on_round=lambda: _show_interim(train, progress),
            )
        )
    return _outcome(train, request, staged)


def _load(request: TryRequest) -> ActivationEntry:
    from actbench.activations.plugins import load_plugin

    for file in request.train.plugins:
        load_plugin(file)
    entries = {entry.name: entry for entry in load_plugin(request.file)}
    if request.name not in entries:
        raise ActbenchError(
            f"{request.file} has no activation {request.name!r}",
            where="command line",
            hints=name_hints(request.name, entries),
        )
    return entries[request.name]


def _write_recipe(request: TryRequest, progress: Progress) -> Path:
    """The recipe's file; one that is there already is taken as it stands, since it may have been edited."""
    base = find_recipe(request.reference)
    path = FOLDER / f"{tryout_name(request.name, base.stem)}.yaml"
    if path.exists():
        progress.note(f"{path} is there already and taken as it stands")
        return path
    loaded = load_profiles(base)
    text = tryout_text(
        request.name, request.file, base.stem, {name: one.recipes[0] for name, one in loaded.items()}
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise ActbenchError(f"cannot write {shown(path)}: {error.strerror}") from error
    progress.note(f"wrote {path}")
    return path


def _declared(entry: ActivationEntry) -> str:
    """What the class declares, and what follows from what it does not."""
    from actbench.activations.base import Activation
    from actbench.activations.create import ACTIVATIONS

    made = ACTIVATIONS[entry.name]
    silent = [
        text
        for name, text in _DECLARATIONS.items()
        if getattr(made, name, None) is getattr(Activation, name, None) or not hasattr(made, name)
    ]
    return (
        f"{entry.name} does not declare: {'; '.join(silent)}"
        if silent
        else f"{entry.name} declares all it can"
    )


def _show_interim(train: TrainRequest, progress: Progress) -> None:
    made = trained_waterfalls(train, train.references[0])
    if any(fall.is_interim for fall in made.falls):
        progress.note(terminal.render([waterfall_table(fall) for fall in made.falls]))


def _outcome(train: TrainRequest, request: TryRequest, staged: Sequence[Staged]) -> Outcome:
    made = trained_waterfalls(train, train.references[0])
    tables = [waterfall_table(fall) for fall in made.falls]
    lines = [*(line for one in staged for line in tuning_lines(one)), "", terminal.render(tables)]
    path = train.references[0]
    lines += [
        f"goes on where it stopped: actbench try {request.file}:{request.name} {request.reference}",
        f"as a figure: actbench plot waterfall {path}    as a report: actbench report {path}",
    ]
    return Outcome(
        text="\n".join(lines),
        document={**json.document(tables), "recipe": path, "warnings": list(made.warnings)},
        warnings=made.warnings,
    )
