"""Which columns a table has: their names, as `--columns` and a page's markers give them. Imports no torch."""

from typing import Literal, get_args

from actbench.errors import ActbenchError
from actbench.recipe.nearest import name_hints

ColumnName = Literal[
    "metric",
    "gaps",
    "differences",
    "tuned",
    "trials",
    "hours",
    "p",
    "effect",
    "detectable",
    "examples",
    "n",
    "diverged",
    "time",
    "parameters",
    "kept",
    "optimism",
    "reported",
    "verdict",
]
"""`gaps` are those to the main baselines, `differences` those to all; p, effect, detectable and examples follow
whichever of the two is shown. `tuned` are gaps between tuned arms, to the same baselines."""
Columns = tuple[ColumnName, ...]

COLUMNS: Columns = get_args(ColumnName)
DEFAULT: Columns = ("metric", "gaps", "tuned", "trials", "hours", "time")
WIDE: Columns = tuple(name for name in COLUMNS if name != "gaps")
"""Of this and the default the recipe at hand has its own share; columns that are asked for stand in any case."""
PAPER: Columns = ("metric",)
Layout = Literal["recipe", "paper"]
"""A table for each recipe, or all of them side by side."""
DEFAULTS: dict[Layout, Columns] = {"recipe": DEFAULT, "paper": PAPER}
_SETS: dict[str, Columns] = {"wide": WIDE}


def parse_columns(text: str, *, where: str = "command line", key: str = "--columns") -> Columns:
    """The columns of a list such as `metric,kept,n`, or of `wide`. Raises ActbenchError for an unknown or a repeated
    one."""
    if text.strip() in _SETS:
        return _SETS[text.strip()]
    names = [name.strip() for name in text.split(",")]
    known = {name: name for name in COLUMNS}
    chosen: list[ColumnName] = []
    for name in names:
        if name not in known:
            hints = name_hints(name, COLUMNS)
            raise ActbenchError(f"no column {name!r}", where=where, key=key, hints=hints)
        if known[name] in chosen:
            raise ActbenchError(f"column {name!r} twice", where=where, key=key)
        chosen.append(known[name])
    if {"gaps", "differences"} <= set(chosen):
        raise ActbenchError("gaps are among the differences: name one of the two", where=where, key=key)
    return tuple(chosen)


def shown_columns(columns: Columns) -> str:
    """The list as it is typed."""
    return next((name for name, members in _SETS.items() if members == columns), ",".join(columns))
