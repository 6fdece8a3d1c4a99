"""The figure of learnt curves: what it draws, on what, and always the same bytes."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actbench.errors import ActbenchError
from actbench.plots.figure import render, style
from actbench.plots.shapes import draw_shapes, drawn_epochs
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
MakeCurves = Callable[..., RunRecord]


@pytest.fixture
def record(make_recipe: MakeRecipe, make_run: MakeRun, with_curves: MakeCurves) -> RunRecord:
    return with_curves(make_run(make_recipe(), "swish", 1), epochs=(0, 2, 29), sites=("stem.act", "late.act"))


def _lines(panel: Any) -> list[tuple[Sequence[float], Sequence[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in panel.get_lines()]


def _panels(record: RunRecord, wanted: Sequence[int] = (), *, minus_relu: bool = False) -> list[Any]:
    with style():
        figure = draw_shapes(record, drawn_epochs(record, wanted), minus_relu=minus_relu)
        return [panel for panel in figure.axes if panel.axison]


def test_one_panel_per_site_with_every_measured_epoch(record: RunRecord) -> None:
    panels = _panels(record)
    assert [panel.get_title() for panel in panels] == ["stem.act", "late.act"]
    shapes = [epoch.shapes[0] for epoch in record.history if epoch.shapes]
    drawn = _lines(panels[0])
    assert drawn[0] == ([shapes[-1].left, 0, shapes[-1].right], [0, 0, shapes[-1].right]), "ReLU"
    for shape in shapes:
        assert (shape.grid(), list(shape.mean)) in drawn
    for curve in shapes[-1].channels.values():
        assert (shapes[-1].grid(), list(curve)) in drawn
    bounds = [line for line in drawn if len(line[0]) == 2]
    assert [x[0] for x, _ in bounds] == [-2.5, 3.5], "PWLU's bounds as the log has them"


def test_the_density_is_that_of_the_last_epoch(record: RunRecord) -> None:
    (steps,) = [patch for patch in _panels(record)[1].patches if hasattr(patch, "get_data")]
    shape = record.history[-1].shapes[1]
    values, edges, _ = steps.get_data()
    assert list(edges) == shape.grid()
    assert [value / max(values) for value in values] == pytest.approx(
        [share / max(shape.density) for share in shape.density]
    )


def test_only_the_wanted_epochs(record: RunRecord) -> None:
    drawn = _lines(_panels(record, [3])[0])
    shapes = record.history[2].shapes[0]
    assert (shapes.grid(), list(shapes.mean)) in drawn
    assert list(record.history[29].shapes[0].mean) not in [y for _, y in drawn]
    with pytest.raises(
        ActbenchError, match=r"no curves were measured after epoch 4 .*\n .*after epochs 1, 3, 30"
    ):
        drawn_epochs(record, [4])


def test_distance_from_relu(record: RunRecord) -> None:
    shape = record.history[-1].shapes[0]
    distance = [y - max(x, 0) for x, y in zip(shape.grid(), shape.mean, strict=True)]
    drawn = _lines(_panels(record, minus_relu=True)[0])
    assert drawn[0][1] == [0, 0, 0]
    assert (shape.grid(), distance) in drawn


def test_title_and_legend_name_the_run_and_what_is_drawn(record: RunRecord) -> None:
    with style():
        figure = draw_shapes(record, drawn_epochs(record))
    assert figure.get_suptitle() == (
        "Learnt curves of swish in VanillaNet-5 x0.125 on CIFAR-100 after epoch 30 of 30\n"
        "recipe lslu_c100, profile lite, arm swish, seed 1; lines are means over channels"
    )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "epoch 1",
        "epoch 3",
        "epoch 30",
        "10 to 90 % of channels",
        "single channels",
        "range, mean bounds",
        "ReLU",
        "input, own scale",
    ]


def test_what_is_synthetic_or_did_not_end_says_so(
    make_recipe: MakeRecipe, make_run: MakeRun, with_curves: MakeCurves
) -> None:
    data = {"name": "synthetic", "num_classes": 4, "channels": 3, "size": 32, "train": 80, "test": 32}
    run = make_run(make_recipe(data=data, profile="smoke"), "swish", 0, status="diverged")
    record = with_curves(run, epochs=(0,), sites=("act",), spread=0.0)
    with style():
        figure = draw_shapes(record, drawn_epochs(record))
    title = figure.get_suptitle().replace("\n", " ")
    assert "seed 0, diverged after epoch 1; generated images, no result" in title
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "10 to 90 % of channels" not in texts, "channels that share a curve have no band"


@pytest.mark.parametrize("sites", [1, 19, 49])
def test_any_number_of_sites_fits(
    sites: int, make_recipe: MakeRecipe, make_run: MakeRun, with_curves: MakeCurves
) -> None:
    names = tuple(f"layer{i}.act" for i in range(sites))
    record = with_curves(make_run(make_recipe(), "swish", 0), epochs=(0,), sites=names)
    assert [panel.get_title() for panel in _panels(record)] == list(names)


def test_the_same_record_gives_the_same_bytes_whatever_the_users_settings(record: RunRecord) -> None:
    import matplotlib as mpl

    def files() -> list[bytes]:
        with style():
            figure = draw_shapes(record, drawn_epochs(record))
            return [render(figure, ".svg"), render(figure, ".png")]

    first = files()
    with mpl.rc_context({"axes.facecolor": "red", "svg.hashsalt": None, "font.size": 20}):
        assert files() == first
        with style():
            figure = draw_shapes(record, drawn_epochs(record))
            assert [render(figure, ".png"), render(figure, ".svg")] == first[::-1], "in whatever order"
        assert mpl.rcParams["font.size"] == 20, "the user's settings stand again"
    assert first[0].startswith(b"<?xml")
    assert not re.search(rb"<dc:date>", first[0])
    assert first[1].startswith(b"\x89PNG")
