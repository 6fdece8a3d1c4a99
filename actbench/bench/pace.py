"""What a thread gets of its core: cycles, and how much is done in each.

Where another program runs on the same core (the other thread of it, or another tenant of the machine), cycles stay and
each of them does less. What computes then looks dear beside ReLU, which waits for memory: a bench should tell it.
"""

import ctypes
from pathlib import Path
from typing import NamedTuple

from actbench.native import load_library

SAMPLES = 5


class Pace(NamedTuple):
    ghz: float
    additions_per_cycle: float
    """Of additions that do not wait for each other: four and more on a core that is not shared."""


def pace() -> Pace | None:
    """From some ten milliseconds of CPU time; None where nothing can be compiled."""
    library = load_library(Path(__file__).parent, "pace")
    if library is None:
        return None
    cycles, additions = ctypes.c_double(), ctypes.c_double()
    library.actbench_pace(ctypes.byref(cycles), ctypes.byref(additions))
    if not cycles.value:
        return None
    return Pace(cycles.value / 1e9, additions.value / cycles.value)
