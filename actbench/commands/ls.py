"""`actbench ls`: what there is, as aligned tables."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic_core import PydanticUndefined
from tabulate import tabulate

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.activations.plugins import offered_by_packages, package_label
from actbench.commands.outcome import Outcome
from actbench.data.catalog import ENTRIES as DATA_SETS
from actbench.errors import ActbenchError, Problem
from actbench.frozen import Options
from actbench.models.catalog import ENTRIES as MODELS
from actbench.recipe.find import local_recipes, packaged_recipes
from actbench.recipe.load import load_recipe
from actbench.recipe.nearest import name_hints
from actbench.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    widths: dict[str, int] = field(default_factory=dict)
    """Columns whose text is wrapped, so that a line has at most 120 characters; those of width 0 are told by
    --json alone."""
    empty: str = ""
    """What is said where there are no rows."""
    problems: tuple[Problem, ...] = ()


def ls(kind: str = "recipes", *, results_dir: Path) -> Outcome:
    """All recipes, arms (activations), models, data sets, papers, claims or runs."""
    if kind not in _LISTINGS:
        message = f"nothing to list under {kind!r}"
        raise ActbenchError(message, where="command line", hints=name_hints(kind, _LISTINGS))
    listing = _LISTINGS[kind](results_dir)
    if isinstance(listing, Outcome):
        return listing
    rows = [dict(zip(listing.columns, row, strict=True)) for row in listing.rows]
    columns = [column for column in listing.columns if listing.widths.get(column) != 0]
    shown = [[_cell(row[column], listing.widths.get(column)) for column in columns] for row in rows]
    table = tabulate(shown, headers=columns, tablefmt="plain", disable_numparse=True)
    return Outcome(
        text=table if listing.rows else listing.empty,
        document=rows,
        warnings=tuple(str(problem) for problem in listing.problems),
    )


def _cell(value: object, width: int | None) -> str:
    if value is None:
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if width is None:
        return text
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def _recipes(_: Path) -> _Listing:
    rows: list[list[object]] = []
    problems: list[Problem] = []
    for name, path in sorted({**packaged_recipes(), **local_recipes()}.items()):
        try:
            recipe = load_recipe(path).recipes[0]
        except ActbenchError as error:
            problems.extend(error.problems)
            continue
        rows.append([name, recipe.data.name, recipe.model.name, len(recipe.arms), recipe.paper, recipe.title])
    columns = ("recipe", "data", "model", "arms", "paper", "title")
    return _Listing(columns=columns, rows=rows, empty="no recipes", problems=tuple(problems))


def _arms(_: Path) -> _Listing:
    rows: list[Sequence[object]] = [
        [entry.name, _options(entry.options), entry.summary, entry.source] for entry in ACTIVATIONS.values()
    ]
    # Of a package's nothing but the name is known before it is imported.
    rows += [
        [name, [], "of an installed package, imported when it is named", package_label(point)]
        for name, point in sorted(offered_by_packages().items())
    ]
    widths = {"options": 40, "summary": 56, "source": 0}
    return _Listing(columns=("activation", "options", "summary", "source"), rows=rows, widths=widths)


def _models(_: Path) -> _Listing:
    rows = [[entry.name, _options(entry.options), entry.summary, entry.source] for entry in MODELS.values()]
    widths = {"options": 40, "summary": 60, "source": 0}
    return _Listing(columns=("model", "options", "summary", "source"), rows=rows, widths=widths)


def _data(_: Path) -> _Listing:
    rows = [
        [entry.name, _options(entry.options), entry.summary, entry.layout] for entry in DATA_SETS.values()
    ]
    widths = {"options": 24, "summary": 30, "layout": 44}
    return _Listing(columns=("data", "options", "summary", "layout"), rows=rows, widths=widths)


def _options(options: type[Options]) -> list[str]:
    """Every option with its default, as a recipe writes it."""
    written: list[str] = []
    for name, declared in options.model_fields.items():
        if name == "name":
            continue
        default = declared.default
        if default is PydanticUndefined:
            written.append(f"{name} (required)")
        else:
            written.append(f"{name}={str(default).lower() if isinstance(default, bool) else default}")
    return written


def _papers(results_dir: Path) -> _Listing:
    from actbench.claims import recipes_with_papers
    from actbench.papers.reported import load_papers

    recipes, problems = recipes_with_papers()
    rows: list[list[object]] = []
    for key, entry in load_papers().items():
        own = [name for name, recipe in recipes.items() if recipe.paper == key]
        records = sum(len(Store(results_dir).paths(name)) for name in own)
        facts, counts = entry.paper, [len(entry.tables), len(entry.claims)]
        rows.append([key, facts.title, facts.arxiv, facts.year, *counts, own, records])
    columns = ("paper", "title", "arxiv", "year", "tables", "claims", "recipes", "records")
    widths = {"title": 22, "recipes": 36}
    return _Listing(columns=columns, rows=rows, widths=widths, empty="no papers", problems=tuple(problems))


def _claims(results_dir: Path) -> Outcome:
    from actbench.commands.ls_claims import ls_claims

    return ls_claims(results_dir)


def _runs(results_dir: Path) -> _Listing:
    from actbench.metrics import metric_of

    runs, problems = Store(results_dir).scan()
    rows: list[list[object]] = []
    for run in runs:
        record = run.record
        result = record.result()
        metric = metric_of(record.recipe)
        value = metric.read(result.tally) if result else None
        rows.append(
            [
                record.recipe.name,
                record.recipe.profile,
                record.recipe.variant,
                record.arm.name,
                record.seed,
                record.status,
                record.epochs,
                metric.name,
                None if value is None else round(100 * value, 2),
                str(run.path),
            ]
        )
    columns = (
        "recipe", "profile", "variant", "arm", "seed", "status", "epochs", "metric", "test %", "file",
    )  # fmt: skip
    imported, more = _imported_runs(results_dir)
    rows, problems = [*rows, *imported], [*problems, *more]
    return _Listing(columns=columns, rows=rows, empty=f"no runs in {results_dir}", problems=tuple(problems))


def _imported_runs(results_dir: Path) -> tuple[list[list[object]], list[Problem]]:
    """The same columns of imported sets, "imported" standing for the profile."""
    from actbench.imported.places import paths
    from actbench.imported.store import read

    rows: list[list[object]] = []
    problems: list[Problem] = []
    for path in paths(results_dir):
        try:
            imported = read(path)
        except ActbenchError as error:
            problems.extend(error.problems)
            continue
        metric = imported.metrics[0]
        for run in imported.runs:
            value = run.values.get(metric) if run.status == "completed" else None
            shown = None if value is None else round(100 * value, 2)
            rows.append(
                [
                    imported.name,
                    "imported",
                    None,
                    run.arm,
                    run.seed,
                    run.status,
                    None,
                    metric,
                    shown,
                    str(path),
                ]
            )
    return rows, problems


_LISTINGS: dict[str, Callable[[Path], _Listing | Outcome]] = {
    "recipes": _recipes,
    "arms": _arms,
    "models": _models,
    "data": _data,
    "papers": _papers,
    "claims": _claims,
    "runs": _runs,
}
