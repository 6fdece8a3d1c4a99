"""`actbench power`: the real program, its plan, and its words where there is nothing to plan by."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.import_runs import ImportRequest, import_runs
from actbench.commands.power import PowerRequest, power
from actbench.errors import ActbenchError, NotComparableError
from actbench.recipe.load import load_recipe
from actbench.record import RunRecord
from actbench.store import Store

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
analysis: {method: welch}
seeds: [0, 1, 2]
profiles:
  paper: {}
  lite: {}
  smoke: {data: {name: synthetic}}
"""
# The numbers of seeds below were found with scipy.stats.nct, their ranges with scipy.stats.chi2.
COUNTS: dict[str, Sequence[int]] = {
    "relu": (5000, 5040, 4960),
    "swish": (5100, 5160, 5040),
    "lslu": (5300, 5340, 5260),
}

Store3 = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., RunRecord]) -> Store3:
    """Works in an empty folder with the recipe `mine`; stores runs of which so many of 10,000 examples are right."""
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/mine.yaml").write_text(RECIPE)

    def store(counts: dict[str, Sequence[int]], *overrides: str, diverged: int = 0) -> None:
        (recipe,) = load_recipe("mine", overrides=overrides).recipes
        runs = [
            make_run(recipe, arm, seed, correct)
            for arm, values in counts.items()
            for seed, correct in enumerate(values)
        ]
        runs += [make_run(recipe, "lslu", 10 + seed, status="diverged") for seed in range(diverged)]
        for run in runs:
            path = Path("results/mine/lite", f"{run.arm.name}-seed{run.seed}.json")
            Store(Path("results")).write(path, run)

    return store


def plan(**fields: Any) -> dict[str, Any]:
    document = power(PowerRequest(reference="mine", **{"detect": 1.0, **fields})).document
    assert isinstance(document, dict)
    (only,) = document["plans"]
    assert isinstance(only, dict)
    return only


def test_the_program_tells_seeds_hours_and_the_command(
    store: Store3, program: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    store(COUNTS)
    done = program("power", "mine", "--detect", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "mine, profile lite: seeds for a true difference of 1 point in accuracy,",
        "found with 80 % power by Welch's t at the 5 % level",
        "",
        "arm    vs     seeds    sd    needs, alone    needs, in the table",
        "swish  relu   3        0.72  6 (4 to 19)     8 (5 to 26)",
        "lslu   relu   3        0.57  4 (3 to 11)     6 (4 to 15)",
        "lslu   swish  3        0.72  6 (4 to 19)     8 (5 to 26)",
        "",
        "For all 3 tests in one table: 8 (5 to 26) seeds of every arm.",
        "15 runs are missing, about 0.2 h one after another, as 9 runs took on a processor, 1 thread.",
        "  actbench train mine --profile lite --seeds 0..7",
        "",
        "sd: of one seed's difference in points. In brackets: needs if the true spread lies at either end of its 80 % "
        "interval (chi-square); few seeds know it badly.",
        "In the table: at 5 % / 3, the level of Holm's first step over its 3 tests.",
    ]
    told = json.loads(program("power", "mine", "--detect", "1", "--json").stdout)["plans"][0]
    assert told["needed"] == {"expected": 8, "low": 5, "high": 26}
    assert (told["missing_runs"], told["hours"], told["seeds"]) == (15, pytest.approx(0.25), list(range(8)))
    assert program("power", "mine").returncode == 2


def test_runs_that_exist_are_not_made_again(store: Store3) -> None:
    store({**COUNTS, "relu": (5000, 5040, 4960, 5000, 5000)})
    found = plan()
    assert found["missing_runs"] == 2 * len(found["seeds"]) + len(found["seeds"]) - 11
    store({arm: [*values, *values[::-1], *values, values[0]] for arm, values in COUNTS.items()})
    found = plan()
    assert (found["missing_runs"], found["commands"]) == (0, [])
    text = power(PowerRequest(reference="mine", detect=1.0)).text
    assert "All of them are stored." in text


def test_arms_and_baselines_make_a_smaller_table(store: Store3) -> None:
    store(COUNTS)
    found = plan(arms=["lslu"])
    assert [(test["arm"], test["baseline"]) for test in found["tests"]] == [
        ("swish", "relu"), ("lslu", "relu"), ("lslu", "swish"),
    ]  # fmt: skip
    found = plan(arms=["lslu"], baselines=["relu"])
    assert [(test["arm"], test["baseline"]) for test in found["tests"]] == [("lslu", "relu")]
    assert found["tests"][0]["alone"] == found["tests"][0]["in_table"] == found["needed"]
    assert found["commands"] == ["actbench train mine --profile lite --arm relu --arm lslu --seeds 0..3"]
    with pytest.raises(ActbenchError, match="has no arm 'lsul'"):
        plan(arms=["lsul"])


def test_a_recipe_that_was_edited_since_is_told(store: Store3) -> None:
    store(COUNTS, "train.lr=0.2")
    outcome = power(PowerRequest(reference="mine", detect=1.0))
    assert "no record matches the recipe as it stands" in outcome.warnings[0]
    assert "--seeds 3,4,5,6,7 train.lr=0.2" in outcome.text


def test_more_than_anybody_runs_is_no_plan(store: Store3) -> None:
    store(COUNTS)
    text = power(PowerRequest(reference="mine", detect=0.01)).text
    assert ">1000 (>1000 to >1000)" in text
    assert "More than 1000: no plan; --arm and --baseline make a smaller table." in text
    assert "actbench train" not in text


def test_one_seed_shows_no_spread(store: Store3) -> None:
    store({arm: values[:1] for arm, values in COUNTS.items()})
    with pytest.raises(NotComparableError) as caught:
        plan()
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "mine: no spread to plan by: one seed shows none; two show a rough one, three a better\n"
        "  actbench train mine --profile lite --seeds 0..2"
    )


def test_equal_seeds_show_no_spread(store: Store3) -> None:
    store(dict.fromkeys(COUNTS, (5000, 5000, 5000)))
    with pytest.raises(
        NotComparableError, match="all seeds of an arm are equal, or one; further ones may differ"
    ):
        plan()


def test_arms_without_a_spread_and_diverged_runs_are_named(store: Store3) -> None:
    store({**COUNTS, "lslu": (5300,)}, diverged=2)
    text = power(PowerRequest(reference="mine", detect=1.0)).text
    assert "No spread to plan by (fewer than two seeds, or all equal): lslu vs relu, lslu vs swish." in text
    assert "Diverged runs give no value, and further ones may: lslu 2." in text


def test_without_records_the_command_is_told(store: Store3) -> None:
    store({})
    with pytest.raises(NotComparableError, match="actbench train mine --profile lite"):
        plan()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"detect": 0.0}, "0 is no difference in points: above 0, at most 100 (--detect)"),
        ({"detect": float("nan")}, "nan is no difference in points"),
        ({"detect": 101.0}, "101 is no difference in points"),
        ({"power": 1.0}, "1 is no power to plan for: from 0.5 to below 1 (--power)"),
        ({"power": 0.4}, "0.4 is no power to plan for"),
    ],
)
def test_wrong_wishes_are_refused(fields: dict[str, float], words: str, store: Store3) -> None:
    store(COUNTS)
    with pytest.raises(ActbenchError) as caught:
        plan(**fields)
    assert caught.value.exit_code == 2
    assert words in str(caught.value)


def test_imported_sets_are_planned_without_a_command(store: Store3) -> None:
    store({})
    lines = [f"{arm},{seed},{v / 100},3600" for arm, found in COUNTS.items() for seed, v in enumerate(found)]
    Path("theirs.csv").write_text("\n".join(["arm,seed,acc,wall_time_s", *lines]))
    import_runs(ImportRequest(file=Path("theirs.csv")))
    outcome = power(PowerRequest(reference="theirs", detect=1.0, arms=("lslu",), baselines=("relu",)))
    assert "theirs, imported from theirs.csv (sha256 " in outcome.text
    assert "For this test: 4 (3 to 11) seeds of every arm." in outcome.text
    assert "2 runs are missing, about 2.0 h one after another, as 6 runs took." in outcome.text
    assert "actbench train" not in outcome.text
