"""What is said of the allocator is what it does."""

import json
import os
import subprocess
import sys

import pytest

from actbench.bench.allocator import set_allocator

CODE = """
import json
from actbench.bench.allocator import set_allocator
from actbench.bench.timing import THREAD_CPU, Case, time_cases
import torch
torch.set_num_threads(1)
x = torch.ones(48 * 2**18)
found = []
for wanted in ("system", "keep"):
    words = set_allocator(wanted)
    times = time_cases([Case("relu", lambda: torch.relu(x))], clock=THREAD_CPU, rounds=5)
    found.append([words, times.page_faults / 5 / (x.nbytes / 4096)])
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="told of glibc alone")
def test_kept_memory_costs_no_page_faults_and_the_systems_default_does() -> None:
    settings = {
        key: value for key, value in os.environ.items() if key not in ("GLIBC_TUNABLES", "LD_PRELOAD")
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=settings, capture_output=True, text=True, check=True
    )
    (system, its_share), (keep, share) = json.loads(done.stdout)  # shares of the output's pages taken anew
    assert (system, its_share > 0.9) == ("system default", True)
    # One of the five rounds that took its output anew would be a fifth; single pages the system may claim back.
    assert (keep, share < 0.2) == ("glibc keeps what is freed (mallopt)", True)


def test_what_the_user_set_stands_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=8589934592")
    assert set_allocator("keep") == "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=8589934592"
    assert set_allocator("system") == "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=8589934592"
