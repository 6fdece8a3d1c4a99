"""What a thread gets of its core."""

import pytest

from actbench.bench import pace as paces
from actbench.bench.pace import pace


def test_a_core_does_more_than_one_addition_a_cycle_where_they_need_not_wait() -> None:
    found = pace()
    assert found is not None
    # Processors of this century run between half a GHz and ten, and have two to eight units that add.
    assert 0.5 < found.ghz < 10
    assert 1 < found.additions_per_cycle < 8.5


def test_without_a_compiler_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "load_library", lambda _folder, _name: None)
    assert pace() is None
