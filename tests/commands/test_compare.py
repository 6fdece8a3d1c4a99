import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from actbench.commands.compare import compare
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Profile, Recipe
from actbench.record import RunRecord
from actbench.selection import Sources, select
from actbench.store import Store

MakeRun = Callable[..., RunRecord]

RECIPE = """\
name: mine
data: {name: digits}
input: {size: 32}
model: {name: vanillanet, width: 0.125, decay_epochs: 1}
arms:
  - {name: relu, activation: relu}
  - {name: swish, activation: swish}
  - {name: lslu, activation: lslu}
train: {epochs: 2, lr: 0.1}
seeds: [0, 1]
profiles:
  paper: {}
  lite: {}
  smoke: {data: {name: synthetic}}
"""


@dataclass
class Bench:
    """A working folder with the recipe `mine` and what runs of it were stored."""

    folder: Path
    make_run: MakeRun

    def recipe(self, *overrides: str, profile: Profile = "lite") -> Recipe:
        return load_recipe("mine.yaml", profile=profile, overrides=overrides).recipes[0]

    def store(self, run: RunRecord) -> Path:
        store = Store(Path("results"))
        path = store.path(
            recipe=run.recipe.name, profile=run.recipe.profile, arm=run.arm.name, seed=run.seed, run=run.run
        )
        store.write(path, run)
        return path

    def store_all(
        self, *overrides: str, profile: Profile = "lite", without: tuple[str, int] | None = None
    ) -> None:
        recipe = self.recipe(*overrides, profile=profile)
        for arm in recipe.arms:
            for seed in recipe.seeds:
                if (arm.name, seed) != without:
                    self.store(self.make_run(recipe, arm.name, seed, 5000 + 10 * seed + len(arm.name)))

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "mine.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> Bench:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return Bench(tmp_path, make_run)


def test_a_complete_recipe_gives_its_table_without_a_warning(bench: Bench) -> None:
    bench.store_all()
    outcome = compare(["mine.yaml"], check=True)
    assert (outcome.exit_code, outcome.warnings) == (0, ())
    assert (
        "mine: top-1 test accuracy in percent on scikit-learn digits with VanillaNet-5 x0.125" in outcome.text
    )
    document = outcome.document
    assert isinstance(document, dict)
    assert [row["arm"] for row in document["tables"][0]["rows"]] == ["relu", "swish", "lslu"]


def test_missing_runs_are_warned_about_and_refused_under_check(bench: Bench) -> None:
    bench.store_all(without=("lslu", 1))
    outcome = compare(["mine.yaml"])
    expected = "incomplete: mine lacks 1 of 6 runs; finish with: actbench train mine.yaml --profile lite"
    assert (outcome.exit_code, outcome.warnings) == (0, (expected,))
    assert "1 missing" in outcome.text
    with pytest.raises(NotComparableError, match="the selection is not complete") as caught:
        compare(["mine.yaml"], check=True)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 4


def test_without_any_record_the_command_that_makes_them_is_told(bench: Bench) -> None:
    with pytest.raises(NotComparableError) as caught:
        compare(["mine.yaml"], overrides=["train.lr=0.2"], results_dir=bench.folder / "elsewhere")
    assert caught.value.exit_code == 4
    where = bench.folder / "elsewhere"
    assert str(caught.value) == (
        f"no records of mine with train.lr=0.2 (profile lite) in {where}\n"
        f"  actbench train mine.yaml --profile lite --results-dir {where} train.lr=0.2"
    )


def test_a_damaged_record_is_named_and_the_rest_compared(bench: Bench) -> None:
    bench.store_all()
    recipe = bench.recipe()
    path = bench.store(bench.make_run(recipe, "relu", 7))
    path.write_bytes(path.read_bytes()[:100])
    outcome = compare(["mine.yaml"])
    assert outcome.exit_code == 0
    assert len(outcome.warnings) == 1
    assert outcome.warnings[0].startswith(f"left out: {path}: damaged record")


def test_a_damaged_record_that_leaves_an_arm_incomplete_exits_with_4(bench: Bench) -> None:
    bench.store_all()
    path = bench.store(bench.make_run(bench.recipe(), "lslu", 1))
    path.write_bytes(b"")
    outcome = compare(["mine.yaml"])
    assert outcome.exit_code == 4
    assert len(outcome.warnings) == 2
    assert "1 missing" in outcome.text


def test_diverged_runs_complete_a_selection_and_failed_ones_do_not(bench: Bench) -> None:
    bench.store_all()
    bench.store(bench.make_run(bench.recipe(), "lslu", 0, status="diverged"))
    bench.store(bench.make_run(bench.recipe(), "swish", 1, status="failed"))
    outcome = compare(["mine.yaml"])
    assert "1/2 diverged" in outcome.text
    assert outcome.warnings[0] == "mine swish seed 1 failed: loss not finite at epoch 3, step 7"
    assert outcome.warnings[1].startswith("incomplete: mine lacks 1 of 6 runs")


def test_records_of_other_settings_are_left_out_with_a_word(bench: Bench) -> None:
    bench.store_all()
    bench.store_all("train.lr=0.2")
    outcome = compare(["mine.yaml"], check=False)
    assert outcome.warnings == (
        "mine: 6 records of other settings left out (recipe now / record): train.lr 0.1 / 0.2",
    )
    other = compare(["mine.yaml"], overrides=["train.lr=0.2"])
    assert "train.lr 0.2 / 0.1" in other.warnings[0]


def test_records_that_agree_among_themselves_outlive_an_edited_recipe(bench: Bench) -> None:
    bench.store_all(without=("lslu", 1))
    bench.edit("lr: 0.1", "lr: 0.3")
    outcome = compare(["mine.yaml"])
    assert outcome.exit_code == 0
    assert outcome.warnings == (
        "mine: no record matches the recipe as it stands (recipe now / record): train.lr 0.3 / 0.1",
        "incomplete: mine lacks 1 of 6 runs; finish with: "
        "actbench train mine.yaml --profile lite --arm lslu --seeds 1 train.lr=0.1",
    )
    assert "seeds 0, 1." in outcome.text


def test_records_under_several_other_settings_are_refused(bench: Bench) -> None:
    bench.store_all(without=("lslu", 1))
    bench.store(bench.make_run(bench.recipe("train.lr=0.2"), "lslu", 1))
    bench.edit("lr: 0.1", "lr: 0.3")
    with pytest.raises(NotComparableError) as caught:
        compare(["mine.yaml"])
    assert "against lslu seed 1: train.lr 0.1 / 0.2" in str(caught.value)
    assert "actbench train mine.yaml --profile lite --arm lslu --seeds 1 train.lr=0.1" in str(caught.value)


def test_an_arm_whose_options_changed_is_left_out_and_missing(bench: Bench) -> None:
    bench.store_all()
    bench.edit("{name: lslu, activation: lslu}", "{name: lslu, activation: lslu, options: {n: 5}}")
    outcome = compare(["mine.yaml"])
    assert (
        "2 records of other settings left out (recipe now / record): arm lslu: options.n 5 / 3"
        in outcome.warnings[0]
    )
    assert "lacks 2 of 6 runs" in outcome.warnings[1]


def test_the_only_profile_with_records_is_taken_and_named(bench: Bench) -> None:
    bench.store_all(profile="smoke")
    outcome = compare(["mine.yaml"])
    assert outcome.warnings == ("mine: no records under profile lite, those of profile smoke are shown",)
    assert outcome.text.startswith("Synthetic data: shows the tool, not the activation.")
    bench.store_all(profile="paper")
    with pytest.raises(
        NotComparableError, match=r"under paper and smoke\n  choose one: --profile paper or --profile smoke"
    ):
        compare(["mine.yaml"])
    assert "profile paper" in compare(["mine.yaml"], profile="paper").text


def test_record_files_and_folders_are_compared_under_their_own_plan(bench: Bench) -> None:
    bench.store_all()
    from_recipe = compare(["mine.yaml"])
    (bench.folder / "mine.yaml").unlink()
    from_folder = compare(["results/mine"])
    assert from_folder.text == from_recipe.text
    files = sorted(str(path) for path in Path("results").rglob("*.json"))
    assert compare(files).text == from_recipe.text
    assert compare([*reversed(files), "results"]).text == from_recipe.text


def test_files_alone_lack_the_other_runs_of_their_plan(bench: Bench) -> None:
    bench.store_all()
    (file,) = Path("results").rglob("relu-seed0-*.json")
    outcome = compare([str(file)])
    # No recipe of that name can be typed here, so no command is told.
    assert outcome.warnings == ("incomplete: mine lacks 5 of 6 runs",)
    assert isinstance(outcome.document, dict)
    assert outcome.document["complete"] is False
    assert outcome.document["warnings"] == list(outcome.warnings)
    (bench.folder / "recipes").mkdir()
    (bench.folder / "mine.yaml").rename("recipes/mine.yaml")
    assert compare([str(file)]).warnings == (
        "incomplete: mine lacks 5 of 6 runs; finish with: actbench train mine --profile lite",
    )


def test_loose_records_of_other_settings_are_finished_on_their_own_footing(bench: Bench) -> None:
    bench.store_all("train.lr=0.2", "arms.lslu.options.n=5", without=("lslu", 1))
    (bench.folder / "recipes").mkdir()
    (bench.folder / "mine.yaml").rename("recipes/mine.yaml")
    assert compare(["results"]).warnings == (
        "incomplete: mine lacks 1 of 6 runs; finish with: actbench train mine --profile lite --arm lslu "
        "--seeds 1 train.lr=0.2 arms.lslu.options.n=5",
    )


def test_chosen_arms_make_a_table_of_their_own(bench: Bench) -> None:
    bench.store_all()
    (file,) = Path("results").rglob("lslu-seed0-*.json")
    file.unlink()
    outcome = compare(["mine.yaml"], arms=["swish", "relu"], check=True)  # what lslu lacks is not asked for
    assert (outcome.exit_code, outcome.warnings) == (0, ())
    assert "lslu" not in outcome.text
    assert compare(["results/mine"], arms=["relu", "swish"]).text == outcome.text
    lacking = compare(["mine.yaml"], arms=["lslu"])
    assert "--arm lslu --seeds 0" in lacking.warnings[0]
    with pytest.raises(ActbenchError, match="mine has no arm 'lsul'") as caught:
        compare(["mine.yaml"], arms=["lsul"])
    assert "did you mean 'lslu'?" in str(caught.value)


def test_an_arm_without_records_is_refused_with_the_command_that_makes_them(bench: Bench) -> None:
    recipe = bench.recipe()
    bench.store(bench.make_run(recipe, "relu", 0))
    with pytest.raises(NotComparableError) as caught:
        compare(["mine.yaml"], arms=["lslu"])
    assert str(caught.value) == (
        "no records of arm lslu of mine (profile lite)\n  actbench train mine.yaml --profile lite --arm lslu"
    )
    with pytest.raises(NotComparableError, match="no records of arms swish, lslu of mine"):
        compare(["results"], arms=["swish", "lslu"])


def test_an_arm_of_another_profile_is_found_there(bench: Bench) -> None:
    bench.store_all()
    bench.edit("paper: {}", "paper: {arms: [{name: gelu, activation: gelu}]}")
    with pytest.raises(ActbenchError, match="mine has no arm 'gelu'") as caught:
        compare(["mine.yaml"], arms=["gelu"])
    assert "profile paper has it: --profile paper" in str(caught.value)


@pytest.mark.parametrize(("overrides", "limit"), [(["train.lr=0.5"], None), ([], 64)])
def test_settings_that_no_record_has_show_no_other_results(
    overrides: list[str], limit: int | None, bench: Bench
) -> None:
    bench.store_all()
    with pytest.raises(NotComparableError) as caught:
        compare(["mine.yaml"], overrides=overrides, limit=limit)
    typed = overrides[0] if overrides else "--limit 64"
    assert str(caught.value) == (
        f"no records of mine with {typed} (profile lite) in results\n"
        f"  actbench train mine.yaml --profile lite {typed}"
    )


def test_limit_and_seeds_choose_records_and_stay_in_the_commands(bench: Bench) -> None:
    bench.store_all()
    limited = load_recipe("mine.yaml", limit=64).recipes[0]
    for arm in ("relu", "swish", "lslu"):
        bench.store(bench.make_run(limited, arm, 1, 5000))
    outcome = compare(["mine.yaml"], limit=64, seeds="1")
    assert "limited to 64 each" in outcome.text
    assert "seed 1." in outcome.text
    assert "One seed: no interval and no test." in outcome.text
    assert outcome.warnings == (
        "mine: 3 records of other settings left out (recipe now / record): limit 64 / null",
    )
    outcome = compare(["mine.yaml"], limit=64, seeds="1,2", arms=["relu"], overrides=["title=A title"])
    assert outcome.warnings[-1] == (
        "incomplete: mine lacks 1 of 2 runs; finish with: "
        "actbench train mine.yaml --profile lite --arm relu --seeds 2 --limit 64 'title=A title'"
    )
    with pytest.raises(NotComparableError) as caught:
        compare(["mine.yaml"], limit=64, seeds="2", arms=["relu"])
    assert str(caught.value) == (
        "no records of mine with --seeds 2 --limit 64 (profile lite) in results\n"
        "  actbench train mine.yaml --profile lite --arm relu --seeds 2 --limit 64"
    )


def test_each_run_is_selected_with_its_file(bench: Bench) -> None:
    bench.store_all()
    for references in (["mine.yaml"], ["results"]):
        (selection,) = select(Sources(references, None, (), Path("results"))).selections
        assert sorted(selection.paths) == sorted(Path("results").rglob("*.json"))
        assert [Store(Path("results")).summary(path) for path in selection.paths] == list(selection.runs)


def test_a_recipe_named_twice_is_taken_once(bench: Bench) -> None:
    bench.store_all()
    once = compare(["mine.yaml"])
    assert compare(["mine.yaml", "./mine.yaml", str(bench.folder / "mine.yaml")]).text == once.text
    assert isinstance(once.document, dict)
    assert (once.document["complete"], once.document["warnings"]) == (True, [])


def test_wrong_references_are_errors(bench: Bench) -> None:
    bench.store_all()
    (bench.folder / "empty").mkdir()
    with pytest.raises(NotComparableError, match="empty: no records here"):
        compare(["empty"])
    with pytest.raises(ActbenchError, match=r"nothing.json: cannot be read: No such file"):
        compare(["nothing.json"])
    with pytest.raises(ActbenchError, match="no-such-recipe"):
        compare(["no-such-recipe"])
    with pytest.raises(ActbenchError, match="no arm 'gelu' to compare against"):
        compare(["mine.yaml"], baselines=["gelu"])


def test_variants_stand_in_tables_of_their_own(bench: Bench) -> None:
    variants = "variants:\n  - {name: low, set: [train.lr=0.01]}\n  - {name: high, set: [train.lr=0.5]}\n"
    (bench.folder / "mine.yaml").write_text(RECIPE + variants)
    low, high = load_recipe("mine.yaml", profile="lite").recipes
    for arm in low.arms:
        for seed in low.seeds:
            bench.store(bench.make_run(low, arm.name, seed))
    outcome = compare(["mine.yaml"])
    assert "mine (low): top-1" in outcome.text
    assert outcome.warnings == (
        "incomplete: mine (high) has no records; actbench train mine.yaml --profile lite",
    )
    for arm in high.arms:
        for seed in high.seeds:
            bench.store(bench.make_run(high, arm.name, seed))
    both = compare(["mine.yaml"])
    assert both.text.index("mine (low): top-1") < both.text.index("mine (high): top-1")
    assert both.warnings == ()


def test_a_read_only_folder_is_enough(bench: Bench) -> None:
    bench.store_all()
    before = {path: os.stat(path).st_mtime_ns for path in bench.folder.rglob("*")}
    compare(["mine.yaml"])
    assert {path: os.stat(path).st_mtime_ns for path in bench.folder.rglob("*")} == before
