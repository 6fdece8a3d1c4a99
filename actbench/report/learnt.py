"""Figures of what activations learnt: their scalars over the epochs, their curves at the end."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from actbench.comparison import Group
from actbench.plots.parameters import Parameter, logged_names, parameter
from actbench.plots.params import draw_params
from actbench.plots.shapes import draw_shapes, drawn_epochs
from actbench.plots.subject import subject_of_group
from actbench.record import RunRecord
from actbench.report.answer import subjects
from actbench.report.figures import Drawing
from actbench.trend import told, trends

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Render = Callable[["Callable[[], Figure]"], str]

MOST = 3
"""Of so many arms it is drawn what they learnt: a page of figures would hide the rest."""
PANELS = 24
"""Scalars with more panels, one for each site and name, are left to `actbench plot params`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """An arm whose records tell what it learnt."""

    number: int
    """From 1, in the order of the chapter."""
    arm: str
    parameters: tuple[Parameter, ...]
    """Scalars that are logged; empty where they would be too many panels."""
    trend: str
    """What is said of LSLU's; empty for other activations."""
    shapes: RunRecord | None
    """The run of the lowest seed that has curves."""


def shown_learners(group: Group, records: Sequence[RunRecord]) -> list[Learner]:
    """The arms of the question that learnt anything that is stored; of many those of the largest means."""
    found: list[Learner] = []
    rows = subjects(group)
    if len(rows) > MOST:
        rows = tuple(sorted(rows, key=lambda row: row.value.value if row.value else -math.inf, reverse=True))
    for row in rows:
        runs = sorted((run for run in records if run.arm.name == row.name), key=lambda run: run.seed)
        logged = [parameter(name, runs) for name in logged_names(runs)]
        known = tuple(each for each in logged if each.paths)  # one that was infinite throughout has none
        few = known if sum(len(each.paths) for each in known) <= PANELS else ()
        curves = [run for run in runs if any(epoch.shapes for epoch in run.history)]
        if (few or curves) and len(found) < MOST:
            found.append(
                Learner(
                    number=len(found) + 1,
                    arm=row.name,
                    parameters=few,
                    trend=told(checked) if (checked := trends(runs)) else "",
                    shapes=curves[0] if curves else None,
                )
            )
    return found


def params_drawing(group: Group, learner: Learner, render: Render) -> Drawing:
    """The scalars of all seeds, and what is said of LSLU's trend."""
    names = ", ".join(each.name for each in learner.parameters)
    trend = f" {learner.trend[0].upper()}{learner.trend[1:]}." if learner.trend else ""
    return Drawing(
        key=f"params{learner.number}",
        title=f"What {learner.arm} learnt",
        caption=f"{names} after each epoch at each site of the network, every seed.{trend}",
        alternative=f"A panel for each site with {names} by epoch.{trend}",
        svg=render(partial(draw_params, subject_of_group(group), learner.arm, learner.parameters)),
    )


def shapes_drawing(learner: Learner, render: Render) -> Drawing:
    """The curves of one run."""
    record = learner.shapes
    assert record is not None
    epochs = drawn_epochs(record)
    return Drawing(
        key=f"shapes{learner.number}",
        title=f"The curve of {learner.arm}",
        caption=f"At each site in the run of seed {record.seed}, from pale (early) to dark (last), over the density of "
        "the input; the band holds 80 % of the channels, the dashes are ReLU.",
        alternative=f"{len(epochs[-1].shapes)} panels, one for each site of the network.",
        svg=render(partial(draw_shapes, record, epochs)),
    )
