"""`export-table`: the same tables as `compare`, in a format and a place of one's choice. Imports no torch."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from actbench.commands.compare import tables_of
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.schema import Profile
from actbench.record import Weights, Which
from actbench.selection import Sources
from actbench.store import write_atomically
from actbench.tables import json, markdown
from actbench.tables.formats import RENDERERS, Format
from actbench.tables.table import Table


def export_table(
    references: Sequence[str],
    *,
    format: Format = "markdown",
    output: Path | None = None,
    check: Path | None = None,
    profile: Profile | None = None,
    overrides: Sequence[str] = (),
    arms: Sequence[str] = (),
    baselines: Sequence[str] = (),
    which: Which = "last",
    weights: Weights = "raw",
    results_dir: Path = Path("results"),
) -> Outcome:
    """Renders the tables as text, or writes them to `output`, or compares them with the file `check`.

    A markdown file keeps everything outside the markers of these recipes. Exit code 4: `check` is stale, or
    what `compare` gives it for.
    """
    tables, warnings, exit_code = tables_of(
        Sources(references, profile, overrides, results_dir, arms),
        baselines=baselines,
        which=which,
        weights=weights,
        check=check is not None,
    )
    document = json.document(tables)
    if check is not None:
        if _read(check) == _content(tables, format, check):
            return Outcome(
                text=f"{check} is up to date\n", document=document, warnings=warnings, exit_code=exit_code
            )
        words = ["actbench", "export-table", *references, *overrides, "--format", format, "-o", str(check)]
        command = shlex.join([*words, *(["--profile", profile] if profile else [])])
        raise NotComparableError(
            "stale: the stored runs give another table", where=str(check), hints=[command]
        )
    if output is not None:
        _write(output, _content(tables, format, output))
        return Outcome(text=f"wrote {output}\n", document=document, warnings=warnings, exit_code=exit_code)
    return Outcome(text=RENDERERS[format](tables), document=document, warnings=warnings, exit_code=exit_code)


def _content(tables: Sequence[Table], format: Format, path: Path) -> bytes:
    """What the file holds once the tables are in it."""
    page = _read(path) if format == "markdown" else None
    if page is None:
        return RENDERERS[format](tables).encode()
    text = page.decode()
    for name, block in markdown.blocks(tables).items():
        replaced = markdown.replace_block(text, name, block)
        if replaced is None:
            marks = [f"<!-- actbench: {name} -->", "<!-- /actbench -->"]
            raise ActbenchError(
                f"no place marked for the tables of {name}",
                where=str(path),
                hints=["put these two lines where they shall stand:", *marks],
            )
        text = replaced
    return text.encode()


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ActbenchError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ActbenchError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
