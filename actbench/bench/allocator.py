"""Whether freed memory stays with the process. Imports no torch.

glibc gives a block above 32 MiB back to the system with every free, and the top of its heap with many, so that the
next tensor of that size is paid for in page faults: 7 to 10 times the cost of an activation.
"""

import ctypes
import os
import platform
from typing import Literal

Allocator = Literal["keep", "system"]
ALLOCATORS: tuple[Allocator, ...] = ("keep", "system")

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h
_NEVER = -1


def set_allocator(wanted: Allocator) -> str:
    """Has what is freed kept from now on, where that is wanted and can be had; what is in force, in words.

    What GLIBC_TUNABLES or LD_PRELOAD say stands.
    """
    for variable in ("GLIBC_TUNABLES", "LD_PRELOAD"):
        if value := os.environ.get(variable):
            return f"{variable}={value}"
    if wanted == "system":
        return "system default"
    if platform.libc_ver()[0] != "glibc":
        return "system default (only glibc can be told to keep what is freed)"
    mallopt = ctypes.CDLL(None).mallopt
    kept = mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER)
    return "glibc keeps what is freed (mallopt)" if kept else "system default (mallopt refused)"
