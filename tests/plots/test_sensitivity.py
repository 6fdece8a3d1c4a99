"""Sensitivity curves: which trials make the line, and a figure for many arms."""

import pytest

from actbench.fair.tuning import Trial
from actbench.metrics import METRICS
from actbench.plots.figure import render, style
from actbench.plots.sensitivity import TOGETHER, ArmSensitivity, draw_sensitivity
from actbench.plots.subject import subject_of
from actbench.recipe.load import load_recipe
from actbench.setting import setting_of

FACTOR = "arms.lslu.train.lr_factor"


def _trial(arm: str, lr: float, *accuracies: float, **settings: float) -> Trial:
    return Trial(
        arm=arm,
        settings={"train.lr": lr, **settings},
        accuracies=accuracies,
        loss=1.0,
        seconds=1.0,
        is_finished=True,
    )


def test_the_line_joins_the_best_at_each_rate_and_leaves_out_what_diverged() -> None:
    low, better = _trial("lslu", 0.1, 0.5, **{FACTOR: 1.0}), _trial("lslu", 0.1, 0.6, **{FACTOR: 3.0})
    half, lost = _trial("lslu", 0.3, 0.0, 0.4), _trial("lslu", 0.9, 0.0, 0.0)
    arm = ArmSensitivity(arm="lslu", trials=(lost, half, low, better), chosen=better)
    assert arm.line() == [better, half]
    assert arm.lost() == [0.9]


@pytest.mark.parametrize("number", [2, TOGETHER + 1])
def test_beyond_eight_arms_each_has_a_panel(number: int) -> None:
    (recipe,) = load_recipe("demo_digits").recipes
    names = [f"arm{i}" for i in range(number)]
    arms = []
    for place, name in enumerate(names):
        trials = tuple(_trial(name, lr, 0.5 + lr / 10 + place / 100) for lr in (0.01, 0.1, 1.0))
        arms.append(ArmSensitivity(arm=name, trials=trials, chosen=trials[-1]))
    subject = subject_of(setting_of(recipe), [1000], names[:1], names)
    with style():
        figure = draw_sensitivity(subject, arms, METRICS["top1_accuracy"], lr=0.1)
        drawn = [panel for panel in figure.axes if panel.lines]
        assert len(drawn) == (1 if number <= TOGETHER else number)
        assert render(figure, ".svg") == render(figure, ".svg")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("arm0, best at 1" in legend) == (number <= TOGETHER)
    assert "diverged" not in legend
