"""`actbench plot lr`: what the trials of a recipe's tuning got, over the learning rate. Imports no torch."""

from functools import partial

from actbench.commands.outcome import Outcome
from actbench.commands.plot.request import Drawing, PlotRequest, check_width, stem, write_figures
from actbench.compare import Selection
from actbench.errors import ActbenchError
from actbench.fair.tuning import best, choices, trials
from actbench.metrics import metric_of
from actbench.plots.figure import COLUMN_WIDTH
from actbench.plots.looks import in_order
from actbench.plots.sensitivity import ArmSensitivity, draw_sensitivity
from actbench.plots.subject import subject_of
from actbench.recipe.own_training import of_length
from actbench.selection import select
from actbench.setting import setting_of


def plot_lr(request: PlotRequest) -> Outcome:
    """A figure for each recipe and variant. Raises ActbenchError where no trial is stored."""
    check_width(request.width)
    selected = select(request.sources(request.references))
    drawings = [_drawing(selection, request) for selection in selected.selections]
    # That plain runs are missing concerns tables alone.
    warnings = [warning for warning in selected.warnings if not warning.startswith("incomplete: ")]
    return write_figures(drawings, request.output, warnings)


def _drawing(selection: Selection, request: PlotRequest) -> Drawing:
    recipe, arms = selection.plan, _sensitivities(selection)
    assert selection.tuning is not None
    tune = selection.tuning.recipe.tune
    assert tune is not None
    found = choices(*selection.tuning, fingerprint=selection.runs[0].data.fingerprint)
    edges = [name for name, choice in found.items() if choice.at_edge and name in {arm.arm for arm in arms}]
    notes = [
        "" if all(choice.complete for choice in found.values()) else "Interim: the search is not at its end",
        f"At the edge of what was tried: {', '.join(edges)}" if edges else "",
    ]
    short = of_length(recipe, max(1, round(recipe.train.epochs * tune.epochs)))
    setting = setting_of(short, is_altered=selection.is_altered)
    return Drawing(
        f"{stem(setting)}-lr",
        partial(
            draw_sensitivity,
            subject_of(setting, tune.seeds, recipe.baselines, [arm.name for arm in recipe.arms]),
            arms,
            metric_of(recipe),
            lr=recipe.train.lr,
            notes=[note for note in notes if note],
            width=request.width or 1.4 * COLUMN_WIDTH,
        ),
    )


def _sensitivities(selection: Selection) -> list[ArmSensitivity]:
    """Of the arms that are to be shown and have a finished trial."""
    plan = selection.plan
    if selection.tuning is None:
        raise ActbenchError(
            f"recipe {plan.name!r} is not tuned: it has no block tune",
            hints=["write one, such as tune: {space: {train.lr: [0.03, 0.1, 0.3]}}"],
        )
    known = trials(*selection.tuning, fingerprint=selection.runs[0].data.fingerprint)
    arms = []
    for name in in_order([arm.name for arm in plan.arms], plan.baselines):
        finished = tuple(trial for trial in known[name] if trial.is_finished)
        if finished:
            arms.append(ArmSensitivity(arm=name, trials=finished, chosen=best(finished)))
    if not arms:
        raise ActbenchError(
            f"no trial of {plan.name} (profile {plan.profile}) is finished",
            hints=[f"actbench train {selection.origin.reference}"],
        )
    return arms
