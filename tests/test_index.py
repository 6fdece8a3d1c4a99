"""The index of a folder of records says what the records say, or nothing: whatever happens to either."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench import index, index_file
from actbench.details import DetailsFile
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, RunSummary
from actbench.store import Store
from actbench.summary import summary_of

RESULTS = Path(__file__).parents[1] / "results"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, of folders however small."""
    monkeypatch.setenv("ACTBENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "FEWEST", 1)
    return tmp_path / "cache"


@pytest.fixture
def store(
    cache: Path, tmp_path: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> Store:
    """Six records, written a while ago, of which the index knows."""
    store = Store(tmp_path / "results")
    recipe = make_recipe()
    for arm in ("relu", "swish", "lslu"):
        for seed in range(2):
            record = make_run(
                recipe, arm, seed, 5000 + seed, status="diverged" if arm == "swish" else "completed"
            )
            path = store.path(recipe=recipe.name, profile="lite", arm=arm, seed=seed, run=record.run)
            store.write(path, record)
            _age(path)
    assert len(store.scan()[0]) == 6
    assert len(list(cache.rglob("*.index"))) == 1
    return store


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The records that are opened from here on."""
    paths: list[Path] = []
    summary = Store.summary

    def noted(store: Store, path: Path | str) -> RunSummary:
        paths.append(Path(path))
        return summary(store, path)

    monkeypatch.setattr(Store, "summary", noted)
    return paths


def _age(path: Path, seconds: float = 3600) -> None:
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))


def _is_as_stored(store: Store) -> bool:
    """Whether a scan tells of every record what is in its file."""
    runs, problems = store.scan()
    return (
        not problems
        and [run.path for run in runs] == store.paths()
        and all(run.record == summary_of(store.read(run.path)) for run in runs)
    )


def test_records_that_are_known_are_not_opened(store: Store, opened: list[Path]) -> None:
    assert _is_as_stored(store)
    assert opened == []


@pytest.mark.usefixtures("cache")
def test_a_summary_comes_back_with_all_it_had(tmp_path: Path, opened: list[Path]) -> None:
    for folder in sorted(RESULTS.glob("*/*/")):
        copy = tmp_path / "results" / folder.relative_to(RESULTS)
        copy.mkdir(parents=True)
        for path in sorted(folder.glob("*-seed0-*.json")):
            shutil.copy(path, copy)
            _age(copy / path.name)
    store = Store(tmp_path / "results")
    first, again = store.scan(), store.scan()
    assert len(opened) == len(first[0]) > 20
    for one, other in zip(first[0], again[0], strict=True):
        assert one.path == other.path
        assert one.record == other.record
        assert one.record.results == other.record.results
        assert one.record.bits() == other.record.bits() == store.read(one.path).bits()


def test_a_record_that_changed_is_read_again(store: Store, opened: list[Path]) -> None:
    path = store.paths()[3]
    record = store.read(path)
    store.write(path, record.model_copy(update={"footing": "another"}))
    _age(path, 60)
    assert _is_as_stored(store)
    assert opened == [path]
    assert _is_as_stored(store)
    assert opened == [path]


def test_records_that_came_and_went_are_noticed(store: Store, opened: list[Path], cache: Path) -> None:
    first, *_, last = store.paths()
    content = last.read_bytes()
    last.unlink()
    (place,) = cache.rglob("*.index")
    size = place.stat().st_size
    assert _is_as_stored(store)
    assert place.stat().st_size < size
    new = first.with_name("another-seed7-00000000.json")
    new.write_bytes(content)
    _age(new)
    assert _is_as_stored(store)
    assert opened == [new]
    assert place.stat().st_size >= size
    known = index_file.load(DetailsFile(place.with_suffix(".details"), new.parent, store.summary))
    assert known is not None
    assert known.names == sorted(path.name for path in store.paths()), (
        "in the order in which folders are read"
    )


def test_a_record_that_may_change_unseen_is_not_trusted(store: Store, opened: list[Path]) -> None:
    path = store.paths()[0]
    text = path.read_text()
    path.write_text(text)  # just now
    assert _is_as_stored(store)
    before = path.stat()
    path.write_text(text.replace('"correct": 5000', '"correct": 4999'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if within one tick of the clock
    assert path.stat().st_size == before.st_size
    assert _is_as_stored(store)
    assert opened == [path, path]
    (run,) = (run for run in store.scan()[0] if run.path == path)
    result = run.record.result()
    assert result is not None
    assert "4999" in result.model_dump_json()


@pytest.mark.parametrize(
    "breakage",
    [
        lambda content: content[:0],
        lambda content: content[:0] + b"\n",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:30],
        lambda content: content + b" ",
        lambda content: content.replace(b"lslu_c100", b"lslu_c10x", 1),
        lambda content: content.replace(b'"correct":5000', b'"correct":5001', 1),
        lambda content: (
            content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]
        ),  # in what is seldom looked at
        lambda content: bytes(255 - byte for byte in content),
        lambda content: (
            content[: index_file.FIRST_LINE] + content[index_file.FIRST_LINE :].replace(b"{", b"[", 1)
        ),
    ],
)
def test_a_broken_index_is_made_anew(
    store: Store, cache: Path, opened: list[Path], breakage: Callable[[bytes], bytes]
) -> None:
    (place,) = cache.rglob("*.index")
    whole = place.read_bytes()
    place.write_bytes(breakage(whole))
    assert place.read_bytes() != whole
    assert _is_as_stored(store)
    assert len(opened) == 6
    assert place.read_bytes() == whole


def test_an_index_of_another_version_is_made_anew(
    store: Store, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "version", lambda: "f" * 16)
    assert _is_as_stored(store)
    assert len(opened) == 6
    assert _is_as_stored(store)
    assert len(opened) == 6


def test_the_version_changes_with_what_a_summary_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    before = index_file.version()
    monkeypatch.setattr(index_file, "__version__", "another")
    index_file.version.cache_clear()
    other = index_file.version()
    monkeypatch.undo()
    index_file.version.cache_clear()
    assert other != before == index_file.version()


def test_without_a_place_to_write_all_is_read(store: Store, cache: Path, opened: list[Path]) -> None:
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        assert _is_as_stored(store)
    assert len(opened) == 12


def test_a_damaged_record_is_named_every_time_and_its_return_noticed(
    store: Store, opened: list[Path]
) -> None:
    path = store.paths()[2]
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    _age(path)
    for _ in range(2):
        runs, problems = store.scan()
        assert len(runs) == 5
        assert [problem.where for problem in problems] == [str(path)]
    path.write_bytes(content)
    _age(path)
    assert _is_as_stored(store)
    assert opened == [path] * 3


def test_the_last_of_two_writers_wins_and_both_were_right(
    store: Store, cache: Path, opened: list[Path]
) -> None:
    (place,) = cache.rglob("*.index")
    first = store.paths()[0]
    home = DetailsFile(place.with_suffix(".details"), first.parent, store.summary)
    known = index_file.load(home)
    assert known is not None
    index_file.save(home, {name: entry for name, entry in known.entries().items() if name != first.name})
    assert _is_as_stored(store)
    assert opened == [first]
    assert index_file.load(home) == known
    left = sorted(entry.name for entry in place.parent.iterdir())
    assert left == [home.place.name, place.name], "nothing is left beside them"


def test_few_records_need_no_index(store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(cache)
    monkeypatch.setattr(index, "FEWEST", 7)
    assert _is_as_stored(store)
    assert not cache.exists()
