"""The commands of the fair comparison."""

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    FORMATS,
    RECIPES,
    AddedArms,
    Arms,
    Baselines,
    DataDir,
    Device,
    Json,
    Limit,
    Metric,
    Plugins,
    Profile,
    ResultsDir,
    Seeds,
    choice,
    known_budget,
    known_profile,
    load_plugins,
    plugin_and_name,
    plugins_of,
    split_arguments,
    with_added_arms,
)
from actbench.cli.output import run
from actbench.cli.progress import Progress
from actbench.errors import ActbenchError

app = typer.Typer()


@app.command("lock")
def lock(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    profile: Profile = None,
    seeds: Seeds = None,
    limit: Limit = None,
    metric: Metric = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Fix a comparison before its runs are looked at.

    Arms, seeds, metric, margin and analysis. Tables of the recipe then say when that was, and what has been otherwise
    since, such as seeds that came later.
    """
    from actbench.commands.lock import lock as command

    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError("lock takes one recipe", where="command line", hints=[" ".join(references)])
    run(
        lambda: command(
            references[0],
            profile=known_profile(profile),
            overrides=overrides,
            seeds=seeds,
            limit=limit,
            metric=metric,
            results_dir=results_dir,
        ),
        as_json,
    )


@app.command("calibrate")
def calibrate(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    profile: Profile = None,
    seeds: Seeds = None,
    device: Device = "auto",
    data_dir: DataDir = Path("data"),
    results_dir: ResultsDir = Path("results"),
    limit: Limit = None,
    plugin: Plugins = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="list runs done and missing with an estimate; train none")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", min=1, help="runs at a time, on one GPU or sharing the CPU's threads"),
    ] = 1,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="exit 4 if a gap is seen where there is none, or the planted loss is missed"
        ),
    ] = False,
    as_json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="tell each epoch on stderr")
    ] = True,
) -> None:
    """Train what shows how small a gap this bench can see.

    The baseline against itself with other luck, against a leaky ReLU of slope 0.8, and against itself in a network a
    tenth narrower. Tables of the recipe then say what was found; what is stored is not trained again.
    """
    from actbench.commands.calibrate import calibrate as command
    from actbench.commands.request import TrainRequest

    load_plugins(plugin)
    references, overrides = split_arguments(arguments)
    request = TrainRequest(
        references=references,
        overrides=overrides,
        profile=known_profile(profile),
        seeds=seeds,
        device=device,
        data_dir=data_dir,
        results_dir=results_dir,
        limit=limit,
        plan_only=plan,
        jobs=jobs,
        plugins=tuple(plugin or ()),
    )
    run(lambda: command(request, Progress(show_epochs=progress, several=jobs > 1), check=check), as_json)


@app.command("waterfall")
def waterfall(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help=f"{', '.join(FORMATS)}  [default: by the file's suffix]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="write the table to this file")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="exit with 4 unless this file holds the same table")
    ] = None,
    profile: Profile = None,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", help="the candidate; may be repeated  [default: all but the baselines]"),
    ] = None,
    add_arm: AddedArms = None,
    baseline: Baselines = None,
    metric: Metric = None,
    seeds: Seeds = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Show how a gain fares as the comparison gets fairer.

    A row for each comparison: same recipe, both tuned, and then the baseline made equal in parameters, time or slot.
    """
    from actbench.commands.waterfall import WaterfallRequest, show_waterfall

    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError("waterfall takes one recipe", where="command line", hints=[" ".join(references)])
    request = WaterfallRequest(
        reference=references[0],
        overrides=with_added_arms(overrides, add_arm),
        profile=known_profile(profile),
        arms=tuple(arm or ()),
        baselines=tuple(baseline or ()),
        metric=metric,
        seeds=seeds,
        limit=limit,
        results_dir=results_dir,
    )
    known = None if format is None else choice("--format", format, FORMATS)
    run(lambda: show_waterfall(request, format=known, output=output, check=check), as_json)


@app.command("ablations")
def ablations(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    format: Annotated[str | None, typer.Option("--format", "-f", help=", ".join(FORMATS))] = None,
    profile: Profile = None,
    arm: Arms = None,
    metric: Metric = None,
    limit: Limit = None,
    results_dir: ResultsDir = Path("results"),
    as_json: Json = False,
) -> None:
    """Show what of an activation it is that helps.

    The activation, the first baseline, and the activation frozen at its start, transplanted, shared by the whole
    network, without its learning method, and the baseline with as many spare scalars; gaps are to the first two.
    """
    from actbench.commands.ablations import ablations as command

    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError("ablations takes one recipe", where="command line", hints=[" ".join(references)])
    known = None if format is None else choice("--format", format, FORMATS)
    run(
        lambda: command(
            references[0],
            profile=known_profile(profile),
            overrides=overrides,
            arms=arm or (),
            metric=metric,
            limit=limit,
            results_dir=results_dir,
            format=known,
        ),
        as_json,
    )


@app.command("try")
def try_(
    activation: Annotated[
        str, typer.Argument(metavar="FILE.py:NAME", help="a class of torch.nn.Module in a file")
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE", help="whose network, data and baselines; overrides  [default: demo_fair_digits]"
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="begin no run after so long: 90s, 30m, 1h30m"),
    ] = None,
    add_arm: AddedArms = None,
    profile: Profile = None,
    seeds: Seeds = None,
    device: Device = "auto",
    data_dir: DataDir = Path("data"),
    results_dir: ResultsDir = Path("results"),
    limit: Limit = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="runs at a time")] = 1,
    as_json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="tell each epoch on stderr")
    ] = True,
) -> None:
    """Try an activation of your own, fairly.

    A bare nn.Module is enough. All arms are tuned alike, the baselines made equal in parameters, time and slot, the
    bench calibrated; the gap waterfall comes last. Stopped at any time it leaves whole runs, and goes on when it is
    typed again.
    """
    from actbench.commands.request import TrainRequest
    from actbench.commands.try_activation import DEFAULT_RECIPE, TryRequest, try_activation

    file, name = plugin_and_name(activation)
    if file is None:
        raise ActbenchError(
            f"{activation!r} names no class in a file",
            where="command line",
            hints=["such as my_act.py:MyAct"],
        )
    words = list(arguments or ())
    references, overrides = split_arguments(
        words if any(map(_is_reference, words)) else [DEFAULT_RECIPE, *words]
    )
    if len(references) > 1:
        raise ActbenchError("try takes one recipe", where="command line", hints=[" ".join(references)])
    request = TryRequest(
        file=file,
        name=name,
        reference=references[0],
        budget_s=known_budget(budget),
        train=TrainRequest(
            references=references,
            overrides=with_added_arms(overrides, add_arm),
            profile=known_profile(profile),
            seeds=seeds,
            device=device,
            data_dir=data_dir,
            results_dir=results_dir,
            limit=limit,
            jobs=jobs,
            plugins=plugins_of((), add_arm),
        ),
    )
    run(lambda: try_activation(request, Progress(show_epochs=progress, several=jobs > 1)), as_json)


def _is_reference(word: str) -> bool:
    from actbench.recipe.overrides import is_override

    return not is_override(word)
