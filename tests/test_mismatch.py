"""Runs of unequal footing side by side, where a person asks for it: what is told, and what stays refused."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.commands.compare import compare as compare_command
from actbench.commands.export_table import export_table
from actbench.commands.trace import trace
from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.errors import NotComparableError
from actbench.footing import Mismatch, Origin
from actbench.papers.reported import load_papers
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, pack_bits
from actbench.store import Store, StoredRun
from actbench.tables.build import build_table
from actbench.tables.columns import DEFAULT
from actbench.verdict import verdict_of

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
Program = Callable[..., "subprocess.CompletedProcess[str]"]


def compared(plan: Recipe, runs: list[RunRecord]) -> Group:
    stored = tuple(StoredRun(Path(f"{i}.json"), run) for i, run in enumerate(runs))
    origin = Origin(reference=plan.name, profile=plan.profile, current=plan)
    selection = Selection(plan=plan, stored=stored, origin=origin)
    return compare([selection], papers=load_papers(), allow_mismatch=True).groups[0]


def runs_of(
    recipe: Recipe, make_run: MakeRun, *arms: str, seeds: tuple[int, ...] = (0, 1, 2)
) -> list[RunRecord]:
    return [
        make_run(recipe, arm, seed, 5000 + (7 * seed + 3 * len(arm) * (seed + 1)) % 11)
        for arm in arms
        for seed in seeds
    ]


def test_the_arm_bears_a_mark_and_its_note_names_the_keys(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe, other = make_recipe(), make_recipe(train={"epochs": 20, "lr": 0.2})
    group = compared(
        recipe, runs_of(recipe, make_run, "relu", "swish", "series") + runs_of(other, make_run, "lslu")
    )
    difference = "train.epochs 30 / 20, train.lr 0.1 / 0.2"
    assert group.mismatches == (Mismatch(seeds={"lslu": (0, 1, 2)}, difference=difference),)
    table = build_table(group, DEFAULT)
    assert [row.mark for row in table.rows] == ["", "", "", "1"]
    (note,) = (note.text for note in table.notes if note.mark == "1")
    assert note == f"lslu: not on the others' footing ({difference})."
    assert "footing differs" in table.caption
    assert "equal footing" not in " ".join(note.text for note in table.notes)
    assert table.facts["mismatches"] == [{"seeds": {"lslu": (0, 1, 2)}, "difference": difference}]


def test_equal_runs_bear_no_trace_of_the_option(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    group = compared(recipe, runs_of(recipe, make_run, "relu", "swish", "series", "lslu"))
    table = build_table(group, DEFAULT)
    assert group.mismatches == ()
    assert "footing differs" not in table.caption
    assert "mismatches" not in table.facts


def test_single_seeds_are_named_and_join_what_the_arm_is(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    arms = [
        {"name": "relu", "activation": "relu"},
        {"name": "lslu", "activation": "lslu", "options": {"n": 5}},
    ]
    recipe, other = make_recipe(arms=arms), make_recipe(arms=arms, train={"epochs": 30, "lr": 0.2})
    runs = runs_of(recipe, make_run, "relu") + runs_of(recipe, make_run, "lslu", seeds=(0, 2))
    group = compared(recipe, runs + runs_of(other, make_run, "lslu", seeds=(1,)))
    (note,) = (note.text for note in build_table(group, DEFAULT).notes if note.mark == "1")
    assert note == "lslu: n = 5, seed 1 not on the others' footing (train.lr 0.1 / 0.2)."


def test_the_footing_is_the_plan_s_even_if_fewer_runs_have_it(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe, other = make_recipe(), make_recipe(train={"epochs": 30, "lr": 0.2})
    runs = runs_of(other, make_run, "swish", "series", "lslu") + runs_of(recipe, make_run, "relu")
    group = compared(recipe, runs)
    assert group.footing == runs[-1].footing
    assert [sorted(mismatch.seeds) for mismatch in group.mismatches] == [["lslu", "series", "swish"]]


def test_nothing_is_near_the_best_and_no_verdict_is_bare(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    fields = {"paper": "lslu", "table": "lslu-table3-gain", "claim": "lslu-cifar100-gain"}
    recipe = make_recipe(**fields)
    runs = runs_of(recipe, make_run, "relu", "swish", "series", "lslu")
    equal = compared(recipe, runs)
    other = make_recipe(**fields, train={"epochs": 30, "lr": 0.2})
    group = compared(recipe, runs[:-3] + runs_of(other, make_run, "lslu"))
    assert equal.near_best
    assert group.near_best == frozenset()
    verdicts = [verdict_of(row, each) for each in (equal, group) for row in each.rows if row.name == "lslu"]
    told = [verdict.cell for verdict in verdicts if verdict]
    assert ["on unequal footing" in text for text in told] == [False, True]


def test_answers_of_unlike_data_are_not_crossed(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(arms=[{"name": name, "activation": name} for name in ("relu", "swish")])

    def answered(run: RunRecord) -> RunRecord:
        result = run.results[0]
        right = [i % 16 < result.tally.correct for i in range(16)]  # type: ignore[union-attr]
        bits = {"correct_bits": pack_bits(right)}
        return run.model_copy(update={"results": (result.model_copy(update=bits),)})

    runs = [answered(make_run(recipe, "relu", seed, 8 + seed, total=16)) for seed in range(3)]
    same = [answered(make_run(recipe, "swish", seed, 9 + seed, total=16)) for seed in range(3)]
    unlike = [
        answered(make_run(recipe, "swish", seed, 9 + seed, total=16, fingerprint="other"))
        for seed in range(3)
    ]
    crossed = [compared(recipe, runs + others).rows[1].gaps[0].crossed for others in (same, unlike)]
    assert crossed[0] is not None
    assert crossed[1] is None


def test_two_arms_of_one_name_and_one_run_twice_stay_refused(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    arms = [{"name": "lslu", "activation": "lslu", "options": {"n": 5}}]
    runs = runs_of(recipe, make_run, "relu", "lslu")
    with pytest.raises(NotComparableError, match="call two different arms 'lslu'"):
        compared(recipe, [*runs[:-1], make_run(make_recipe(arms=arms), "lslu", 2)])
    other = make_recipe(train={"epochs": 30, "lr": 0.2})
    with pytest.raises(NotComparableError, match="two records hold the run lslu_c100 relu seed 0"):
        compared(recipe, [*runs, make_run(other, "relu", 0)])


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
profiles: {paper: {}, lite: {}, smoke: {data: {name: synthetic}}}
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> Callable[..., None]:
    """A folder with the recipe `mine`; stores the arms' runs under overrides."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RECIPE)

    def write(*arms: str, lr: float = 0.1) -> None:
        recipe, store = (
            load_recipe("mine.yaml", overrides=[f"train.lr={lr}"]).recipes[0],
            Store(Path("results")),
        )
        for run in runs_of(recipe, make_run, *arms, seeds=(0, 1)):
            path = store.path(recipe="mine", profile="lite", arm=run.arm.name, seed=run.seed, run=run.run)
            store.write(path, run)

    return write


def test_the_program_shows_what_it_else_leaves_out(store: Callable[..., None], program: Program) -> None:
    store("relu", "swish")
    store("lslu", lr=0.2)
    without = compare_command(["mine.yaml"])
    assert (
        without.warnings[0]
        == "mine: 2 records of other settings left out (recipe now / record): train.lr 0.1 / 0.2"
    )
    done = program("compare", "mine.yaml", "--allow-mismatch", "--check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (table,) = json.loads(done.stdout)["tables"]
    assert table["mismatches"] == [{"seeds": {"lslu": [0, 1]}, "difference": "train.lr 0.1 / 0.2"}]
    assert "footing differs" in table["caption"]
    assert "(1) lslu: not on the others' footing (train.lr 0.1 / 0.2)." in table["notes"]
    traced = trace("mine.yaml", "lslu", "vs relu", allow_mismatch=True)
    assert "footing differs: lslu seed 0, 1: train.lr 0.1 / 0.2" in traced.text


def test_an_arm_that_has_runs_of_its_own_takes_no_others(store: Callable[..., None]) -> None:
    store("relu", "swish", "lslu")
    store("lslu", "relu", lr=0.2)
    outcome = compare_command(["mine.yaml"], allow_mismatch=True)
    assert outcome.warnings == (
        "mine: 4 records of other settings left out (recipe now / record): train.lr 0.1 / 0.2",
    )
    assert "footing differs" not in outcome.text


def test_a_stale_table_s_command_repeats_the_option(store: Callable[..., None]) -> None:
    store("relu", "swish")
    store("lslu", lr=0.2)
    Path("table.csv").write_text("")
    with pytest.raises(NotComparableError) as caught:
        export_table(["mine.yaml"], check=Path("table.csv"), allow_mismatch=True)
    assert "actbench export-table mine.yaml --format csv -o table.csv --allow-mismatch" in str(caught.value)
