"""`actbench plot curves`: training curves of stored runs, one figure per recipe and variant. Imports no torch."""

from collections.abc import Sequence
from functools import partial

from actbench.commands.outcome import Outcome
from actbench.commands.plot.request import Chosen, Drawing, PlotRequest, check_width, chosen, write_figures
from actbench.errors import ActbenchError
from actbench.footing import check_footing
from actbench.metrics import metric_of
from actbench.plots.curves import draw_curves
from actbench.plots.figure import PAGE_WIDTH
from actbench.plots.learning import QUANTITIES, ArmCurves, Quantity, arm_curves
from actbench.plots.looks import in_order
from actbench.record import Weights


def plot_curves(
    request: PlotRequest,
    *,
    show: Sequence[Quantity] = (),
    metric: str | None = None,
    weights: Weights = "raw",
) -> Outcome:
    """Draws what is to be shown, or else the training loss and what the records have of validation and test.

    Raises ActbenchError where no record has it.
    """
    check_width(request.width)
    found, warnings = chosen(request)
    drawings = []
    for one in found:
        check_footing(one.selection.stored, one.selection.origin, one.selection.plan)
        curves = _curves(one, show, metric, weights)
        seeds = [run.seed for arms in curves.values() for arm in arms for run in arm.runs]
        drawings.append(
            Drawing(
                f"{one.stem}-curves",
                partial(
                    draw_curves,
                    one.subject(seeds),
                    curves,
                    metric_of(one.selection.plan, metric),
                    width=request.width or PAGE_WIDTH,
                ),
            )
        )
    return write_figures(drawings, request.output, warnings)


def _curves(
    one: Chosen, show: Sequence[Quantity], metric: str | None, weights: Weights
) -> dict[Quantity, list[ArmCurves]]:
    plan = one.selection.plan
    asked = metric_of(plan, metric)
    arms = in_order([arm.name for arm in plan.arms], plan.baselines)
    wanted = [quantity for quantity in QUANTITIES if not show or quantity in show]
    curves = {
        quantity: arm_curves(one.runs, quantity, asked, weights=weights, arms=arms) for quantity in wanted
    }
    measured = {
        quantity: series
        for quantity, series in curves.items()
        if any(run.points() for arm in series for run in arm.runs)
    }
    for quantity in show or ("loss",):
        if quantity not in measured:
            raise _missing(one, quantity, asked.noun, weights)
    return measured


def _missing(one: Chosen, quantity: Quantity, noun: str, weights: Weights) -> ActbenchError:
    path = one.selection.paths[0]
    if not any(run.history for run in one.runs):
        return ActbenchError("these records hold no epoch", where=str(path.parent))
    protocol = one.selection.plan.evaluation.protocol
    hints = [f"protocol {protocol} measures {'test' if protocol == 'best-test' else 'val'} after each epoch"]
    average = " of the moving average" if weights == "ema" else ""
    name = {"loss": "training loss", "val": f"validation {noun}", "test": f"test {noun}"}[quantity]
    return ActbenchError(
        f"these records hold no {name}{average} per epoch", where=str(path.parent), hints=hints
    )
