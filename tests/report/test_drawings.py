"""Which figures a chapter has, what stands beneath them, and what is said to those who do not see them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actbench.comparison import Group
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, SiteLog
from actbench.report.drawings import draw
from actbench.report.learnt import MOST, shown_learners
from tests.report.groups import group_of

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
COUNTS = {"relu": (5000, 5020, 4990), "swish": (5010, 5000, 5030), "pwlu": (5600, 5590, 5610)}


@pytest.fixture
def made(
    make_recipe: MakeRecipe, make_run: MakeRun, with_curves: Callable[..., RunRecord]
) -> Callable[..., tuple[Group, list[RunRecord]]]:
    """A comparison of those counts with its records; the arms of `learning` have a history with curves."""

    def make(
        counts: dict[str, tuple[int | None, ...]], learning: tuple[str, ...] = (), **fields: Any
    ) -> tuple[Group, list[RunRecord]]:
        recipe = make_recipe(arms=[{"name": name, "activation": name} for name in counts], **fields)
        records = [
            make_run(recipe, arm, seed, correct)
            for arm, values in counts.items()
            for seed, correct in enumerate(values)
            if correct
        ]
        logs = tuple(
            SiteLog(site=site, values={"theta": [1.0, 1.1], "omega": [0.0]}) for site in ("a.act", "b.act")
        )
        grown = [
            with_curves(record, epochs=(0, 3), sites=("a.act", "b.act"))
            if record.arm.name in learning
            else record
            for record in records
        ]
        told = [
            record.model_copy(
                update={"history": tuple(e.model_copy(update={"activations": logs}) for e in record.history)}
            )
            for record in grown
        ]
        return group_of(recipe, counts, make_run), told

    return make


def test_what_the_records_hold_is_drawn_and_told(
    made: Callable[..., tuple[Group, list[RunRecord]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, records = made(COUNTS, learning=("pwlu",))
    drawn: list[str] = []

    def noted(draw: "partial[object]") -> str:
        drawn.append(draw.func.__name__)
        return "<svg></svg>"

    monkeypatch.setattr("actbench.report.drawings.svg", noted)
    drawings = {drawing.key: drawing for drawing in draw(group, records)}
    assert list(drawings) == ["curves", "seeds", "pareto", "params1", "shapes1"]
    assert drawn == ["draw_curves", "draw_seeds", "draw_pareto", "draw_params", "draw_shapes"]
    assert drawings["curves"].caption.startswith(
        "Training loss after each epoch: the mean over seeds, with the range"
    )
    assert drawings["seeds"].alternative == (
        "Dots per arm, from the lowest seed to the highest: relu 49.90 to 50.20, mean 50.03; swish 50.00 to 50.30, "
        "mean 50.13; pwlu 55.90 to 56.10, mean 56.00."
    )
    assert (
        "Marked: relu, swish and pwlu, which none beats in both at once, by means alone."
        in drawings["pareto"].caption
    )
    assert drawings["params1"].caption.startswith(
        "theta, omega after each epoch at each site of the network, every seed. Trend of the paper: theta falls"
    )
    assert drawings["shapes1"].alternative == "2 panels, one for each site of the network."


def test_figures_are_whole(made: Callable[..., tuple[Group, list[RunRecord]]]) -> None:
    group, records = made({name: COUNTS[name] for name in ("relu", "pwlu")})
    seeds, pareto = draw(group, records)
    assert (seeds.narrow, pareto.narrow) == (True, True)
    assert all("</svg>" in drawing.svg for drawing in (seeds, pareto))


def test_without_a_value_there_is_no_figure(made: Callable[..., tuple[Group, list[RunRecord]]]) -> None:
    group, records = made({"relu": (None,), "swish": (None,)})
    assert draw(group, records) == ()


def test_of_many_arms_those_of_the_largest_means_show_what_they_learnt(
    made: Callable[..., tuple[Group, list[RunRecord]]],
) -> None:
    learners = ("pwlu", "prelu", "acon_c", "sqish")
    counts = {**COUNTS, "prelu": (5700,) * 3, "acon_c": (5100,) * 3, "sqish": (5800,) * 3}
    group, records = made(counts, learning=learners)
    found = shown_learners(group, records)
    assert [learner.arm for learner in found] == ["sqish", "prelu", "pwlu"]
    assert [learner.number for learner in found] == list(range(1, MOST + 1))
    assert all(learner.shapes is not None and learner.shapes.seed == 0 for learner in found)
