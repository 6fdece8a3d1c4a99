"""What a report says against its own answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actbench.comparison import Group
from actbench.footing import Mismatch
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.report.limits import limits
from actbench.stats import Interval
from tests.report.groups import Counts, group_of

MakeGroup = Callable[..., Group]
WHOLE = {"relu": (5000, 5020, 4990), "swish": (5010, 5000, 5030), "lslu": (5600, 5590, 5610)}


@pytest.fixture
def group(make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> MakeGroup:
    """The comparison of `counts` under profile paper; keywords replace the recipe's fields."""

    def make(counts: Counts, **fields: Any) -> Group:
        arms = [{"name": name, "activation": name} for name in fields.pop("names", counts)]
        return group_of(make_recipe(**{"arms": arms, "profile": "paper", **fields}), counts, make_run)

    return make


def test_complete_runs_under_profile_paper_leave_nothing_to_say(group: MakeGroup) -> None:
    assert limits(group(WHOLE)) == []


def test_diverged_runs_are_counted_by_arm(group: MakeGroup) -> None:
    found = limits(group({**WHOLE, "lslu": (5600, None, None), "swish": (None, None, None)}))
    assert found[0] == (
        "Diverged: 3 of 3 runs of swish and 2 of 3 runs of lslu. A mean is over the runs that did not, which flatters "
        "the arm."
    )
    assert (
        "One seed of lslu: no interval and no test, and a second seed may turn any difference round." in found
    )


def test_missing_runs_are_named_by_seed(group: MakeGroup) -> None:
    counts = {"relu": (5000, 5010, 5020), "lslu": (5600, 5610)}
    assert limits(group(counts, names=("relu", "swish", "lslu"))) == [
        "Not finished: swish (seeds 0, 1, 2) and lslu (seed 2)."
    ]


def test_one_seed_throughout(group: MakeGroup) -> None:
    (found,) = limits(group({name: values[:1] for name, values in WHOLE.items()}, seeds=[0]))
    assert found == "One seed: no interval and no test, and a second seed may turn any difference round."


def test_what_only_the_seeds_show_is_told(group: MakeGroup) -> None:
    compared = group(WHOLE)
    rows = tuple(
        replace(
            row, gaps=tuple(replace(gap, over_examples=lambda: Interval(-0.01, 0.12)) for gap in row.gaps)
        )
        if row.name == "lslu"
        else row
        for row in compared.rows
    )
    assert limits(replace(compared, rows=rows)) == [
        "Over seeds alone the interval excludes zero for lslu and relu and lslu and swish; over seeds and test "
        "examples, both taken as samples, it does not."
    ]


def test_synthetic_data_say_nothing(group: MakeGroup) -> None:
    found = limits(group(WHOLE, profile="smoke", data={"name": "synthetic"}))
    assert (
        found[0] == "The data are synthetic: no number here says anything about an activation on real data."
    )


def test_a_reduced_profile_is_a_stand_in_where_a_paper_is_behind_it(group: MakeGroup) -> None:
    scale = "Profile lite: 30 epochs of VanillaNet-5 x0.125 on CIFAR-100"
    assert limits(group(WHOLE, profile="lite")) == [f"{scale}; longer training may order the arms otherwise."]
    assert limits(group(WHOLE, profile="lite", paper="lslu")) == [
        f"{scale}, a stand-in for the paper's setting; what is found here need not hold there."
    ]


def test_the_protocol_that_looks_at_the_test_set_is_named(group: MakeGroup) -> None:
    compared = group(WHOLE, evaluation={"protocol": "best-test"})
    assert limits(compared) == [
        "Protocol best-test: there was no validation set, and the test set was looked at as training went."
    ]
    rows = tuple(replace(row, optimism=0.012) for row in compared.rows)
    assert limits(replace(compared, which="best_test", rows=rows)) == [
        "Values are the best on the test set itself, which is optimistic by up to 1.20 points over the last epoch."
    ]


def test_imported_numbers_are_not_audited(group: MakeGroup) -> None:
    compared = group(WHOLE)
    imported = replace(compared.setting, profile=None, source="runs.csv")
    assert limits(replace(compared, setting=imported, plan=None)) == [
        "Footing not audited: the numbers were imported from runs.csv, and nobody checked that the arms share data, "
        "settings and starts."
    ]


def test_unequal_footing_is_said_first(group: MakeGroup) -> None:
    mismatch = Mismatch(seeds={"lslu": (0, 1)}, difference="train.lr 0.1 / 0.2")
    compared = group(WHOLE, profile="lite")
    found = limits(replace(compared, mismatches=(mismatch,)))
    assert found[0] == (
        "Footing differs: lslu seed 0, 1 were trained otherwise than the others (train.lr 0.1 / 0.2); what differs in "
        "their numbers may be that, and not the activation."
    )


def test_settings_that_are_not_the_recipes_are_said(group: MakeGroup) -> None:
    compared = group(WHOLE)
    assert limits(replace(compared, setting=replace(compared.setting, is_altered=True))) == [
        "Settings are not the recipe's as it stands: overridden, or the recipe was edited since."
    ]


def test_baselines_that_are_no_arms_are_named(group: MakeGroup) -> None:
    counts = {name: WHOLE[name] for name in ("relu", "lslu")}
    assert limits(group(counts)) == ["Not among these arms, so not compared with: Swish."]


def test_an_activation_that_never_left_its_start(group: MakeGroup) -> None:
    compared = group({**WHOLE, "pwlu": (5600, 5590, 5610)}, train={"epochs": 1, "lr": 0.1})
    assert limits(compared) == ["pwlu ended before its activation left its start."]
