"""`actbench import`: the real program, what it stores, and what it refuses."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.commands.import_runs import ImportRequest, import_runs
from actbench.commands.ls import ls
from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.imported import store
from actbench.imported.places import paths
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store

RUNS = "activation,seed,acc,gpu\nReLU,0,70.1,a\nReLU,1,70.4,a\nmine,0,72.0,b\nmine,1,nan,b\nmine,2,,b\n"
NOTICES = (
    "column acc is taken for top1_accuracy",
    "column activation is taken for the arm's name",
    "columns not looked at: gpu",
    "seeds of different arms are taken as unrelated; --paired says they share their randomness",
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of runs in an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    path = Path("my_runs.csv")
    path.write_text(RUNS)
    return path


def run(file: Path, **fields: object) -> Outcome:
    return import_runs(ImportRequest(file=file, **fields))  # type: ignore[arg-type]


def refusal(file: Path, **fields: object) -> str:
    with pytest.raises(ActbenchError) as caught:
        run(file, **fields)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_from_a_file_to_a_table_with_the_program(
    program: Callable[..., "subprocess.CompletedProcess[str]"], file: Path
) -> None:
    assert file.exists()
    done = program(
        "import", "my_runs.csv", "--title", "Our runs", "--data", "CIFAR-100", "--model", "ResNet-20"
    )
    (path,) = paths(Path("results"))
    assert (done.returncode, done.stderr) == (0, "".join(f"warning: {notice}\n" for notice in NOTICES))
    assert done.stdout == (
        "my_runs: 2 arms, 3 completed, 1 diverged, 1 missing; top1_accuracy in percent; footing not audited\n"
        f"wrote {path}; next: actbench compare my_runs\n"
    )
    compared = program("compare", "my_runs")
    assert compared.returncode == 0
    assert compared.stderr == "warning: incomplete: my_runs, by my_runs.csv: mine seed 2 missing (line 6)\n"
    caption = " ".join(compared.stdout.split("\n\n")[0].split())
    assert caption == (
        "Our runs: top-1 test accuracy in percent on CIFAR-100 with ResNet-20; imported from my_runs.csv "
        f"(sha256 {path.stem.rpartition('-')[2]}), footing not audited, seeds 0, 1."
    )


def test_a_wrong_file_with_the_program(
    program: Callable[..., "subprocess.CompletedProcess[str]"], file: Path
) -> None:
    file.write_text("arm,seed,acc\nrelu,0,70\nrelu,0,71\nrelu,x,72\n")
    done = program("import", "my_runs.csv", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "my_runs.csv:3: arm relu seed 0 has its top1_accuracy in line 2 already\n"
        "my_runs.csv:4: 'x' is no seed: a whole number from 0 (column seed)\n"
    )
    assert not Path("results").exists()
    assert "known: percent, fraction" in program("import", "my_runs.csv", "--unit", "points").stderr


def test_the_stored_set_reads_back_and_holds_where_each_run_stood(file: Path) -> None:
    run(file, paired=True, baselines=["mine"], title="Ours")
    (path,) = paths(Path("results"), "my_runs")
    imported = store.read(path)
    assert (imported.title, imported.baselines, imported.is_paired) == ("Ours", ("mine",), True)
    assert imported.arms == ("mine", "ReLU")
    assert {(r.arm, r.seed): (r.status, r.lines) for r in imported.runs} == {
        ("ReLU", 0): ("completed", (2,)),
        ("ReLU", 1): ("completed", (3,)),
        ("mine", 0): ("completed", (4,)),
        ("mine", 1): ("diverged", (5,)),
        ("mine", 2): ("missing", (6,)),
    }
    assert next(iter(json.loads(path.read_text()))) == "schema_version"
    assert path.name == f"my_runs-{imported.source.sha256[:8]}.json"


def test_what_was_done_as_plain_data(file: Path) -> None:
    document = run(file).document
    assert isinstance(document, dict)
    assert document["path"] == str(paths(Path("results"))[0])
    assert (document["arms"], document["baselines"]) == (["ReLU", "mine"], ["ReLU"])
    counts = [document[key] for key in ("completed", "diverged", "failed", "missing")]
    assert counts == [3, 1, 0, 1]
    assert document["notices"] == list(NOTICES)


def test_the_same_again_changes_nothing_and_another_needs_force(file: Path) -> None:
    run(file)
    (path,) = paths(Path("results"))
    before = path.stat().st_mtime_ns
    assert f"unchanged: {path}" in run(file).text
    assert path.stat().st_mtime_ns == before
    for text, title in ((RUNS.replace("72.0", "73.0"), None), (RUNS, "another")):
        file.write_text(text)
        told = refusal(file, title=title)
        assert told.startswith(
            "my_runs is imported already, from another file or with other words: results/my_runs"
        )
        assert "--force replaces it and keeps the old file aside" in told
    old = path.read_bytes()
    outcome = run(file, title="another", force=True)
    kept = path.with_name(f"{path.name}.superseded-1")
    assert outcome.warnings[-1] == f"the set that was my_runs is kept as {kept}"
    assert kept.read_bytes() == old
    assert store.read(path).title == "another"
    file.write_text(RUNS.replace("72.0", "73.0"))
    run(file, force=True)
    assert len(paths(Path("results"))) == 1
    assert len(list(path.parent.iterdir())) == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"name": "demo_digits"},
            "'demo_digits' is the name of a recipe, whose own runs it stands for (--name)",
        ),
        (
            {"name": "../up"},
            "command line: '../up' is no name for a set (--name)\n  a name starts with a letter",
        ),
        (
            {"title": "two\nlines"},
            r"command line: 'two\nlines' is no label: 1 to 200 printable characters (--title)",
        ),
        ({"data": " "}, "'' is no label: 1 to 200 printable characters (--data)"),
        (
            {"baselines": ["relu"]},
            "no arm 'relu' in my_runs.csv (--baseline)\n  known: ReLU, mine\n  did you mean 'ReLU'?",
        ),
        ({"metrics": ["f 1!"]}, "'f 1!' is no name of a metric (--metric)"),
        ({"metrics": ["f1"]}, "my_runs.csv: no column f1 (--metric)"),
    ],
)
def test_wrong_words_are_refused(file: Path, fields: dict[str, object], words: str) -> None:
    assert words in refusal(file, **fields)
    assert not Path("results").exists()


def test_files_that_cannot_be_read_or_written(file: Path) -> None:
    assert refusal(Path("none.csv"), name="x") == "none.csv: cannot be read: No such file or directory"
    assert refusal(Path("."), name="x") == ".: cannot be read: Is a directory"
    Path("full").write_text("")
    assert "cannot be written" in refusal(file, results_dir=Path("full"))


def test_a_name_that_needs_another(file: Path) -> None:
    other = Path("3 runs.csv")
    other.write_text(file.read_text())
    assert "'3 runs' is no name for a set (--name)" in refusal(other)
    assert "wrote results/three/imported/3_runs-" in run(other, name="three").text


def test_without_a_usual_baseline_that_is_said(file: Path) -> None:
    file.write_text("arm,seed,acc\na,0,50\nb,0,51\n")
    assert (
        "no arm is called relu or swish: nothing is compared until --baseline names one" in run(file).warnings
    )


def test_imported_runs_and_records_never_mix(
    file: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    run(file)
    listed = ls("runs", results_dir=Path("results"))
    rows = listed.document
    assert isinstance(rows, list)
    assert [(row["arm"], row["seed"], row["profile"], row["test %"]) for row in rows] == [
        ("ReLU", 0, "imported", 70.1),
        ("ReLU", 1, "imported", 70.4),
        ("mine", 0, "imported", 72.0),
        ("mine", 1, "imported", None),
        ("mine", 2, "imported", None),
    ]
    assert listed.warnings == ()
    assert Store(Path("results")).paths() == []
    recipe = make_recipe(name="theirs")
    path = Path("results/theirs/lite/relu-seed0.json")
    Store(Path("results")).write(path, make_run(recipe, "relu", 0))
    assert "results/theirs holds runs that actbench made (--name)" in refusal(file, name="theirs")
    assert Store(Path("results")).paths() == [path]
