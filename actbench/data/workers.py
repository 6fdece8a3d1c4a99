"""How many processes may read pictures at a time."""

import os


def usable_workers(wanted: int) -> int:
    """At most one per processor that this process may use: more only wait for each other, and torch warns of them."""
    if hasattr(os, "sched_getaffinity"):
        return min(wanted, len(os.sched_getaffinity(0)))
    return min(wanted, os.cpu_count() or 1)
