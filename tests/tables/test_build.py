from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.compare import Selection, compare
from actbench.footing import Origin
from actbench.papers.reported import load_papers
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.tables.build import build_tables
from actbench.tables.table import Cell, Table

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]


def table_of(plan: Recipe, runs: list[RunRecord], **options: Any) -> Table:
    selection = Selection(
        plan=plan,
        stored=tuple(StoredRun(Path("run.json"), run) for run in runs),
        origin=Origin(reference=plan.name, profile=plan.profile),
    )
    (table,) = build_tables(compare([selection], papers=load_papers(), **options))
    return table


def cell(table: Table, arm: str, column: str) -> Cell:
    place = [c.key for c in table.columns].index(column)
    return next(row for row in table.rows if row.arm == arm).cells[place]


def notes(table: Table) -> str:
    return "\n".join(note.text for note in table.notes)


def test_cells_round_and_sign_what_the_numbers_hold(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0, 1])
    # Mean 0.5 and 0.51; with one degree of freedom the half width is 12.706 standard errors, here of 0.01.
    counts = {"relu": (4900, 5100), "lslu": (5000, 5200)}
    table = table_of(
        recipe, [make_run(recipe, a, s, c) for a, cs in counts.items() for s, c in enumerate(cs)]
    )
    assert cell(table, "relu", "top1").text == "50.00 ± 12.71 (n=2)"
    assert cell(table, "lslu", "vs_relu").text == "+1.00 equal in all seeds"
    assert cell(table, "relu", "vs_relu").text == "-"
    assert cell(table, "lslu", "vs_swish").text == "-"
    assert cell(table, "lslu", "top1").numbers["mean"] == pytest.approx(0.51)
    assert cell(table, "lslu", "step_time").text == "2.40x"


@pytest.mark.parametrize(("correct", "text"), [(5000, "0.00"), (5001, "+0.01"), (4999, "-0.01")])
def test_a_zero_has_no_sign(correct: int, text: str, make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0])
    table = table_of(recipe, [make_run(recipe, "relu", 0, 5000), make_run(recipe, "lslu", 0, correct)])
    assert cell(table, "lslu", "vs_relu").text == text


def test_all_cells_of_a_column_have_the_same_numbers(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(paper="lslu")
    runs = [make_run(recipe, "lslu", 0), make_run(recipe, "relu", 0), make_run(recipe, "relu", 1)]
    table = table_of(recipe, runs)
    for place in range(len(table.columns)):
        assert len({tuple(row.cells[place].numbers) for row in table.rows}) == 1


def test_one_seed_is_said_to_have_no_interval(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[4])
    table = table_of(recipe, [make_run(recipe, arm, 4) for arm in ("relu", "swish", "series", "lslu")])
    assert cell(table, "relu", "top1").text == "50.00 (n=1)"
    assert "One seed: no interval.\n" in notes(table) + "\n"
    assert "Student-t" not in notes(table)
    assert table.caption.endswith("profile lite, 30 epochs, seed 4.")


def test_diverged_and_missing_runs_stand_in_the_cell(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0, 1, 2, 3, 4])
    runs = [make_run(recipe, "lslu", seed) for seed in (0, 1, 2)]
    runs += [make_run(recipe, "lslu", seed, status="diverged") for seed in (3, 4)]
    runs += [make_run(recipe, "relu", seed, status="diverged") for seed in range(4)]
    table = table_of(recipe, runs)
    assert cell(table, "lslu", "top1").text == "50.00 equal in all seeds (n=3) 2/5 diverged"
    assert cell(table, "relu", "top1").text == "4/4 diverged 1 missing"
    assert cell(table, "swish", "top1").text == "5 missing"
    assert "Incomplete, seeds still missing: relu 4; swish 0, 1, 2, 3, 4; series 0, 1, 2, 3, 4." in notes(
        table
    )


def test_the_papers_gain_stands_beside_its_own_baseline_alone(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(paper="lslu", table="lslu-table3-gain", claim="lslu-cifar100-gain", seeds=[0])
    table = table_of(recipe, [make_run(recipe, arm, 0) for arm in ("relu", "swish", "series", "lslu")])
    assert cell(table, "lslu", "vs_series").text == "0.00 (paper: +3.17)"
    assert cell(table, "lslu", "vs_relu").text == "0.00"
    assert cell(table, "lslu", "reported").text == "not found"
    assert cell(table, "relu", "reported").text == "-"
    assert cell(table, "lslu", "vs_series").numbers["reported"] == 3.17
    assert "that the baseline is series is assumed" in notes(table)
    assert "The claim: lslu over series by +3.17 points, VanillaNet on CIFAR-100" in notes(table)
    assert "A stand-in for the paper's setting: profile lite, 30 epochs, VanillaNet-5 x0.125" in notes(table)


def test_a_claim_of_which_only_the_direction_is_known_says_so(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(paper="pwlu", claim="pwlu-realignment", seeds=[0])
    table = table_of(recipe, [make_run(recipe, "relu", 0)])
    assert (
        "The claim: pwlu over fixed_3 by how much could not be read, a network not known on ImageNet-1K"
        in notes(table)
    )


def test_a_value_from_other_data_says_so(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(paper="lslu", table="lslu-table3-gain", data={"name": "digits"}, seeds=[0])
    table = table_of(recipe, [make_run(recipe, arm, 0) for arm in ("relu", "swish", "series", "lslu")])
    assert cell(table, "lslu", "vs_series").text == "0.00 (paper, CIFAR-100: +3.17)"


def test_a_reported_accuracy_is_shown_with_its_certainty(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(
        paper="lslu", profile="paper", data={"name": "imagenet"}, model={"name": "vanillanet", "depth": 9},
        input={"size": 224}, seeds=[0],
    )  # fmt: skip
    table = table_of(recipe, [make_run(recipe, "series", 0)])
    assert cell(table, "series", "reported").text == "79.87"
    assert "series in the paper, 79.87 on ImageNet-1K (vanillanet-imagenet); certainty: high." in notes(table)
    assert "stand-in" not in notes(table)


def test_synthetic_data_and_best_test_are_labelled(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(
        profile="smoke", data={"name": "synthetic"}, evaluation={"protocol": "best-test"}, seeds=[0]
    )
    table = table_of(recipe, [make_run(recipe, "relu", 0)])
    assert table.caption.startswith("Synthetic data: shows the tool, not the activation. ")
    assert table.facts["synthetic"] is True
    assert "Protocol best-test: no validation set" in notes(table)


def test_declared_differences_are_noted_and_marked(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    arms = [
        {"name": "relu", "activation": "relu"},
        {"name": "tuned", "activation": "swish", "options": {"freeze": True}, "sites": ["stem", "block1.*"],
         "fill": "gelu", "fill_options": {"approximate": "tanh"},
         "train": {"lr_factor": 0.5, "weight_decay_factor": 0, "deep_lambda": 1}},
    ]  # fmt: skip
    recipe = make_recipe(arms=arms, seeds=[0])
    table = table_of(recipe, [make_run(recipe, "relu", 0), make_run(recipe, "tuned", 0)])
    assert [row.mark for row in table.rows] == ["", "1"]
    assert table.notes[0].mark == "1"
    assert table.notes[0].text == (
        'tuned: activation swish, freeze = true, only at sites stem, block1.*, gelu (approximate = "tanh") elsewhere, '
        "learning rate of its own parameters times 0.5, weight decay of its own parameters times 0, "
        "deep training's lambda held at 1."
    )


def test_an_arms_own_options_of_the_model_are_noted(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    arms = [
        {"name": "relu", "activation": "relu"},
        {"name": "mimetic", "activation": "relu", "model": {"attention_init": "mimetic"}},
    ]
    model = {"name": "vit", "image_size": 32, "patch": 4}
    recipe = make_recipe(arms=arms, model=model, seeds=[0])
    table = table_of(recipe, [make_run(recipe, "relu", 0), make_run(recipe, "mimetic", 0)])
    assert (
        table.notes[0].text
        == 'mimetic: activation relu, the model\'s attention_init = "mimetic" for it alone.'
    )
    assert "ViT-Ti/4" in table.caption


def test_large_networks_are_counted_in_millions(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0])
    run = make_run(recipe, "relu", 0)
    assert run.cost is not None
    cost = run.cost.model_copy(update={"parameters": 17_664_200, "activation_parameters": 999_999})
    table = table_of(recipe, [run.model_copy(update={"cost": cost})])
    assert cell(table, "relu", "parameters").text == "17.66 M (999,999)"
    assert cell(table, "relu", "parameters").numbers == {"total": 17_664_200, "activations": 999_999}
    assert cell(table, "lslu", "parameters").text == "-"


def test_equal_results_are_called_equal_and_not_certain(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    table = table_of(
        recipe, [make_run(recipe, arm, s) for arm in ("relu", "swish", "lslu") for s in range(3)]
    )
    assert cell(table, "lslu", "top1").lines == ("50.00", "equal in", "all seeds", "(n=3)")
    assert cell(table, "lslu", "vs_relu").lines == ("0.00", "equal in", "all seeds")
    assert cell(table, "lslu", "vs_relu").numbers["detectable"] is None
    said = notes(table)
    assert "Equal in all seeds: no spread to make an interval of; further seeds may still differ." in said
    assert "Smallest true difference" not in said
    assert "Student-t" not in said


def test_a_baseline_that_is_left_out_is_not_said_to_be_no_arm_of_the_recipe(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(seeds=[0])
    arms = tuple(arm for arm in recipe.arms if arm.name != "relu")
    table = table_of(recipe.model_copy(update={"arms": arms}), [make_run(recipe, "lslu", 0)])
    assert "No comparison with relu, which is not among these arms." in notes(table)
