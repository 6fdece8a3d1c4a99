"""Usage costs little more than the libraries that print it."""

import os
import subprocess
import sys


def _cpu_s(*arguments: str) -> float:
    """Least CPU time of several runs: what else the machine does can only add to it."""
    times = []
    for _ in range(7):
        before = os.times()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        after = os.times()
        times.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    return min(times)


def test_help_costs_at_most_half_more_than_typer_and_rich() -> None:
    _cpu_s("-m", "actbench", "--help")  # byte-compiles
    assert _cpu_s("-m", "actbench", "--help") <= 1.5 * _cpu_s("-c", "import typer, rich, rich.console")
