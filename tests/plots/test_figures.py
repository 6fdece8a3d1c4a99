"""The figures of several runs: what they draw and say, what they admit, and always the same bytes."""

import random
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from actbench.comparison import Group
from actbench.metrics import METRICS
from actbench.plots.arms import arm_points, axis_name, cost_name
from actbench.plots.curves import draw_curves
from actbench.plots.figure import SUFFIXES, Suffix, render, style
from actbench.plots.learning import Quantity, arm_curves
from actbench.plots.looks import LOOKS, looks
from actbench.plots.parameters import logged_names, parameter
from actbench.plots.params import draw_params
from actbench.plots.pareto import draw_pareto
from actbench.plots.seeds import draw_seeds
from actbench.plots.subject import Subject, subject_of, subject_of_group
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.setting import setting_of

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
MakeGroup = Callable[..., Group]

ARMS = ("relu", "swish", "lslu")


class Made(NamedTuple):
    recipe: Recipe
    runs: list[RunRecord]


@pytest.fixture
def made(make_recipe: MakeRecipe, make_run: MakeRun, with_history: MakeRun) -> Made:
    """Three arms over three seeds; the last of lslu diverged after its second epoch."""
    recipe = make_recipe(arms=[{"name": arm, "activation": arm} for arm in ARMS])
    runs = []
    for place, arm in enumerate(ARMS):
        for seed in (0, 1, 2):
            diverged = (arm, seed) == ("lslu", 2)
            epochs = 2 if diverged else 3
            run = make_run(
                recipe,
                arm,
                seed,
                5000 + 300 * place + 40 * seed,
                status="diverged" if diverged else "completed",
            )
            logs = [
                {"stem.act": {"theta": [1 - 0.1 * e, 1 - 0.2 * e], "omega": [0.0, 0.1 * e]}}
                for e in range(epochs)
            ]
            losses = [3.0 - e - 0.1 * seed for e in range(epochs)]
            val = [20 + 10 * e + place + seed for e in range(epochs)]
            runs.append(with_history(run, losses, val, logs=logs if arm == "lslu" else ()))
    return Made(recipe, runs)


def _subject(made: Made) -> Subject:
    names = [arm.name for arm in made.recipe.arms]
    return subject_of(setting_of(made.recipe), [run.seed for run in made.runs], made.recipe.baselines, names)


def _curves(made: Made, width: float = 6.6, names: Sequence[str] = ARMS) -> Any:
    metric = METRICS["top1_accuracy"]
    quantities: tuple[Quantity, ...] = ("loss", "val")
    curves = {quantity: arm_curves(made.runs, quantity, metric, arms=names) for quantity in quantities}
    return draw_curves(_subject(made), curves, metric, width=width)


def _seeds(group: Group, width: float = 3.3) -> Any:
    return draw_seeds(subject_of_group(group), arm_points(group), axis_name(group), width=width)


def _pareto(group: Group, width: float = 3.3) -> Any:
    return draw_pareto(
        subject_of_group(group),
        arm_points(group),
        "time",
        axis=axis_name(group),
        cost_axis=cost_name(group, "time"),
        width=width,
    )


def _params(made: Made, width: float = 6.6) -> Any:
    runs = [run for run in made.runs if run.arm.name == "lslu"]
    parameters = [parameter(name, runs) for name in logged_names(runs)]
    return draw_params(_subject(made), "lslu", parameters, ["A note"], width=width)


def _legend(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _lines(panel: Any) -> Any:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in panel.get_lines()]


def test_curves_show_mean_range_and_where_a_run_diverged(made: Made) -> None:
    with style():
        figure = _curves(made)
    loss, val = figure.axes
    assert (loss.get_ylabel(), val.get_ylabel()) == ("training loss", "validation accuracy (%)")
    assert ([1, 2, 3], pytest.approx([21, 31, 41])) in _lines(val), "relu's mean of 20, 21, 22 and so on"
    assert ([1, 2, 3], pytest.approx([22.5, 32.5, 42.5])) in _lines(val), "lslu's, of the two that completed"
    assert ([1, 2], pytest.approx([24, 34])) in _lines(val), "and the third, to its end"
    assert ([2], pytest.approx([34])) in _lines(val), "which is marked"
    band = val.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == pytest.approx((20, 42))
    assert _legend(figure) == [
        "relu",
        "swish",
        "lslu (1/3 diverged)",
        "lowest to highest of 2 to 3 seeds",
        "a run diverged",
    ]
    assert figure.get_suptitle().replace("\N{NO-BREAK SPACE}", " ") == (
        "Training curves: VanillaNet-5 x0.125 on CIFAR-100\n"
        "recipe lslu_c100, profile lite, 30 epochs, n = 3 seeds"
    )


def test_one_seed_has_no_band_and_says_so(made: Made) -> None:
    with style():
        figure = _curves(Made(made.recipe, [run for run in made.runs if run.seed == 0]))
    assert "one seed: no band" in _legend(figure)
    assert not figure.axes[0].collections
    assert "1\N{NO-BREAK SPACE}seed" in figure.get_suptitle()


def test_many_arms_have_a_panel_each(
    make_recipe: MakeRecipe, make_run: MakeRun, with_history: MakeRun
) -> None:
    names = [f"arm{i}" for i in range(12)]
    recipe = make_recipe(arms=[{"name": name, "activation": "relu"} for name in names], baselines=["arm3"])
    runs = [with_history(make_run(recipe, name, 0), [2.0, 1.0], [30, 40]) for name in names[:-1]]
    runs.append(with_history(make_run(recipe, "arm11", 0, status="diverged"), []))
    with style():
        figure = _curves(Made(recipe, runs), names=["arm3", *(name for name in names if name != "arm3")])
    panels = [panel for panel in figure.axes if panel.axison]
    assert [panel.get_title() for panel in panels][:2] == ["arm3", "arm0"]
    assert panels[-1].get_title() == "arm11\n(1/1 diverged)"
    assert [text.get_text() for text in panels[-1].texts] == ["in the first epoch"]
    assert "validation accuracy" in figure.get_suptitle()


def test_every_seed_is_a_dot_and_the_best_arm_on_top(made: Made, make_group: MakeGroup) -> None:
    group = make_group(made.recipe, made.runs)
    with style():
        figure = _seeds(group)
    (panel,) = figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["lslu (1/3 diverged)", "swish", "relu"]
    drawn = _lines(panel)
    for place, values in ((0, (56, 56.4)), (1, (53, 53.4, 53.8)), (2, (50, 50.4, 50.8))):
        dots = [x[0] for x, y in drawn if len(x) == 1 and y == [place]]
        assert sorted(dots) == pytest.approx(sorted([*values, sum(values) / len(values)]))
    joined = [x for x, y in drawn if y == [0, 1, 2]]
    assert joined[0] == pytest.approx([56, 53, 50]), "seed 0 from arm to arm"
    assert joined[2] == pytest.approx([float("nan"), 53.8, 50.8], nan_ok=True), "what diverged has no value"
    assert _legend(figure) == ["seed 0", "seed 1", "seed 2", "mean, 95 % t interval", "mean of relu"]
    assert panel.get_xlabel() == "test accuracy (%)"


def test_an_interval_that_leaves_the_axis_has_an_arrow(made: Made, make_group: MakeGroup) -> None:
    runs = [run for run in made.runs if run.seed < 2]
    group = make_group(made.recipe, runs)
    with style():
        (panel,) = _seeds(group).axes
    low, high = panel.get_xlim()
    ends = [line.get_marker() for line in panel.get_lines()]
    interval = arm_points(group)[0].interval
    assert interval is not None
    assert interval.low > low, "of the arm in the middle of the scale all is seen"
    assert ends.count("<") + ends.count(">") == sum(
        (arm.interval.low < low) + (arm.interval.high > high) for arm in arm_points(group) if arm.interval
    )


def test_what_shares_no_seeds_is_not_joined(made: Made, make_group: MakeGroup) -> None:
    group = make_group(made.recipe, made.runs)
    with style():
        apart = draw_seeds(subject_of_group(group, shares_seeds=False), arm_points(group), "x")
    assert all(len(y) < 3 for _, y in _lines(apart.axes[0])[1:])


def test_pareto_marks_what_no_arm_beats_and_names_all(made: Made, make_group: MakeGroup) -> None:
    group = make_group(made.recipe, made.runs)
    with style():
        figure = _pareto(group)
    (panel,) = figure.axes
    assert {text.get_text() for text in panel.texts} == {"relu", "swish", "lslu (1/3 diverged)"}
    marks = [
        (line.get_marker(), line.get_ydata()[0]) for line in panel.get_lines() if line.get_marker() in "oD"
    ]
    assert {round(float(y), 1): m for m, y in marks} == {50.4: "D", 53.4: "D", 56.2: "D"}
    assert panel.get_xlabel() == "time of an update, over relu's"


def test_params_have_a_panel_per_site_and_parameter(made: Made) -> None:
    with style():
        figure = _params(made)
    theta, omega = figure.axes
    assert (theta.get_ylabel(), omega.get_ylabel(), theta.get_title()) == ("theta", "omega", "stem.act")
    assert ([0, 1, 2, 3], pytest.approx([1, 1, 0.8, 0.6])) in _lines(theta)
    assert _legend(figure) == ["seed 0", "seed 1", "seed 2", "the run diverged"]
    assert "a line per term" in figure.get_suptitle()
    assert figure.get_suptitle().endswith("\nA note")


def test_synthetic_imported_and_altered_say_so(make_recipe: MakeRecipe) -> None:
    data = {"name": "synthetic", "num_classes": 4, "channels": 3, "size": 32, "train": 80, "test": 32}
    recipe = make_recipe(data=data, profile="smoke")
    words = subject_of(setting_of(recipe, is_altered=True), [0]).runs().replace("\N{NO-BREAK SPACE}", " ")
    assert "settings other than the recipe's" in words
    assert words.endswith("; synthetic data: shows the tool, not the activation")


def test_no_two_looks_are_alike_in_grey_print() -> None:
    assert len({look.dash for look in LOOKS} | {look.marker for look in LOOKS}) > len(LOOKS)
    assert len({(look.dash, look.marker) for look in LOOKS}) == len(LOOKS)
    assert len({look.marker for look in LOOKS}) == len(LOOKS)
    given = looks(["a", "relu", "b"], ["relu"])
    assert given["relu"] == LOOKS[0]
    assert given["a"] == LOOKS[1]


@pytest.mark.parametrize("kind", ["curves", "seeds", "pareto", "params"])
def test_the_same_runs_in_any_order_give_the_same_bytes(kind: str, made: Made, make_group: MakeGroup) -> None:
    def files(runs: list[RunRecord], suffixes: Sequence[Suffix]) -> list[bytes]:
        with style():
            again = Made(made.recipe, runs)
            if kind in ("curves", "params"):
                figure = _curves(again) if kind == "curves" else _params(again)
            else:
                group = make_group(made.recipe, runs)
                figure = _seeds(group) if kind == "seeds" else _pareto(group)
            return [render(figure, suffix) for suffix in suffixes]

    shuffled = list(made.runs)
    random.Random(5).shuffle(shuffled)
    suffixes: Sequence[Suffix] = SUFFIXES if kind == "seeds" else (".svg",)
    assert files(shuffled, suffixes) == files(made.runs, suffixes)


def test_files_hold_no_date_and_letters_stay_letters(made: Made, make_group: MakeGroup) -> None:
    with style():
        figure = _seeds(make_group(made.recipe, made.runs))
        png, svg, pdf = (render(figure, suffix) for suffix in SUFFIXES)
    assert png.startswith(b"\x89PNG")
    assert b"<text" in svg
    assert not re.search(rb"<dc:date>|CreationDate", svg + pdf)
    streams = [_unpacked(part) for part in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)]
    assert b"/Type3" not in pdf + b"".join(streams)
    assert b"/FontFile2" in pdf + b"".join(streams), "TrueType, embedded"


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


@pytest.mark.parametrize("width", [2.5, 6.6])
def test_nothing_is_cut_off_at_any_width(width: float, made: Made, make_group: MakeGroup) -> None:
    group = make_group(made.recipe, made.runs)
    with style():
        figures = [_curves(made, width), _seeds(group, width), _pareto(group, width), _params(made, width)]
        for figure in figures:
            page = figure.bbox
            seen = figure.get_tightbbox()
            assert figure.get_figwidth() == width
            assert seen.x0 >= -0.02
            assert seen.x1 * figure.dpi <= page.x1 + 0.02 * figure.dpi
            assert seen.y0 >= -0.02
            assert seen.y1 * figure.dpi <= page.y1 + 0.02 * figure.dpi
