"""Records go in whole and come out equal; what is damaged is named and never lost."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.errors import ActbenchError, RecordError
from actbench.recipe.schema import Recipe
from actbench.record import ResultFacts, RunRecord, pack_bits
from actbench.store import Store, set_aside, write_atomically
from actbench.summary import summarise, summary_of


@pytest.fixture
def stored(
    tmp_path: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> tuple[Store, Path, RunRecord]:
    store = Store(tmp_path / "results")
    record = make_run(make_recipe(), "lslu", 0)
    path = store.path(
        recipe=record.recipe.name, profile=record.recipe.profile, arm="lslu", seed=0, run=record.run
    )
    store.write(path, record)
    return store, path, record


def test_a_record_comes_back_equal(stored: tuple[Store, Path, RunRecord]) -> None:
    store, path, record = stored
    assert store.read(path) == record
    assert path.name == f"lslu-seed0-{record.run[:8]}.json"
    assert json.loads(path.read_text())["schema_version"] == 1
    assert next(iter(json.loads(path.read_text()))) == "schema_version"
    assert [run.path for run in store.scan()[0]] == [path]


def test_a_summary_says_what_the_record_says(
    stored: tuple[Store, Path, RunRecord], with_curves: Callable[..., RunRecord]
) -> None:
    store, path, record = stored
    long = with_curves(record, epochs=(0, 3), sites=("stem",))
    store.write(path, long)
    summary = summarise(path.read_bytes())
    assert summary == summary_of(long)
    assert summary is not None
    assert summary.epochs == 4
    assert summary.result() == ResultFacts(**long.results[0].model_dump(exclude={"correct_bits"}))
    assert store.scan()[0][0].record == summary


def test_each_recipe_and_arm_is_made_once(stored: tuple[Store, Path, RunRecord]) -> None:
    store, path, record = stored
    store.write(path.with_name("other-seed1-00000000.json"), record.model_copy(update={"seed": 1}))
    one, two = (run.record for run in store.scan()[0])
    assert (one.seed, two.seed) == (0, 1)
    assert one.recipe is two.recipe
    assert one.arm is two.arm


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda content: json.dumps(content),
        lambda content: json.dumps(content, indent=4),
        lambda content: json.dumps(dict(reversed(content.items()))),
        lambda content: json.dumps({**content, "reason": 'a "quoted" word \\ and "recipe": {}'}),
        lambda content: json.dumps(
            {**content, "recipe": {**content["recipe"], "title": 'tricky "arm": {"seed": 1}, and \\'}}
        ),
    ],
)
def test_however_the_json_is_written_it_reads_the_same(
    stored: tuple[Store, Path, RunRecord], rewrite: Callable[[dict[str, Any]], str]
) -> None:
    store, path, _ = stored
    path.write_text(rewrite(json.loads(path.read_text())))
    assert store.summary(path) == summary_of(store.read(path))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text + "]",
        lambda text: text.replace('"seed": 0', '"seed": 0, "surprise": 1'),
        lambda text: text.replace('"seed": 0', '"seed": 0, "seed": "zero"'),
        lambda text: text.replace('"arm": {', '"arm": {"surprise": 1,'),
        lambda text: text.replace('"arm": {', '"arm": [{'),
        lambda text: text.replace('"epochs": 30', '"epochs": "many"'),
        lambda text: text.replace('"history": []', '"history": {}'),
        lambda text: text.replace('"history": [],', '"history": []'),
        lambda text: text.replace('"history": [],', ""),
        lambda text: text.replace('"title": "LSLU', '"title": "\\0LSLU').replace("\\\\0", "\\0"),
        lambda text: text.replace('"title": "LSLU', '"title": "\x00LSLU'),
        lambda text: text.replace('"history": [', '"history": [\x00'),
        lambda text: text.replace('"footing": "', '"footing": "\x00'),
        lambda text: text.replace('"device": "', '"device": "\x00'),
        lambda text: text.replace('"results": [', '"results": {"results": ['),
        lambda text: text.replace('"correct": 5000', '"correct": NaN'),
        lambda text: text.replace('"parameters": 400400', '"parameters": null'),
    ],
)
def test_a_summary_is_refused_in_the_words_of_the_record(
    stored: tuple[Store, Path, RunRecord], damage: Callable[[str], str]
) -> None:
    store, path, _ = stored
    text = path.read_text()
    path.write_text(damage(text))
    assert path.read_text() != text
    with pytest.raises(RecordError) as whole:
        store.read(path)
    with pytest.raises(RecordError) as short:
        store.summary(path)
    assert short.value.problems == whole.value.problems


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "damaged record"),
        (lambda _: "", "damaged record"),
        (lambda _: "[]", "not a record"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 99'), "newer than this program"),
        (lambda text: text.replace('"status": "completed"', '"status": "splendid"'), "not a record: status"),
        (lambda text: text.replace('"seed": 0', '"seed": "zero"'), "not a record: seed"),
    ],
)
def test_damage_is_named_and_the_rest_is_read(
    stored: tuple[Store, Path, RunRecord], damage: Callable[[str], str], words: str
) -> None:
    store, path, record = stored
    store.write(path.with_name("whole-seed1-00000000.json"), record)
    path.write_text(damage(path.read_text()))
    with pytest.raises(RecordError, match=words) as caught:
        store.read(path)
    assert caught.value.problems[0].where == str(path)
    runs, problems = store.scan()
    assert len(runs) == 1
    assert [problem.where for problem in problems] == [str(path)]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def no_space(_descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(ActbenchError, match="no space left") as caught:
        write_atomically(path, b"new")
    assert caught.value.problems[0].where == str(path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"], "a full disk is not filled further"
    monkeypatch.undo()
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_leftovers_of_the_dead_go_and_files_of_the_living_stay(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = tmp_path / f".file.tmp-{int(finished.stdout)}"
    living = tmp_path / f".file.tmp-{os.getppid()}"
    dead.write_text("")
    living.write_text("")
    write_atomically(tmp_path / "file", b"new")
    assert not dead.exists()
    assert living.exists()


def test_setting_aside_loses_nothing(tmp_path: Path) -> None:
    for content in ("first", "second"):
        (tmp_path / "r.json").write_text(content)
        set_aside(tmp_path / "r.json", "damaged")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"first", "second"}


def test_an_unwritable_place_is_found_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(ActbenchError, match="cannot write results") as caught:
        Store(tmp_path / "results").check_writable(recipe="mine", profile="lite")
    assert "--results-dir" in str(caught.value)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("a file where the recipe's folder should be")
    with pytest.raises(ActbenchError, match="cannot write results"):
        Store(tmp_path / "other").check_writable(recipe="mine", profile="lite")


@pytest.mark.parametrize("length", [1, 7, 8, 9, 1000])
def test_bits_come_back(
    length: int, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    bits = [(i * i + i // 3) % 3 == 0 for i in range(length)]
    result = make_run(make_recipe(), "relu", 0).results[0]
    tally = result.tally.model_copy(update={"correct": sum(bits), "total": length})
    assert result.model_copy(update={"tally": tally, "correct_bits": pack_bits(bits)}).correctness() == bits
