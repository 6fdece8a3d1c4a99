from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.footing import Origin
from actbench.papers.reported import load_papers
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, Tally, TestResult
from actbench.stats import METHODS
from actbench.store import StoredRun
from actbench.tables import json
from actbench.tables.build import build_tables
from actbench.tables.columns import DEFAULT, WIDE, Columns
from actbench.tables.table import Cell, Table
from tests.tables.comparisons import awkward, close_arms, comparison_of, paper_like

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]


def table_of(plan: Recipe, runs: list[RunRecord], **options: Any) -> Table:
    selection = Selection(
        plan=plan,
        stored=tuple(StoredRun(Path("run.json"), run) for run in runs),
        origin=Origin(reference=plan.name, profile=plan.profile),
    )
    shown = options.pop("columns", DEFAULT)
    (table,) = build_tables(compare([selection], papers=load_papers(), **options), lambda _name: shown)
    return table


def group_and_table(made: tuple[Recipe, list[RunRecord]], columns: Columns = DEFAULT) -> tuple[Group, Table]:
    comparison = comparison_of(made)
    (table,) = build_tables(comparison, lambda _name: columns)
    return comparison.groups[0], table


def best_of(run: RunRecord, more: int) -> TestResult:
    """A best epoch with that many more right than the last."""
    (last,) = run.results
    assert isinstance(last.tally, Tally)
    tally = last.tally.model_copy(update={"correct": last.tally.correct + more})
    return last.model_copy(update={"which": "best_test", "tally": tally})


def cell(table: Table, arm: str, column: str) -> Cell:
    place = [c.key for c in table.columns].index(column)
    return next(row for row in table.rows if row.arm == arm).cells[place]


def notes(table: Table) -> str:
    return "\n".join(note.text for note in table.notes)


def test_cells_round_and_sign_what_the_numbers_hold(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0, 1])
    # Mean 0.5 and 0.51; with one degree of freedom the half width is 12.706 standard errors, here of 0.01.
    counts = {"relu": (4900, 5100), "lslu": (5100, 5100)}
    table = table_of(
        recipe, [make_run(recipe, a, s, c) for a, cs in counts.items() for s, c in enumerate(cs)]
    )
    assert cell(table, "relu", "top1").lines == ("50.00 ± 12.71",)
    # Differences of 2 and 0 points: the same half width.
    assert cell(table, "lslu", "vs_relu").lines == ("+1.00", "[-11.71, +13.71]")
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
    assert cell(table, "relu", "top1").text == "50.00"
    assert not any(cell.marks for row in table.rows for cell in row.cells)
    assert "One seed: no interval and no test.\n" in notes(table) + "\n"
    assert "significant" not in notes(table)
    assert "Student-t" not in notes(table)
    assert table.caption.endswith("profile lite, 30 epochs, seed 4.")


def test_diverged_and_missing_runs_stand_in_the_cell(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0, 1, 2, 3, 4])
    runs = [make_run(recipe, "lslu", seed) for seed in (0, 1, 2)]
    runs += [make_run(recipe, "lslu", seed, status="diverged") for seed in (3, 4)]
    runs += [make_run(recipe, "relu", seed, status="diverged") for seed in range(4)]
    table = table_of(recipe, runs)
    assert cell(table, "lslu", "top1").lines == ("50.00", "equal in", "all seeds", "(n=3)", "2/5 diverged")
    assert cell(table, "relu", "top1").text == "4/4 diverged 1 missing"
    assert cell(table, "swish", "top1").text == "5 missing"
    assert "Incomplete, seeds still missing: relu 4; swish 0, 1, 2, 3, 4; series 0, 1, 2, 3, 4." in notes(
        table
    )


def test_the_papers_gain_stands_beside_its_own_baseline_alone(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(paper="lslu", table="lslu-table3-gain", claim="lslu-cifar100-gain", seeds=[0])
    runs = [make_run(recipe, arm, 0) for arm in ("relu", "swish", "series", "lslu")]
    table = table_of(recipe, runs, columns=("metric", "differences", "reported"))
    assert [column.key for column in table_of(recipe, runs).columns] == [
        "top1",
        "vs_relu",
        "vs_swish",
        "step_time",
    ]
    assert cell(table, "lslu", "vs_series").text == "0.00 (paper: +3.17)"
    assert cell(table, "lslu", "vs_relu").text == "0.00"
    assert cell(table, "lslu", "reported").text == "not found"
    assert cell(table, "relu", "reported").text == "-"
    assert cell(table, "lslu", "vs_series").numbers["reported"] == 3.17
    assert "that the baseline is series is assumed" in notes(table)
    (claim,) = table.claims
    assert claim.startswith("Claim lslu-cifar100-gain: lslu over series, reported +3.17 | measured ")


def test_a_value_from_other_data_says_so(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(paper="lslu", table="lslu-table3-gain", data={"name": "digits"}, seeds=[0])
    runs = [make_run(recipe, arm, 0) for arm in ("relu", "swish", "series", "lslu")]
    table = table_of(recipe, runs, columns=("differences",))
    assert cell(table, "lslu", "vs_series").text == "0.00 (paper, CIFAR-100: +3.17)"


def test_a_reported_accuracy_is_shown_with_its_certainty(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(
        paper="lslu", profile="paper", data={"name": "imagenet"}, model={"name": "vanillanet", "depth": 9},
        input={"size": 224}, seeds=[0],
    )  # fmt: skip
    table = table_of(recipe, [make_run(recipe, "series", 0)], columns=("reported",))
    assert cell(table, "series", "reported").text == "79.87"
    assert "series in the paper, 79.87 on ImageNet-1K (vanillanet-imagenet); certainty: high." in notes(table)


def test_synthetic_data_and_best_test_are_labelled(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(
        profile="smoke", data={"name": "synthetic"}, evaluation={"protocol": "best-test"}, seeds=[0]
    )
    table = table_of(recipe, [make_run(recipe, "relu", 0)])
    assert table.caption.startswith("Synthetic data: shows the tool, not the activation. ")
    assert table.facts["synthetic"] is True
    assert "; profile smoke, best-test protocol, 30 epochs" in table.caption
    assert "best-test protocol: no validation set" in notes(table)


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
    table = table_of(recipe, [run.model_copy(update={"cost": cost})], columns=("parameters",))
    assert cell(table, "relu", "parameters").text == "17.66 M (999,999)"
    assert cell(table, "relu", "parameters").numbers == {"total": 17_664_200, "activations": 999_999}
    assert cell(table, "lslu", "parameters").text == "-"


def test_equal_results_are_called_equal_and_not_certain(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    table = table_of(
        recipe, [make_run(recipe, arm, s) for arm in ("relu", "swish", "lslu") for s in range(3)]
    )
    assert cell(table, "lslu", "top1").lines == ("50.00", "equal in", "all seeds")
    assert cell(table, "lslu", "vs_relu").lines == ("0.00", "equal in", "all seeds")
    said = notes(table)
    assert "Equal in all seeds: no spread to make an interval of; further seeds may still differ." in said
    assert "Smallest true gap" not in said
    assert "Student-t" not in said


def test_a_baseline_that_is_left_out_is_not_said_to_be_no_arm_of_the_recipe(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(seeds=[0])
    arms = tuple(arm for arm in recipe.arms if arm.name != "relu")
    table = table_of(recipe.model_copy(update={"arms": arms}), [make_run(recipe, "lslu", 0)])
    assert "No comparison with relu, which is not among these arms." in notes(table)


def test_stars_follow_holm_and_daggers_the_test_examples(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    group, table = group_and_table(close_arms(make_recipe, make_run))
    for row in group.rows:
        for gap in row.gaps:
            if gap.baseline != row.name:
                stars = "*" in cell(table, row.name, f"vs_{gap.baseline}").marks
                assert stars == (gap.p_holm is not None and gap.p_holm < 0.05)
    assert cell(table, "swish", "vs_relu").marks == ("*", "†")
    assert cell(table, "gelu", "vs_relu").marks == ("*",)
    told = {note.mark: note.text for note in table.notes}
    assert told["*"].startswith(f"significant at 5 % after Holm over all {group.family} tests")
    assert "test examples" in told["†"]


def test_bold_is_the_set_near_the_best_and_the_largest_mean_is_underlined(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    group, table = group_and_table(close_arms(make_recipe, make_run))
    assert group.near_best == {"gelu", "mish"}
    emphasis = {row.arm: cell(table, row.arm, "top1").emphasis for row in table.rows}
    assert emphasis == {"relu": set(), "swish": set(), "gelu": {"bold", "underline"}, "mish": {"bold"}}
    assert {"bold", "underline"} <= {note.mark for note in table.notes}


def test_nothing_is_bold_where_no_arm_is_shown_near_the_best(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    group, table = group_and_table(paper_like(make_recipe, make_run))
    assert not group.near_best
    assert not any("bold" in cell.emphasis for row in table.rows for cell in row.cells)
    assert "bold" not in {note.mark for note in table.notes}


def test_without_gaps_the_signs_against_the_first_baseline_stand_at_the_mean(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    _, table = group_and_table(close_arms(make_recipe, make_run), columns=("metric",))
    assert {row.arm: row.cells[0].marks for row in table.rows} == {
        "relu": (), "swish": ("*", "†"), "gelu": ("*",), "mish": ("*",)
    }  # fmt: skip
    assert "unlike relu, significant at 5 %" in notes(table)


def test_all_columns_are_those_that_there_is_anything_for(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    _, table = group_and_table(awkward(make_recipe, make_run), columns=WIDE)
    assert [column.key for column in table.columns] == [
        "top1",
        "vs_relu",
        "n",
        "step_time",
        "parameters",
        "kept",
    ]
    _, table = group_and_table(close_arms(make_recipe, make_run), columns=WIDE)
    keys = [column.key for column in table.columns]
    assert keys[3:9] == [
        "p_relu",
        "p_swish",
        "effect_relu",
        "effect_swish",
        "detectable_relu",
        "detectable_swish",
    ]
    assert keys[9:12] == ["examples", "examples_relu", "examples_swish"]
    assert {"diverged", "reported", "verdict", "optimism"}.isdisjoint(keys)


def test_the_note_tells_the_extremes_of_what_could_have_been_shown(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    for make in (paper_like, close_arms):
        group, table = group_and_table(make(make_recipe, make_run))
        gaps = [gap for row in group.rows for gap in row.gaps if gap.baseline in group.main_baselines]
        found = [gap.detectable for gap in gaps if gap.detectable is not None]
        assert f": {100 * min(found):.2f} to {100 * max(found):.2f} points." in notes(table)


def test_the_best_epoch_on_the_test_set_is_named_with_what_it_gains(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(evaluation={"protocol": "best-test"}, seeds=[0, 1])
    runs = [make_run(recipe, arm, seed, 5000 + seed) for arm in ("relu", "swish") for seed in recipe.seeds]
    best = {"relu": 20, "swish": 40}
    runs = [
        run.model_copy(update={"results": (*run.results, best_of(run, best[run.arm.name]))}) for run in runs
    ]
    table = table_of(recipe, runs, which="best_test", columns=("metric", "optimism"))
    assert table.columns[0].lines == ("top-1 %", "best on test", "± 95 % t")
    assert "at the epoch that was best on the test set itself" in table.caption
    assert "0.20 to 0.40 points above the last epoch" in notes(table)
    assert cell(table, "swish", "optimism").text == "+0.40"


def test_json_holds_every_number_and_the_files_behind_a_row(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    group, table = group_and_table(close_arms(make_recipe, make_run))
    (document,) = json.document([table])["tables"]
    assert (document["method"], document["tests"], document["margin"]) == (
        group.method,
        group.family,
        group.margin,
    )
    assert document["near_best"] == ["gelu", "mish"]
    row, of_swish = group.rows[1], document["rows"][1]
    (gap,) = (gap for gap in row.gaps if gap.baseline == "relu")
    told = of_swish["evidence"]["gaps"][0]
    assert gap.contrast is not None
    assert gap.crossed is not None
    assert told["p_holm"] == gap.p_holm
    assert told["over_seeds_and_examples"] == [gap.crossed.low, gap.crossed.high]
    assert set(told["alternatives"]) == set(METHODS)
    for name, test in gap.contrast.alternatives.items():
        assert told["alternatives"][name]["p"] == test.p
        assert test.interval is not None
        assert told["alternatives"][name]["interval"] == [test.interval.low, test.interval.high]
    assert told["sign_flip"] == {"p": 0.25, "smallest_attainable_p": 0.25}
    assert of_swish["files"] == [f"results/close_c10/swish-seed{seed}.json" for seed in range(3)]
