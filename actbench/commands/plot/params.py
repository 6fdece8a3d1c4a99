"""`actbench plot params`: learnt scalars over epochs, a figure per arm, and the check of LSLU's trend. No torch."""

import re
from collections.abc import Sequence
from functools import partial

from actbench.commands.outcome import Outcome
from actbench.commands.plot.request import Chosen, Drawing, PlotRequest, check_width, chosen, write_figures
from actbench.errors import ActbenchError
from actbench.plots.figure import PAGE_WIDTH
from actbench.plots.parameters import Parameter, logged_names, parameter
from actbench.plots.params import draw_params
from actbench.recipe.nearest import name_hints
from actbench.record import RunRecord
from actbench.trend import SiteTrend, told, trends

PANELS = 48
"""With more, each parameter has a figure of its own."""


def plot_params(request: PlotRequest, *, names: Sequence[str] = ()) -> Outcome:
    """Draws those parameters, or all that are logged, of every selected arm that logs any.

    Raises ActbenchError where none does.
    """
    check_width(request.width)
    found, warnings = chosen(request)
    drawings: list[Drawing] = []
    seen: list[tuple[str, list[SiteTrend]]] = []
    for one in found:
        for arm in (arm.name for arm in one.selection.plan.arms):
            runs = [run for run in one.runs if run.arm.name == arm and logged_names([run])]
            wanted = [name for name in logged_names(runs) if not names or name in names]
            if wanted:
                checked = trends(runs)
                seen += [(f"{one.stem}-{arm}", checked)] if checked else []
                drawings += _drawings(one, arm, [parameter(name, runs) for name in wanted], checked, request)
    if not drawings:
        raise _nothing(found, names)
    outcome = write_figures(
        drawings, request.output, warnings, trends=[_document(figure, checked) for figure, checked in seen]
    )
    told_lines = [f"{figure}: {told(checked)}" for figure, checked in seen]
    return Outcome(
        text="\n".join([outcome.text, *told_lines]), document=outcome.document, warnings=outcome.warnings
    )


def _drawings(
    one: Chosen,
    arm: str,
    parameters: Sequence[Parameter],
    checked: Sequence[SiteTrend],
    request: PlotRequest,
) -> list[Drawing]:
    """One figure, or one per parameter where it would have too many panels."""
    panels = sum(len(each.paths) for each in parameters)
    parts = [[each] for each in parameters] if panels > PANELS and len(parameters) > 1 else [list(parameters)]
    runs = [run for run in one.runs if run.arm.name == arm]
    subject = one.subject([run.seed for run in runs])
    drawings = []
    for part in parts:
        shown = {each.name for each in part}
        notes = (
            [told(checked)[:1].upper() + told(checked)[1:]] if checked and shown & {"theta", "omega"} else []
        )
        name = f"-{part[0].name}" if len(parts) > 1 else ""
        draw = partial(draw_params, subject, arm, part, notes, width=request.width or PAGE_WIDTH)
        drawings.append(Drawing(f"{one.stem}-{arm}-params{name}", draw))
    return drawings


def _note(checked: Sequence[SiteTrend]) -> str:
    """The finding as a line of a title, whose brackets are not broken."""
    words = re.sub(r"\(.*?\)", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), told(checked))
    return words[:1].upper() + words[1:]


def _document(figure: str, checked: Sequence[SiteTrend]) -> dict[str, object]:
    return {
        "figure": figure,
        "words": told(checked),
        "theta_as_published": sum(trend.theta_as_published for trend in checked),
        "omega_as_published": sum(trend.omega_as_published for trend in checked),
        "both": sum(trend.theta_as_published and trend.omega_as_published for trend in checked),
        "of": len(checked),
        "sites": [
            {
                "seed": trend.seed,
                "site": trend.site,
                "theta": trend.theta.words(),
                "omega": trend.omega.words(),
            }
            for trend in checked
        ],
    }


def _nothing(found: Sequence[Chosen], names: Sequence[str]) -> ActbenchError:
    runs: list[RunRecord] = [run for one in found for run in one.runs]
    logged = logged_names(runs)
    where = ", ".join(dict.fromkeys(str(one.selection.paths[0].parent) for one in found))
    if names and logged:
        return ActbenchError(
            f"no run logs a parameter {' or '.join(names)}",
            where="command line",
            key="--param",
            hints=name_hints(names[0], logged),
        )
    if any(run.history for run in runs):
        why = "these activations have none that change, or do not declare what to log"
    else:
        why = "they hold no epoch"
    return ActbenchError(f"these records hold no learnt parameters: {why}", where=where)
