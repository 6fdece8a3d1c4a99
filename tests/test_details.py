"""Details are what the record says, wherever they are read from, or an error that names the record."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actbench import details, index
from actbench.details import DetailsFile
from actbench.errors import RecordError
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, RunSummary
from actbench.store import Store
from tests.tables.comparisons import with_bits


@pytest.fixture
def store(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
) -> Store:
    """Three records, written a while ago, of which the index knows."""
    monkeypatch.setenv("ACTBENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "FEWEST", 1)
    store, recipe = Store(tmp_path / "results"), make_recipe()
    for seed in range(3):
        record = with_bits(make_run(recipe, "relu", seed, 5000 + seed), key=seed)
        path = store.path(recipe=recipe.name, profile="lite", arm="relu", seed=seed, run=record.run)
        store.write(path, record)
        _age(path)
    store.scan()
    return store


@pytest.fixture
def place(store: Store) -> Path:
    """Of the details."""
    (place,) = (store.results_dir.parent / "cache").rglob("*.details")
    return place


@pytest.fixture
def opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The records that are opened from here on."""
    names: list[str] = []
    summary = type(store).summary

    def noted(store: Store, path: Path | str) -> RunSummary:
        names.append(Path(path).name)
        return summary(store, path)

    monkeypatch.setattr(Store, "summary", noted)
    return names


def _age(path: Path, seconds: float = 3600) -> None:
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))


def _summaries(store: Store) -> list[RunSummary]:
    runs, problems = store.scan()
    assert not problems
    return [run.record for run in runs if isinstance(run.record, RunSummary)]


def _are_right(store: Store, summaries: list[RunSummary]) -> bool:
    records = list(map(store.read, store.paths()))
    assert all(record.bits() is not None for record in records)
    return [(one.provenance, one.bits()) for one in summaries] == [
        (record.provenance, record.bits()) for record in records
    ]


def test_what_tables_need_is_told_without_them(
    store: Store, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summaries = _summaries(store)
    monkeypatch.setattr(DetailsFile, "part", None)
    for summary in summaries:
        assert summary.result() == summary.results[0]
        assert summary.cost
        assert summary.machine
        assert summary.has_cost
        assert summary.step_wall_s
        assert summary.accuracy() == summary.accuracies[0]
    assert opened == []


def test_they_come_from_their_file(store: Store, opened: list[str]) -> None:
    assert _are_right(store, _summaries(store))
    assert opened == []


@pytest.mark.parametrize("breakage", [lambda c: c[:-1], lambda c: c + b" ", lambda _: b"", None])
def test_without_a_whole_file_the_index_is_made_anew(
    store: Store, place: Path, opened: list[str], breakage: Callable[[bytes], bytes] | None
) -> None:
    whole = place.read_bytes()
    if breakage:
        place.write_bytes(breakage(whole))
    else:
        place.unlink()
    assert _are_right(store, _summaries(store))
    assert len(opened) == 3
    assert place.read_bytes() == whole
    assert _are_right(store, _summaries(store))
    assert len(opened) == 3


def test_of_a_damaged_part_the_record_is_read(store: Store, place: Path, opened: list[str]) -> None:
    whole = bytearray(place.read_bytes())
    whole[len(whole) // 2] ^= 1
    place.write_bytes(whole)
    assert _are_right(store, _summaries(store))
    assert set(opened) == {store.paths()[1].name}


def test_where_the_file_went_meanwhile_records_are_read(store: Store, place: Path, opened: list[str]) -> None:
    summaries = _summaries(store)
    place.unlink()
    assert _are_right(store, summaries)
    assert set(opened) == {path.name for path in store.paths()}
    place.mkdir()  # can be opened, and not be read
    assert _are_right(store, summaries)


def test_another_index_of_the_same_records_takes_nothing_away(
    store: Store, opened: list[str], make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    old = _summaries(store)
    record = with_bits(make_run(make_recipe(), "lslu", 0), key=7)
    path = store.paths()[0].with_name("lslu-seed0-00000000.json")  # before all others: they move
    store.write(path, record)
    _age(path)
    new = _summaries(store)
    assert opened == [path.name]
    assert _are_right(store, new)
    assert opened == [path.name], "what was known is told on, though its file is another"
    path.unlink()
    assert _are_right(store, old)
    assert _are_right(store, _summaries(store))


def test_an_error_names_the_record_that_is_lost(store: Store, place: Path) -> None:
    summary, *_ = _summaries(store)
    path, *_ = store.paths()
    place.unlink()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"correct_bits": "', b'"correct_bits": "AAAA'))
    with pytest.raises(RecordError, match="changed while it was read") as changed:
        summary.bits()
    path.unlink()
    with pytest.raises(RecordError, match="cannot be read") as gone:
        summary.bits()
    for error in (changed.value, gone.value):
        assert error.problems[0].where == str(path)


def test_a_record_that_is_lost_while_the_index_is_written_is_left_out(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = store.paths()
    whole = bytearray(place.read_bytes())
    whole[10] ^= 1  # the first record's part
    place.write_bytes(whole)
    second.unlink()
    state = index._state

    def gone_a_moment_later(path: str) -> tuple[int, int] | None:
        found = state(path)
        if path == str(first):
            first.unlink()
        return found

    monkeypatch.setattr(index, "_state", gone_a_moment_later)
    summaries = _summaries(store)
    assert [summary.seed for summary in summaries] == [0, 2]
    assert summaries[1].bits() is not None
    monkeypatch.undo()


def test_bits_may_be_broken_into_lines(store: Store) -> None:
    path, *_ = store.paths()
    record = store.read(path)
    result = record.results[0]
    broken = "\n".join([result.correct_bits[:100], result.correct_bits[100:], ""])
    store.write(
        path,
        record.model_copy(update={"results": (result.model_copy(update={"correct_bits": broken}),)}),
    )
    _age(path, 60)
    for summary in (store.summary(path), _summaries(store)[0], _summaries(store)[0]):
        assert summary.bits() == record.bits() is not None
        assert summary.provenance == record.provenance


def test_details_equal_their_bytes(store: Store) -> None:
    one, other, _ = (summary.details for summary in _summaries(store))
    assert one == bytes(one)
    assert bytes(one) == one
    assert one != other
    assert one != bytes(other)
    assert hash(one) == hash(bytes(one))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=1), st.integers(1, 40))
def test_a_part_is_those_bytes_whatever_was_asked_before(parts: list[tuple[int, int]], window: int) -> None:
    content = bytes(range(50))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(details, "WINDOW", window)
        (Path(folder) / "details").write_bytes(content)
        file = DetailsFile(Path(folder) / "details", Path(folder), Store(Path(folder)).summary)
        for start, length in parts:
            assert file.part(start, length) == content[start : start + length]
