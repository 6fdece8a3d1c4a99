"""Controls as arms: what is equal to the other arm, what stays the baseline's, and what is said where none can be."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from actbench.errors import ActbenchError
from actbench.fair.controls import Measured, Pair, control_arms, control_in, pairs, step_times, with_slots
from actbench.fair.naming import derived_recipe, tuned_name
from actbench.models.catalog import ArmModel
from actbench.recipe.schema import Arm, ArmTrain, Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
ARMS: list[dict[str, Any]] = [
    {"name": "relu", "activation": "relu"},
    {"name": "swish", "activation": "swish"},
    {"name": "lslu", "activation": "lslu", "options": {"n": 2}},
    {"name": "pwlu", "activation": "pwlu"},
]
TIMES = {"relu": 0.01, "swish": 0.0125, "lslu": 0.0245, "pwlu": 0.01}
VIT = {"name": "vit", "image_size": 32, "patch": 8, "width": 16, "depth": 2, "heads": 2}


def arms_by_name(
    recipe: Recipe,
    tuned: Mapping[str, Arm] | None = None,
    widths: Mapping[Pair, ArmModel] | None = None,
    times: Mapping[str, float] | None = None,
) -> dict[str, Arm]:
    measured = Measured(widths=widths or {}, step_time_s=times or TIMES)
    return {arm.name: arm for arm in control_arms(recipe, tuned or {}, measured)}


def test_there_is_a_control_of_each_kind_for_each_baseline_and_each_other_arm(
    make_recipe: MakeRecipe,
) -> None:
    recipe = make_recipe(controls=["params", "slot"])
    assert [pair.name for pair in pairs(recipe)] == [
        f"{baseline}.{control}.{candidate}"
        for candidate in ("series", "lslu")
        for control in ("params", "slot")
        for baseline in ("relu", "swish")
    ]
    assert {pair.control for pair in pairs(recipe, "params", "macs")} == {"params"}
    assert pairs(make_recipe()) == ()


def test_equal_time_is_reached_within_half_an_epoch(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=ARMS, controls=["time"])
    made = arms_by_name(recipe)
    # 30 epochs of lslu take as long as 73.5 of relu and 58.8 of swish; pwlu's as 24 of swish.
    epochs = {name: arm.train.epochs for name, arm in made.items()}
    assert epochs == {"relu.time.lslu": 74, "swish.time.lslu": 59, "swish.time.pwlu": 24}
    for name, count in epochs.items():
        baseline, _, candidate = name.split(".")
        assert count is not None
        assert abs(count * TIMES[baseline] - 30 * TIMES[candidate]) <= TIMES[baseline] / 2 + 1e-12
    assert recipe.trained_as(made["relu.time.lslu"]).model.model_dump()["decay_epochs"] == 25  # 10 * 74 / 30


def test_equal_time_counts_the_epochs_that_the_other_arm_has(make_recipe: MakeRecipe) -> None:
    arms = [*ARMS[:2], {**ARMS[2], "train": {"epochs": 10}}]
    made = arms_by_name(make_recipe(arms=arms, controls=["time"]))
    assert {name: arm.train.epochs for name, arm in made.items()} == {
        "relu.time.lslu": 24,  # 10 * 2.45 = 24.5, to even
        "swish.time.lslu": 20,
    }


def test_an_arm_that_would_train_for_longer_than_can_be_said_is_an_error(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=ARMS, controls=["time"])
    with pytest.raises(
        ActbenchError, match=r"relu.time.lslu: an update of lslu takes 1e\+03 times as long, which"
    ):
        arms_by_name(recipe, times={**TIMES, "lslu": 10.0})


def test_a_slot_holds_the_baselines_curve_and_takes_its_measure_from_the_arm(make_recipe: MakeRecipe) -> None:
    made = arms_by_name(make_recipe(arms=ARMS, controls=["slot"]))
    assert {name: (arm.activation, arm.options.model_dump()) for name, arm in made.items()} == {
        "relu.slot.lslu": ("slot_depthwise", {"inner": "relu", "n": 2}),
        "swish.slot.lslu": ("slot_depthwise", {"inner": "swish", "n": 2}),
    }  # pwlu is a curve alone


@pytest.mark.parametrize(
    ("candidate", "activation", "options"),
    [
        ({"activation": "swiglu"}, "slot_gated", {"inner": "relu"}),
        (
            {"activation": "gr_kan", "options": {"groups": 4}, "model": {"feed_forward": "kat"}},
            "slot_groups",
            {"inner": "relu", "groups": 4},
        ),
        ({"activation": "rational", "model": {"feed_forward": "kat"}}, "relu", {}),
        ({"activation": "gelu", "sites": ["blocks.0.*"], "fill": "leaky_relu"}, "relu", {}),
    ],
)
def test_a_slot_is_the_arms_place_too(
    make_recipe: MakeRecipe, candidate: dict[str, Any], activation: str, options: dict[str, Any]
) -> None:
    arms = [{"name": "relu", "activation": "relu"}, {"name": "mine", **candidate}]
    recipe = make_recipe(arms=arms, controls=["slot"], model=VIT, input={"size": 32})
    made = arms_by_name(recipe)["relu.slot.mine"]
    mine = recipe.arm("mine")
    assert (made.activation, made.options.model_dump()) == (activation, options)
    assert (made.sites, made.fill, made.model) == (mine.sites, mine.fill, mine.model)
    # What validates the recipe of controls is what validates any.
    Recipe.model_validate(
        {**recipe.model_dump(mode="json"), "arms": [made.model_dump(mode="json")], "controls": []}
    )


def test_a_baseline_that_stands_in_the_slot_takes_the_arms_measure_of_it(make_recipe: MakeRecipe) -> None:
    arms = [
        {"name": "series", "activation": "series", "options": {"base": "silu"}},
        {"name": "lslu", "activation": "lslu", "options": {"n": 5, "freeze": True}},
        {"name": "other", "activation": "lslu_parallel", "options": {"n": 3}},
        {"name": "window", "activation": "frelu"},
    ]
    made = arms_by_name(make_recipe(arms=arms, baselines=["series"], controls=["slot"]))
    assert {name: (arm.activation, arm.options.model_dump()) for name, arm in made.items()} == {
        "series.slot.lslu": ("series", {"n": 5, "base": "silu"}),
        "series.slot.window": ("series", {"n": 1, "base": "silu"}),
    }  # beside other, of n = 3, series is its own control


def test_what_the_network_calls_its_own_has_a_slot_like_any(make_recipe: MakeRecipe) -> None:
    arms = [{"name": "relu", "activation": "relu"}, {"name": "own", "activation": "native"}]
    made = arms_by_name(make_recipe(arms=arms, controls=["slot"]))  # VanillaNet's own is series
    assert made["relu.slot.own"].activation == "slot_depthwise"
    model = {"name": "resnet_cifar"}
    arms = [{"name": "own", "activation": "native"}, {"name": "lslu", "activation": "lslu"}]
    made = arms_by_name(make_recipe(arms=arms, model=model, baselines=["own"], controls=["slot"]))
    assert made["own.slot.lslu"].options.model_dump() == {"inner": "relu", "n": 3}


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"activation": "dyrelu"}, "base.slot.lslu: no slot can hold 'dyrelu', the activation of base"),
        (
            {"activation": "leaky_relu", "options": {"negative_slope": 0.8}},
            "base.slot.lslu: a slot holds 'leaky_relu' with its default options alone, and base has negative_slope=0.8",
        ),
    ],
)
def test_a_baseline_that_no_slot_holds_is_an_error(
    make_recipe: MakeRecipe, baseline: dict[str, Any], message: str
) -> None:
    recipe = make_recipe(arms=[{"name": "base", **baseline}, ARMS[2]], baselines=["base"], controls=["slot"])
    with pytest.raises(ActbenchError, match=message) as caught:
        arms_by_name(recipe)
    assert "leave slot out of controls" in str(caught.value)


def test_widths_go_into_the_arm_and_none_means_no_run(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=ARMS, controls=["params", "macs"])
    matched = {pair: ArmModel() for pair in pairs(recipe)}
    matched[Pair("relu", "params", "lslu")] = ArmModel(widths=(72, 136, 256, 512))
    made = arms_by_name(recipe, widths=matched)
    assert list(made) == ["relu.params.lslu"]
    assert made["relu.params.lslu"].model.widths == (72, 136, 256, 512)
    assert recipe.model_of(made["relu.params.lslu"]).model_dump()["widths"] == (72, 136, 256, 512)


def test_controls_are_made_of_the_tuned_arms(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=ARMS[:3], controls=["params", "time", "slot"])
    tuned = {
        "relu": Arm(name=tuned_name("relu"), activation="relu", train=ArmTrain(lr=0.03)),
        "lslu": recipe.arm("lslu").model_copy(update={"name": tuned_name("lslu"), "train": ArmTrain(lr=0.2)}),
    }
    matched = dict.fromkeys(pairs(recipe, "params"), ArmModel(widths=(72, 136, 256, 512)))
    made = arms_by_name(recipe, tuned, matched)
    assert {name: arm.train.lr for name, arm in made.items()} == {
        "relu.params.lslu": 0.03,
        "swish.params.lslu": None,
        "relu.time.lslu": 0.03,
        "swish.time.lslu": None,
        "relu.slot.lslu": 0.03,
        "swish.slot.lslu": None,
    }


def test_a_control_of_two_arms_is_one_run_and_is_found_under_both_names(make_recipe: MakeRecipe) -> None:
    arms = [*ARMS, {"name": "sum", "activation": "lslu_parallel", "options": {"n": 2}}]
    recipe = make_recipe(arms=arms, controls=["slot", "params"])
    made = arms_by_name(recipe, widths=dict.fromkeys(pairs(recipe, "params"), ArmModel()))
    assert {name: arm.stands_for for name, arm in made.items()} == {
        "relu.slot.lslu": ("relu.slot.sum",),
        "swish.slot.lslu": ("swish.slot.sum",),
    }
    plan = derived_recipe(recipe, "fair", tuple(made.values()))
    assert control_in(plan, Pair("relu", "slot", "sum")) == "relu.slot.lslu"
    assert control_in(plan, Pair("relu", "slot", "pwlu")) == "relu"  # nothing to control
    assert control_in(plan, Pair("relu", "time", "lslu")) is None  # not asked for
    tuned = derived_recipe(recipe, "fair", (Arm(name="relu.tuned", activation="relu"), *made.values()))
    assert control_in(tuned, Pair("relu", "params", "lslu")) == "relu.tuned"


def stored(*records: RunRecord) -> list[StoredRun]:
    return [StoredRun(Path("run.json"), record) for record in records]


def test_step_times_are_those_of_the_first_seed_whatever_comes_later(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(seeds=[3, 1], controls=["time"])
    names = [arm.name for arm in recipe.arms]
    first = [make_run(recipe, name, 3, step_time_s=0.01 * place) for place, name in enumerate(names, start=1)]
    later = [make_run(recipe, name, 1, step_time_s=1.0) for name in names]
    expected = {name: 0.01 * place for place, name in enumerate(names, start=1)}
    assert step_times(recipe, stored(*later, *first)) == step_times(recipe, stored(*first)) == expected
    # An arm that diverged at the first seed is timed at the second.
    diverged = [make_run(recipe, "lslu", 3, status="diverged"), *first[:3], *later]
    assert step_times(recipe, stored(*diverged)) == {**expected, "lslu": 1.0}


def test_times_of_two_machines_are_not_compared(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(controls=["time"])
    here = [make_run(recipe, name, 0) for name in ("relu", "swish", "series")]
    there = make_run(recipe, "lslu", 0, hardware="another processor")
    message = "lslu_c100: control time needs step times of all arms from completed runs on one machine"
    with pytest.raises(ActbenchError, match=message) as caught:
        step_times(recipe, stored(*here, there))
    assert "none of lslu beside the others'" in str(caught.value)
    with pytest.raises(ActbenchError, match="none of relu, swish, series, lslu"):
        step_times(recipe, [])


def test_time_is_equal_where_nobody_measured_a_difference(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=ARMS, controls=["time"])
    assert arms_by_name(recipe, times=dict.fromkeys(TIMES, math.pi)) == {}


def test_a_slot_control_that_was_tuned_has_its_own_rate(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(
        arms=[{"name": "relu", "activation": "relu"}, {"name": "lslu", "activation": "lslu"}],
        controls=["slot"],
    )
    (slot,) = control_arms(recipe, {}, Measured(widths={}, step_time_s={}))
    assert slot.name == "relu.slot.lslu"
    assert [arm.name for arm in with_slots(recipe).arms] == ["relu", "lslu", "relu.slot.lslu"]
    assert with_slots(recipe.model_copy(update={"controls": ("time",)})).arms == recipe.arms
    own = {
        name: arm.model_copy(update={"name": f"{name}.tuned", "train": ArmTrain(lr=lr)})
        for (name, arm), lr in zip(
            {**{a.name: a for a in recipe.arms}, slot.name: slot}.items(), (0.2, 0.3, 0.4), strict=True
        )
    }
    (tuned,) = control_arms(recipe, own, Measured(widths={}, step_time_s={}))
    assert (tuned.name, tuned.activation, tuned.train.lr) == ("relu.slot.lslu", slot.activation, 0.4)
