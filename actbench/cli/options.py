"""The options that several commands share, and how their words become values; in every mistake the option is named."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from actbench.errors import ActbenchError

if TYPE_CHECKING:
    from actbench.tables.columns import Columns

FORMATS = ("markdown", "latex", "csv", "html", "json", "terminal")
RECIPES = "recipe names or paths, and overrides such as train.lr=0.1"
SELECTION = "recipe names or paths, record files, and overrides such as train.lr=0.1"
Profile = Annotated[str | None, typer.Option("--profile", "-p", help="paper, lite or smoke  [default: lite]")]
ResultsDir = Annotated[
    Path, typer.Option("--results-dir", envvar="ACTBENCH_RESULTS_DIR", help="where records are stored")
]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="ACTBENCH_DATA_DIR", help="where data sets lie")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:0, ...")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
At = Annotated[str, typer.Option("--at", help="last, best-val or best-test")]
Weights = Annotated[str, typer.Option("--weights", help="raw, or ema for their moving average")]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="only this arm; may be repeated")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="0..4 or 0,1,2")]
Limit = Annotated[
    int | None, typer.Option("--limit", help="at most this many training and test images, stratified")
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="top1_accuracy, box_ap, mask_ap; under attack fgsm@4/255 and the like, where the recipe asks for it  "
        "[default: the first of the recipe's task]",
    ),
]
ColumnList = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="LIST",
        help="what to show, in that order, of metric (mean and interval), gaps (to the baselines), differences (to the"
        " paper's own too), tuned (gaps between tuned arms), trials, hours (of tuning), p (after Holm), effect"
        " (Hedges' g), detectable (the smallest gap that these seeds would show), examples (intervals over seeds and"
        " test examples), n, diverged, time (of an update), parameters, kept (bytes for backward per element), optimism"
        " (of best-test), reported, verdict  [default: metric,gaps,time, and of a tuned recipe tuned,trials,hours; in a"
        " markdown file, what its marker says]",
    ),
]
Wide = Annotated[bool, typer.Option("--wide", help="all columns that there is anything for")]
AllowMismatch = Annotated[
    bool,
    typer.Option("--allow-mismatch", help="show runs of unequal footing side by side, with footnotes"),
]
Layout = Annotated[
    str, typer.Option("--layout", help="recipe: a table for each; paper: side by side, arms as rows")
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="a file with activations of your own; may be repeated"),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option("--baseline", help="compare against this arm instead of the recipe's baselines"),
]


AddedArms = Annotated[
    list[str] | None,
    typer.Option(
        "--add-arm",
        metavar="NAME|FILE.py:NAME",
        help="an activation that the recipe has no arm of, at its default options; may be repeated",
    ),
]


def split_arguments(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Recipes and overrides, in the order given."""
    from actbench.recipe.overrides import is_override

    references = tuple(argument for argument in arguments if not is_override(argument))
    if not references:
        raise ActbenchError("no recipe named", where="command line", hints=["actbench ls recipes"])
    return references, tuple(argument for argument in arguments if is_override(argument))


def load_plugins(files: Sequence[Path] | None) -> None:
    """Imports a user's own activations, named by file; loading torch is left to them."""
    if files:
        from actbench.activations.plugins import load_plugin

        for file in files:
            load_plugin(file)


def choice(option: str, value: str, known: Sequence[str]) -> Any:
    if value not in known:
        raise ActbenchError(
            f"unknown value {value!r}", where="command line", key=option, hints=[f"known: {', '.join(known)}"]
        )
    return value


def known_profile(value: str | None) -> Any:
    return None if value is None else choice("--profile", value, ("paper", "lite", "smoke"))


def known_columns(columns: str | None, wide: bool = False) -> "Columns | None":
    from actbench.tables.columns import WIDE, parse_columns

    if wide and columns is not None:
        raise ActbenchError("--wide shows all columns and --columns some: give one", where="command line")
    return WIDE if wide else None if columns is None else parse_columns(columns)


def known_layout(layout: str) -> Any:
    return choice("--layout", layout, ("recipe", "paper"))


def known_which(at: str) -> Any:
    return choice("--at", at, ("last", "best-val", "best-test")).replace("-", "_")


def with_added_arms(overrides: tuple[str, ...], added: Sequence[str] | None) -> tuple[str, ...]:
    """The overrides with one that adds an arm for each activation; of `FILE.py:NAME` the file is not read here."""
    if not added:
        return overrides
    names = [plugin_and_name(text)[1] for text in added]
    arms = ", ".join(f"{{name: {name}, activation: {name}}}" for name in names)
    return (*overrides, f"arms=[{arms}]")


def plugin_and_name(text: str) -> tuple[Path | None, str]:
    """`FILE.py:NAME` in its parts; without a file a name of the catalogue."""
    file, colon, name = text.rpartition(":")
    return (Path(file), name) if colon else (None, text)


def plugins_of(plugins: Sequence[Path] | None, added: Sequence[str] | None) -> tuple[Path, ...]:
    """The files named by --plugin and by --add-arm, each once."""
    files = [*(plugins or ()), *(file for text in added or () if (file := plugin_and_name(text)[0]))]
    return tuple(dict.fromkeys(files))


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def known_budget(text: str | None) -> float | None:
    """Seconds of `90s`, `30m`, `1h30m`."""
    if text is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ActbenchError(
            f"{text!r} is no length of time",
            where="command line",
            key="--budget",
            hints=["such as 90s, 30m or 1h30m"],
        )
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
