"""`actbench import`."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import Json, ResultsDir, choice
from actbench.cli.output import run

app = typer.Typer()


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="columns arm, seed and a metric's")],
    name: Annotated[str | None, typer.Option("--name", help="of the set  [default: the file's]")] = None,
    title: Annotated[str | None, typer.Option("--title", help="for captions  [default: the name]")] = None,
    data: Annotated[str, typer.Option("--data", help="the data set, as captions call it")] = "data not named",
    model: Annotated[
        str, typer.Option("--model", help="the network, as captions call it")
    ] = "a network not named",
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="percent or fraction  [default: percent, if values are above 1]"),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option("--baseline", help="an arm to compare against; may be repeated  [default: relu, swish]"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="COLUMN",
            help="a column that is a metric too, in the same unit, more being better; may be repeated",
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="runs of one seed share data order and initial weights")
    ] = False,
    results_dir: ResultsDir = Path("results"),
    force: Annotated[
        bool, typer.Option("--force", help="replace the set of this name; its file is kept aside")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import results of your own to compare, export and report.

    A line a run: arm, seed, top1_accuracy (or box_ap, mask_ap), or arm, seed, metric, value. Optional: status
    (completed, diverged, failed), step_time_s, parameters, activation_parameters, wall_time_s. A value nan or inf is
    a diverged run, an empty one a missing run. Tables of it say that the arms' equal footing was not audited.
    """
    from actbench.commands.import_runs import ImportRequest, import_runs

    request = ImportRequest(
        file=file,
        name=name,
        title=title,
        data=data,
        model=model,
        unit=None if unit is None else choice("--unit", unit, ("percent", "fraction")),
        baselines=tuple(baseline or ()),
        metrics=tuple(metric or ()),
        paired=paired,
        results_dir=results_dir,
        force=force,
    )
    run(lambda: import_runs(request), as_json)
