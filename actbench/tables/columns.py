"""Which columns a table has: their names, as `--columns` and a page's markers give them. Imports no torch."""

from typing import Literal, get_args

from actbench.errors import ActbenchError
from actbench.recipe.nearest import name_hints

ColumnName = Literal["metric", "differences", "parameters", "time", "kept", "n", "reported"]
Columns = tuple[ColumnName, ...]

COLUMNS: Columns = get_args(ColumnName)
DEFAULT: Columns = ("metric", "differences", "parameters", "time", "reported")
"""Without those that the recipe at hand has nothing for; columns that are asked for stand in any case."""


def parse_columns(text: str, *, where: str = "command line", key: str = "--columns") -> Columns:
    """The columns of a list such as `metric,kept,n`. Raises ActbenchError for an unknown or a repeated one."""
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
    return tuple(chosen)
