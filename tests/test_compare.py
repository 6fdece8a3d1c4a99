import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench import stats
from actbench.compare import Selection, compare
from actbench.comparison import ArmRow, Comparison, Group
from actbench.errors import ActbenchError, NotComparableError
from actbench.footing import Origin
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.tables.notes import table_notes

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]

COUNTS = {
    "relu": (5000, 5100, 5050),
    "swish": (5100, 5150, 5200),
    "series": (5500, 5600, 5450),
    "lslu": (5600, 5590, 5530),
}


def selection(plan: Recipe, runs: list[RunRecord], current: Recipe | None = None) -> Selection:
    origin = Origin(reference=plan.name, profile=plan.profile, current=current or plan)
    stored = tuple(StoredRun(Path(f"{number}.json"), run) for number, run in enumerate(runs))
    return Selection(plan=plan, stored=stored, origin=origin)


def all_runs(recipe: Recipe, make_run: MakeRun, **options: Any) -> list[RunRecord]:
    return [
        make_run(recipe, arm, seed, correct, **options)
        for arm, counts in COUNTS.items()
        for seed, correct in enumerate(counts)
    ]


def one_group(comparison: Comparison) -> Group:
    (group,) = comparison.groups
    return group


def row_of(group: Group, arm: str) -> ArmRow:
    return next(row for row in group.rows if row.name == arm)


def compared(plan: Recipe, runs: list[RunRecord], **options: Any) -> Group:
    papers = {"lslu": load_paper("lslu")}
    return one_group(compare([selection(plan, runs)], papers=papers, **options))


def paired(first: list[float], second: list[float]) -> stats.Estimate:
    samples = {"first": dict(enumerate(first)), "second": dict(enumerate(second))}
    (contrast,) = stats.contrasts(samples, [("first", "second")], method="paired")
    assert contrast is not None
    return contrast.estimate


def test_means_differences_and_costs_of_complete_runs(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    group = compared(recipe, all_runs(recipe, make_run))
    assert [row.name for row in group.rows] == ["relu", "swish", "series", "lslu"]
    assert group.baselines == ("relu", "swish")
    lslu = row_of(group, "lslu")
    assert (lslu.completed, lslu.diverged, lslu.missing_seeds) == (3, 0, ())
    assert lslu.value == stats.mean_estimate([0.56, 0.559, 0.553])
    gap = lslu.gaps[0]
    expected = paired([0.56, 0.559, 0.553], [0.5, 0.51, 0.505])
    assert gap.difference is not None
    assert gap.difference.value == pytest.approx(expected.value, abs=1e-15)
    assert gap.difference.interval == pytest.approx(expected.interval, abs=1e-15)
    assert gap.contrast is not None
    assert gap.detectable == gap.contrast.detectable
    assert gap.is_significant
    assert group.family == 5  # three arms against relu, two against swish
    assert (lslu.parameters, lslu.activation_parameters) == (400_400, 400)
    assert lslu.step_time_ratio == pytest.approx(2.4)
    assert row_of(group, "relu").gaps[0].difference is None


def without_files(group: Group) -> Group:
    """Test files are numbered in the order of the records, those of a results folder by what they hold."""
    return replace(group, rows=tuple(replace(row, files=()) for row in group.rows))


def test_the_order_of_records_changes_nothing(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(paper="lslu")
    runs = all_runs(recipe, make_run)
    expected = compared(recipe, runs)
    for seed in range(20):
        shuffled = random.Random(seed).sample(runs, len(runs))
        assert without_files(compared(recipe, shuffled)) == without_files(expected)


def test_one_seed_has_no_interval(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(seeds=[0])
    group = compared(recipe, [make_run(recipe, arm, 0, counts[0]) for arm, counts in COUNTS.items()])
    lslu = row_of(group, "lslu")
    assert lslu.value is not None
    assert lslu.value.interval is None
    assert lslu.gaps[0].difference is not None
    assert lslu.gaps[0].difference.value == pytest.approx(0.06)
    assert lslu.gaps[0].difference.interval is None
    assert lslu.gaps[0].detectable is None


def test_equal_results_are_level_and_show_no_detectable_difference(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    group = compared(recipe, [make_run(recipe, arm, seed, 5000) for arm in COUNTS for seed in range(3)])
    lslu = row_of(group, "lslu")
    assert lslu.value is not None
    assert lslu.value.interval == (0.5, 0.5)
    assert lslu.gaps[0].difference is not None
    assert lslu.gaps[0].difference.interval == (0.0, 0.0)
    assert lslu.gaps[0].difference.is_level
    assert lslu.gaps[0].detectable is None


def test_diverged_runs_are_counted_and_seeds_then_do_not_pair(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    runs = [run for run in all_runs(recipe, make_run) if (run.arm.name, run.seed) != ("lslu", 1)]
    runs.append(make_run(recipe, "lslu", 1, status="diverged"))
    group = compared(recipe, runs)
    lslu = row_of(group, "lslu")
    assert (lslu.completed, lslu.diverged, lslu.missing_seeds) == (2, 1, ())
    assert lslu.value == stats.mean_estimate([0.56, 0.553])
    difference = lslu.gaps[0].difference
    assert difference is not None
    assert not difference.paired
    assert difference.degrees_of_freedom == 1  # of the arm that has two values
    assert difference.value == pytest.approx(0.0515)


def test_an_arm_that_always_diverged_has_no_accuracy_but_a_row(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    runs = [run for run in all_runs(recipe, make_run) if run.arm.name != "swish"]
    runs += [make_run(recipe, "swish", seed, status="diverged") for seed in range(3)]
    group = compared(recipe, runs)
    assert row_of(group, "swish").value is None
    assert row_of(group, "swish").diverged == 3
    assert row_of(group, "lslu").gaps[1].difference is None


def test_runs_that_failed_or_are_absent_are_missing(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    runs = [run for run in all_runs(recipe, make_run) if run.arm.name != "series" or run.seed == 0]
    runs.append(make_run(recipe, "series", 2, status="failed"))
    assert row_of(compared(recipe, runs), "series").missing_seeds == (1, 2)


def test_cpu_time_goes_before_wall_time_where_every_run_has_it(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    """Wall times say 2.4, CPU times 1.5; one run without a CPU time and all are compared by wall time."""
    recipe = make_recipe(seeds=[0, 1])
    runs = [make_run(recipe, arm, seed) for arm in ("relu", "lslu") for seed in (0, 1)]

    def timed(run: RunRecord, seconds: float | None) -> RunRecord:
        assert run.cost is not None
        return run.model_copy(update={"cost": run.cost.model_copy(update={"step_cpu_s": seconds})})

    both = [timed(run, 0.03 if run.arm.name == "lslu" else 0.02) for run in runs]
    row = row_of(compared(recipe, both), "lslu")
    assert row.step_clock == "cpu"
    assert row.step_time_ratio == pytest.approx(1.5)
    row = row_of(compared(recipe, [*both[:3], timed(both[3], None)]), "lslu")
    assert row.step_clock == "wall"
    assert row.step_time_ratio == pytest.approx(2.4)


def test_step_times_of_different_hardware_are_not_divided(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    runs = [run for run in all_runs(recipe, make_run) if run.arm.name != "lslu"]
    runs += [make_run(recipe, "lslu", seed, 5600, hardware="another one") for seed in range(3)]
    group = compared(recipe, runs)
    assert row_of(group, "lslu").step_time_ratio is None
    assert row_of(group, "swish").step_time_ratio == pytest.approx(1.25)


def test_step_times_of_runs_that_shared_a_device_and_of_others_are_not_divided(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    def shared(run: RunRecord) -> RunRecord:
        made = run.provenance.model_copy(update={"shared_by": 4})
        return run.model_copy(update={"provenance": made})

    recipe = make_recipe()
    runs = [shared(run) if run.arm.name == "lslu" else run for run in all_runs(recipe, make_run)]
    group = compared(recipe, runs)
    assert row_of(group, "lslu").step_time_ratio is None
    assert row_of(group, "swish").step_time_ratio == pytest.approx(1.25)
    group = compared(recipe, list(map(shared, runs)))
    assert row_of(group, "lslu").step_time_ratio == pytest.approx(2.4)
    notes, _ = table_notes(group, ("metric", "time"))
    assert any("measured with 4 runs at a time on the device" in note.text for note in notes)


def test_a_gain_stands_only_in_the_cell_of_its_own_baseline(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(paper="lslu", table="lslu-table3-gain", claim="lslu-cifar100-gain")
    group = compared(recipe, all_runs(recipe, make_run))
    assert group.baselines == ("relu", "swish", "series")
    values = {
        (row.name, gap.baseline): [r.value for r in gap.reported]
        for row in group.rows
        for gap in row.gaps
        if gap.reported
    }
    assert values == {("lslu", "series"): [3.17]}
    assert [r.value for r in row_of(group, "lslu").reported] == [None]
    assert row_of(group, "relu").reported == ()
    assert row_of(group, "lslu").reported_elsewhere == ()
    assert group.claim is not None
    assert group.claim.difference == 3.17


def test_a_gain_whose_baseline_is_no_arm_is_kept_apart(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    arms = [{"name": name, "activation": name} for name in ("relu", "swish", "lslu")]
    recipe = make_recipe(paper="lslu", arms=arms)
    group = compared(
        recipe, [make_run(recipe, arm, s, 5000 + s) for arm in ("relu", "lslu") for s in range(3)]
    )
    assert group.baselines == ("relu", "swish")
    assert [r.value for r in row_of(group, "lslu").reported_elsewhere] == [3.17]


@pytest.mark.parametrize("field", ["table", "claim"])
def test_a_misspelt_table_or_claim_is_an_error(
    field: str, make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(paper="lslu", **{field: "lslu-cifar-100"})
    with pytest.raises(ActbenchError, match=f"paper 'lslu' has no {field} 'lslu-cifar-100'"):
        compared(recipe, all_runs(recipe, make_run))


def test_baselines_can_be_chosen_and_must_be_arms(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    runs = all_runs(recipe, make_run)
    assert compared(recipe, runs, baselines=["series"]).baselines == ("series",)
    with pytest.raises(ActbenchError, match=r"no arm 'serie'.*\n.*\n  did you mean 'series'\?") as caught:
        compared(recipe, runs, baselines=["serie"])
    assert caught.value.exit_code == 2


def test_a_baseline_that_the_recipe_has_no_arm_of_is_named(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(arms=[{"name": "relu", "activation": "relu"}])
    group = compared(recipe, [make_run(recipe, "relu", seed) for seed in range(3)])
    assert group.baselines == ("relu",)
    assert group.absent_baselines == ("swish",)


def test_weights_that_no_run_has_are_refused(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    with pytest.raises(
        ActbenchError, match=r"relu seed 0 has no test result at last \(ema\)\n  it has: last"
    ):
        compared(recipe, all_runs(recipe, make_run), weights="ema")


def test_unequal_footing_is_refused_with_keys_and_the_smallest_set_to_redo(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    other = make_recipe(train={"epochs": 20, "lr": 0.2})
    runs = [run for run in all_runs(recipe, make_run) if run.arm.name != "lslu"]
    runs += [make_run(other, "lslu", seed, 5000) for seed in (0, 1)]
    with pytest.raises(NotComparableError) as caught:
        compare([selection(recipe, runs, current=other)], papers={})
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "runs of lslu_c100 were not trained on equal footing\n"
        "  relu seed 0,1,2; series seed 0,1,2; swish seed 0,1,2 against lslu seed 0,1: "
        "train.epochs 30 / 20, train.lr 0.1 / 0.2\n"
        "  the smallest set to train again: lslu seed 0,1\n"
        "  about 2.0 min one after another, as 9 runs took on a processor, 1 thread\n"
        "  actbench train lslu_c100 --profile lite --arm lslu --seeds 0,1 train.epochs=30 train.lr=0.1\n"
        "  or show them side by side with footnotes: --allow-mismatch"
    )


def test_the_command_to_redo_starts_from_the_recipe_as_it_stands(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    other = make_recipe(limit=64, train={"epochs": 30, "lr": 0.1, "nesterov": True})
    now = make_recipe(train={"epochs": 30, "lr": 0.1, "ema": {"horizon": 0.1}})
    runs = [make_run(other, "relu", seed) for seed in range(3)] + [make_run(recipe, "lslu", 0)]
    with pytest.raises(NotComparableError) as caught:
        compare([selection(other, runs, current=now)], papers={})
    assert str(caught.value).splitlines()[-2] == (
        "  actbench train lslu_c100 --profile lite --arm lslu --seeds 0 --limit 64 "
        "train.ema=null train.nesterov=true"
    )


def redo(kept: Recipe, current: Recipe | None, make_run: MakeRun, arm: str = "lslu") -> list[str]:
    """The commands told where two runs of relu stand on one footing and one of `arm` on another."""
    other = kept.model_copy(update={"train": kept.train.model_copy(update={"lr": 0.7})})
    stored = [make_run(kept, "relu", 0), make_run(kept, "relu", 1), make_run(other, arm, 0)]
    origin = Origin(
        reference="mine", profile="lite", current=current, limit=9, seeds="0,1", overrides=("seeds=0", "title=x"),
        results_dir=Path("else where"),
    )  # fmt: skip
    files = tuple(StoredRun(Path("run.json"), run) for run in stored)
    with pytest.raises(NotComparableError) as caught:
        compare([Selection(plan=kept, stored=files, origin=origin)], papers={})
    lines = str(caught.value).splitlines()
    place = lines.index("  the smallest set to train again: lslu seed 0")
    assert lines[place + 1].startswith("  about 1.0 min one after another, as ")
    assert lines[-1] == "  or show them side by side with footnotes: --allow-mismatch"
    return [line.strip() for line in lines[place + 2 : -1]]


def test_the_command_to_redo_says_all_that_differs_and_where_it_goes(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    kept = make_recipe()
    start = "actbench train mine --profile lite --arm lslu --seeds 0"
    end = "--results-dir 'else where' title=x"
    assert redo(kept, kept, make_run) == [f"{start} {end}"]
    resnet = make_recipe(
        data={"name": "synthetic", "size": 16},
        model={"name": "resnet", "width": 8},
        input={"size": 16},
        limit=64,
    )
    assert redo(resnet, kept, make_run) == [
        f"{start} --limit 64 {end} data.name=synthetic data.size=16 input.size=16 model.name=resnet model.width=8"
    ]
    stopping = make_recipe(train={"epochs": 30, "lr": 0.1, "early_stopping": {}})
    assert redo(stopping, kept, make_run) == [
        f"""{start} {end} 'train.early_stopping={{"patience": 10, "min_delta": 0.0}}'"""
    ]
    assert redo(kept, stopping, make_run) == [f"{start} {end} train.early_stopping=null"]
    arms = [{"name": name, "activation": name} for name in ("relu", "swish")]
    other = {"name": "lslu", "activation": "series", "options": {"n": 5}, "sites": "stem"}
    assert redo(kept, make_recipe(arms=[*arms, other]), make_run) == [
        f"{start} {end} arms.lslu.activation=lslu arms.lslu.sites=all"
    ]


def test_no_command_is_told_that_would_not_make_the_runs(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    kept = make_recipe()
    assert redo(kept, None, make_run) == []
    assert redo(kept, make_recipe(arms=[{"name": "relu", "activation": "relu"}]), make_run) == []
    changed = make_recipe(variant="low", train={"epochs": 3, "lr": 0.1})
    assert redo(make_recipe(variant="low"), changed, make_run) == []


def test_other_data_under_the_same_settings_is_refused(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    runs = [run for run in all_runs(recipe, make_run) if run.arm.name != "lslu"]
    runs += [make_run(recipe, "lslu", 0, fingerprint="other pictures")]
    with pytest.raises(NotComparableError, match=r"fingerprint of the data fingerpr / other pi"):
        compared(recipe, runs)


def test_two_arms_of_one_name_are_refused(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    arms = [{"name": "lslu", "activation": "lslu", "options": {"n": 5}}]
    runs = [*all_runs(recipe, make_run)[:-1], make_run(make_recipe(arms=arms), "lslu", 2)]
    with pytest.raises(NotComparableError) as caught:
        compared(recipe, runs)
    assert str(caught.value) == (
        "runs of lslu_c100 call two different arms 'lslu'\n"
        "  lslu seed 0,1 against lslu seed 2: options.n 3 / 5\n"
        "  the smallest set to train again: lslu seed 2\n"
        "  about 1.0 min one after another, as 3 runs took on a processor, 1 thread\n"
        "  actbench train lslu_c100 --profile lite --arm lslu --seeds 2"
    )


def test_a_whole_set_beside_another_needs_no_training(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe, other = make_recipe(), make_recipe(train={"epochs": 20, "lr": 0.1})
    runs = [*all_runs(recipe, make_run), make_run(other, "relu", 0)]
    with pytest.raises(NotComparableError) as caught:
        compared(recipe, runs)
    assert str(caught.value).splitlines()[-3:-1] == [
        "  the first 12 are a whole set: name their record files alone",
        "  9.json 10.json 11.json 0.json 1.json 2.json 6.json 7.json 8.json 3.json 4.json 5.json",
    ]


def test_the_same_run_twice_is_refused(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    runs = [*all_runs(recipe, make_run), make_run(recipe, "relu", 1, 4000)]
    with pytest.raises(NotComparableError, match="two records hold the run lslu_c100 relu seed 1") as caught:
        compared(recipe, runs)
    assert "of these one: 1.json 12.json" in str(caught.value)


def test_reading_loads_no_torch_and_no_heavy_statistics() -> None:
    tables = sorted(path.stem for path in Path("actbench/tables").glob("*.py") if path.stem != "__init__")
    assert tables
    modules = [
        "compare", "footing", "selection", "stats", "papers.reported", "papers.matching", "store",
        "commands.compare", "commands.export_table", *(f"tables.{name}" for name in tables),
    ]  # fmt: skip
    heavy = ["torch", "torchvision", "timm", "scipy", "scipy.stats", "matplotlib", "sklearn"]
    program = f"import sys, {', '.join(f'actbench.{m}' for m in modules)}\n"
    program += f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
