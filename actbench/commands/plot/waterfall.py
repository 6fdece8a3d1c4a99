"""`actbench plot waterfall`: how a gain shrinks, or survives, as the comparison gets fairer. Imports no torch."""

from functools import partial

from actbench.commands.outcome import Outcome
from actbench.commands.plot.request import Drawing, PlotRequest, check_width, stem, write_figures
from actbench.commands.waterfall import WaterfallRequest, waterfalls
from actbench.plots.figure import COLUMN_WIDTH
from actbench.plots.waterfall import draw_waterfall
from actbench.setting import setting_of


def plot_waterfall(request: PlotRequest, *, baselines: tuple[str, ...], metric: str | None) -> Outcome:
    """A figure for each candidate of each recipe."""
    check_width(request.width)
    drawings: list[Drawing] = []
    warnings: list[str] = []
    for reference in request.references:
        made = waterfalls(
            WaterfallRequest(
                reference=reference,
                overrides=request.overrides,
                profile=request.profile,
                arms=request.arms,
                baselines=baselines,
                metric=metric,
                seeds=request.seeds,
                limit=request.limit,
                results_dir=request.results_dir,
            )
        )
        warnings += made.warnings
        drawings += [
            Drawing(
                f"{stem(setting_of(fall.recipe))}-{fall.candidate}-waterfall",
                partial(draw_waterfall, fall, width=request.width or 1.4 * COLUMN_WIDTH),
            )
            for fall in made.falls
        ]
    return write_figures(drawings, request.output, warnings)
