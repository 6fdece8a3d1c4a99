"""Imported sets in tables: the same numbers as the same values of records, other pairs, and what is said of them."""

import random
from pathlib import Path

import pytest

from actbench.commands.compare import compare
from actbench.commands.export_table import export_table
from actbench.commands.import_runs import ImportRequest, import_runs
from actbench.comparison import ArmRow, Group
from actbench.errors import ActbenchError, NotComparableError, RecordError
from actbench.imported.group import imported_group
from actbench.imported.places import paths
from actbench.imported.selection import select_set
from actbench.selection import Sources, select
from actbench.stats import contrasts, mean_estimate
from actbench.tables.formats import RENDERERS, Format

LINES = (
    "relu,0,70.1,0.010,100,41.0",
    "relu,1,70.4,0.012,100,",
    "relu,2,69.9,0.011,100,41.4",
    "swish,0,71.0,0.022,110,42.0",
    "swish,1,nan,0.020,110,nan",
    "swish,2,71.3,0.024,110,42.2",
    "Mine,0,72.0,,,43.0",
    "Mine,1,72.4,,,43.1",
    "Mine,2,,,,",
)
RECIPE = """\
name: runs
data: {name: digits}
input: {size: 32}
model: {name: vanillanet, decay_epochs: 1}
arms: [{name: relu, activation: relu}]
train: {epochs: 1, lr: 0.1}
profiles: {paper: {}, lite: {}, smoke: {data: {name: synthetic}}}
"""
HEAD = "arm,seed,top1_accuracy,step_time_s,parameters,mask_ap"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(*lines: str, name: str = "runs", paired: bool = False, force: bool = False) -> Path:
    file = Path(f"{name}.csv")
    file.write_text("\n".join([HEAD, *(lines or LINES)]) + "\n")
    import_runs(ImportRequest(file=file, paired=paired, force=force, data="CIFAR-100", model="ResNet-20"))
    (path,) = paths(Path("results"), name)
    return path


def group_of(path: Path, metric: str | None = None, **asked: tuple[str, ...]) -> Group:
    selection = select_set(path, asked.get("arms", ()), None)
    return imported_group(selection, asked.get("baselines", ()), metric, "last", "raw")


def row_of(group: Group, name: str) -> ArmRow:
    return next(row for row in group.rows if row.name == name)


def test_values_become_means_gaps_and_costs() -> None:
    group = group_of(imported())
    assert [row.name for row in group.rows] == ["relu", "swish", "Mine"]
    relu, swish, mine = group.rows
    assert relu.value == mean_estimate([0.701, 0.704, 0.699])
    assert (swish.completed, swish.diverged, swish.missing_seeds) == (2, 1, ())
    assert (mine.completed, mine.diverged, mine.missing_seeds) == (2, 0, (2,))
    assert mine.gaps[0].difference is not None
    values = {"mine": {0: 0.72, 1: 0.724}, "relu": {2: 0.701, 3: 0.704, 4: 0.699}}
    (welch,) = contrasts(values, [("mine", "relu")])
    assert welch is not None
    expected = welch.estimate
    assert mine.gaps[0].difference.value == pytest.approx(expected.value, abs=1e-15)
    assert mine.gaps[0].difference.interval == pytest.approx(expected.interval, abs=1e-12)
    assert (swish.step_time_ratio, swish.step_clock) == (2.0, "wall")
    assert (swish.parameters, mine.parameters, mine.step_time_ratio) == (110, None, None)
    assert (group.family, group.baselines, group.seeds) == (3, ("relu", "swish"), (0, 1, 2))
    assert (group.setting.source, group.setting.is_audited) == (f"runs.csv (sha256 {_sum()})", False)


def _sum() -> str:
    (path,) = paths(Path("results"), "runs")
    return path.stem.rpartition("-")[2]


def test_another_metric_has_its_own_values_and_missing_runs() -> None:
    group = group_of(imported(), metric="mask_ap")
    assert group.metric.head == "mask AP"
    assert row_of(group, "relu").value == mean_estimate([0.41, 0.414])
    assert row_of(group, "relu").missing_seeds == (1,)


def test_a_value_before_the_end_of_a_run_that_diverged_or_failed_does_not_count() -> None:
    Path("runs.csv").write_text("arm,seed,acc,status\nrelu,0,70,\nrelu,1,9,diverged\nrelu,2,8,failed\n")
    import_runs(ImportRequest(file=Path("runs.csv")))
    (relu,) = group_of(paths(Path("results"))[0]).rows
    assert (relu.completed, relu.diverged, relu.missing_seeds) == (1, 1, (2,))
    assert relu.value == mean_estimate([0.7])


def test_equal_seeds_are_no_pairs_unless_somebody_says_so() -> None:
    lines = [
        f"{arm},{seed},{70 + step + 5 * seed},,,"
        for arm, step in (("relu", 0), ("mine", 1))
        for seed in (0, 1, 2)
    ]
    lines[-1] = "mine,2,81.1,,,"
    apart = row_of(group_of(imported(*lines)), "mine").gaps[0].contrast
    paired = row_of(group_of(imported(*lines, paired=True, force=True)), "mine").gaps[0].contrast
    assert apart is not None
    assert paired is not None
    assert list(apart.alternatives) == ["welch"]
    assert apart.sign_flip is None
    assert apart.p is not None
    assert apart.p > 0.5
    pairs = paired.alternatives["paired"]
    assert pairs.p is not None
    assert pairs.p < 0.01
    assert apart.alternatives["welch"] == paired.alternatives["welch"]


@pytest.mark.parametrize("format", sorted(RENDERERS))
def test_the_order_of_lines_never_changes_a_table(format: Format) -> None:
    imported()
    expected = export_table(["runs"], format=format).text.replace(_sum(), "SUM")
    assert "SUM" in expected or format == "csv"
    for seed in range(5):
        imported(*random.Random(seed).sample(LINES, len(LINES)), force=True)
        assert export_table(["runs"], format=format).text.replace(_sum(), "SUM") == expected


def test_tables_say_that_the_footing_was_not_audited() -> None:
    imported()
    text = " ".join(export_table(["runs"], format="markdown").text.split())
    assert f"imported from runs.csv (sha256 {_sum()}), footing not audited" in text
    assert "top-1 test accuracy in percent on CIFAR-100 with ResNet-20" in text
    assert "1/3 diverged" in text
    assert "1 missing" in text
    assert "equal footing" not in text.replace("on equal footing is said, not audited", "")


def test_of_whose_weights_the_values_are_is_not_made_up() -> None:
    imported()
    document = compare(["runs"]).document
    assert isinstance(document, dict)
    (table,) = document["tables"]
    for key in ("profile", "epochs", "protocol", "which", "weights", "footing"):
        assert table[key] is None
    assert table["source"] == f"runs.csv (sha256 {_sum()})"


def test_arms_seeds_and_baselines_can_be_chosen() -> None:
    imported()
    text = compare(["runs"], arms=["relu", "Mine"], seeds="0,1", check=True, baselines=["Mine"]).text
    assert "vs Mine" in text
    assert "swish" not in text
    assert "missing" not in text


def test_the_set_is_found_by_name_by_file_and_below_a_folder() -> None:
    path = imported()
    expected = compare(["runs"]).text
    for reference in (str(path), "results", "results/runs", "results/runs/imported"):
        assert compare([reference]).text == expected
    assert compare(["runs", str(path), "results"]).text == expected


def test_missing_runs_are_told_and_count_as_incomplete() -> None:
    imported()
    assert compare(["runs"]).warnings == ("incomplete: runs, by runs.csv: Mine seed 2 missing (line 10)",)
    with pytest.raises(NotComparableError, match="not complete"):
        compare(["runs"], check=True)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"metric": "box_ap"},
            "imported set 'runs' has no metric 'box_ap' (--metric)\n  known: top1_accuracy, mask_ap",
        ),
        ({"baselines": ["gelu"]}, "imported set 'runs' has no arm 'gelu' to compare against\n  known: relu"),
        ({"arms": ["mine"]}, "has no arm 'mine' (--arm)\n  known: relu, swish, Mine\n  did you mean 'Mine'?"),
        ({"which": "best_val"}, "imported set 'runs' has one value a run, of whichever weights (--at)"),
        ({"weights": "ema"}, "imported set 'runs' has one value a run, of whichever weights (--weights)"),
        ({"profile": "lite"}, "imported results have no settings to choose by: --profile lite"),
        ({"overrides": ["train.lr=1"]}, "imported results have no settings to choose by: train.lr=1"),
        ({"limit": 5}, "imported results have no settings to choose by: --limit"),
        ({"seeds": "7"}, "imported set 'runs' has no run of seeds 7"),
        ({"seeds": "x"}, "write 0..4, 0,1,2"),
    ],
)
def test_what_the_set_does_not_have_is_refused_in_words(asked: dict[str, object], words: str) -> None:
    imported()
    with pytest.raises(ActbenchError) as caught:
        compare(["runs"], **asked)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_recipe_of_the_same_name_comes_first_and_the_set_is_told() -> None:
    path = imported()
    Path("recipes").mkdir()
    Path("recipes/runs.yaml").write_text(RECIPE)
    with pytest.raises(NotComparableError) as caught:
        compare(["runs"])
    assert str(caught.value) == (
        "no records of runs (profile lite) in results\n"
        f"  runs is a recipe; the imported set of that name is compared as {path}\n"
        "  actbench train runs --profile lite"
    )
    assert compare([str(path)]).text.startswith("runs: ")


def test_commands_that_need_records_refuse_the_set_by_name_and_pass_over_it_in_folders() -> None:
    path = imported()
    for reference in ("runs", str(path)):
        with pytest.raises(ActbenchError, match="imported set"):
            select(Sources([reference], None, (), Path("results")))
    assert select(Sources(["results"], None, (), Path("results"))).selections == []


def test_a_damaged_set_is_refused_by_name_and_left_out_in_a_folder() -> None:
    imported()
    path = imported(name="other")
    path.write_text(path.read_text()[:100])
    with pytest.raises(RecordError, match="not an imported set"):
        compare(["other"])
    outcome = compare(["results"])
    assert "left out: " in outcome.warnings[0]
    assert outcome.text.startswith("runs: ")
    newer = path.with_name("newer.json")
    path.rename(newer)
    newer.write_text('{"schema_version": 2}')
    with pytest.raises(RecordError, match="schema version 2 is newer than this program's 1"):
        compare(["other"])
