"""`actbench import`: results that another program made become a set that compare, export-table and report read."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.footing import DEFAULT_RESULTS
from actbench.imported import store
from actbench.imported.gather import Gathered, gather
from actbench.imported.places import is_name
from actbench.imported.runs import ImportedSet, ImportedStatus, Source, Unit
from actbench.imported.sheet import key_of
from actbench.recipe.find import local_recipes, packaged_recipes
from actbench.recipe.nearest import name_hints
from actbench.store import Store

_USUAL_BASELINES = ("relu", "swish")
_COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    file: Path
    name: str | None = None
    """Of the set; the file's stem unless told."""
    title: str | None = None
    data: str = "data not named"
    model: str = "a network not named"
    unit: Unit | None = None
    baselines: Sequence[str] = ()
    """The arms called relu and swish, in any case of letters, unless told."""
    metrics: Sequence[str] = ()
    """Columns that are metrics too, in percent or fractions, more being better."""
    paired: bool = False
    results_dir: Path = DEFAULT_RESULTS
    force: bool = False


def import_runs(request: ImportRequest) -> Outcome:
    """Reads the file whole before anything is written. Raises ActbenchError with all that is wrong with it."""
    name = _name(request)
    try:
        content = request.file.read_bytes()
    except OSError as error:
        raise ActbenchError(f"cannot be read: {error.strerror or error}", where=str(request.file)) from error
    for metric in request.metrics:
        if not key_of(metric).replace("_", "").isalnum():
            raise _usage(f"{metric!r} is no name of a metric", "--metric", "letters, digits and underscores")
    found = gather(content, str(request.file), unit=request.unit, own=request.metrics)
    arms = sorted({run.arm for run in found.runs})
    baselines = _baselines(request, arms)
    imported = ImportedSet(
        name=name,
        title=_label("--title", request.title or name),
        data=_label("--data", request.data),
        model=_label("--model", request.model),
        source=Source(name=request.file.name, sha256=hashlib.sha256(content).hexdigest(), unit=found.unit),
        metrics=found.metrics,
        baselines=baselines,
        is_paired=request.paired,
        runs=found.runs,
    )
    stored = store.write(request.results_dir, imported, force=request.force)
    return _told(imported, found, stored, request)


def _name(request: ImportRequest) -> str:
    name = request.file.stem if request.name is None else request.name
    if not is_name(name):
        hint = "a name starts with a letter and holds at most 64 letters, digits and the signs _ . -"
        raise _usage(f"{name!r} is no name for a set", "--name", hint)
    if name in packaged_recipes() or name in local_recipes():
        raise _usage(
            f"{name!r} is the name of a recipe, whose own runs it stands for", "--name", "choose another"
        )
    if Store(request.results_dir).paths(name):
        raise _usage(
            f"{request.results_dir / name} holds runs that actbench made", "--name", "choose another"
        )
    return name


def _label(option: str, text: str) -> str:
    text = text.strip()
    if not text or not text.isprintable() or len(text) > 200:
        raise _usage(f"{text[:80]!r} is no label: 1 to 200 printable characters", option)
    return text


def _baselines(request: ImportRequest, arms: Sequence[str]) -> tuple[str, ...]:
    if not request.baselines:
        usual = {arm.casefold(): arm for arm in arms}
        return tuple(usual[name] for name in _USUAL_BASELINES if name in usual)
    for name in request.baselines:
        if name not in arms:
            raise _usage(f"no arm {name!r} in {request.file}", "--baseline", *name_hints(name, arms))
    return tuple(dict.fromkeys(request.baselines))


def _told(imported: ImportedSet, found: Gathered, stored: store.Stored, request: ImportRequest) -> Outcome:
    statuses = Counter(run.status for run in imported.runs)
    counts = {status: statuses[status] for status in get_args(ImportedStatus)}
    words = [f"{count} {status}" for status, count in counts.items() if count]
    compare = ["actbench", "compare", imported.name]
    if request.results_dir != DEFAULT_RESULTS:
        compare += ["--results-dir", str(request.results_dir)]
    arms = f"{len(imported.arms)} arm{'s' if len(imported.arms) > 1 else ''}"
    values = f"{', '.join(imported.metrics)} in {imported.source.unit}"
    done = "wrote" if stored.is_new else "unchanged:"
    notices = list(found.notices)
    if not imported.baselines:
        notices.append("no arm is called relu or swish: nothing is compared until --baseline names one")
    if not imported.is_paired:
        notices.append(
            "seeds of different arms are taken as unrelated; --paired says they share their randomness"
        )
    notices += [f"the set that was {imported.name} is kept as {old}" for old in stored.superseded]
    return Outcome(
        text=f"{imported.name}: {arms}, {', '.join(words)}; {values}; footing not audited\n"
        f"{done} {stored.path}; next: {shlex.join(compare)}",
        document={
            "name": imported.name,
            "path": str(stored.path),
            "source": imported.source.name,
            "sha256": imported.source.sha256,
            "arms": list(imported.arms),
            "metrics": list(imported.metrics),
            "unit": imported.source.unit,
            "baselines": list(imported.baselines),
            "paired": imported.is_paired,
            **counts,
            "superseded": [str(old) for old in stored.superseded],
            "notices": notices,
        },
        warnings=tuple(notices),
    )


def _usage(message: str, option: str, *hints: str) -> ActbenchError:
    return ActbenchError(message, where=_COMMAND_LINE, key=option, hints=hints)
