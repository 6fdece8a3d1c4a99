"""Reading processes are no more than processors."""

import os

import pytest

from actbench.data.workers import usable_workers


def test_never_more_than_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 3}, raising=False)
    assert [usable_workers(wanted) for wanted in (0, 1, 2, 16)] == [0, 1, 2, 2]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_workers(16) == 1
