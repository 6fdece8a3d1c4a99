"""Whether the Triton kernels serve on this machine's CUDA device; they are imported when first asked for."""

import logging
import os
from functools import cache
from importlib import import_module

import torch

_LIBRARIES = ("piecewise_linear", "rational")
_LEAST_CAPABILITY = (8, 0)
"""Older devices compute nothing in bfloat16."""

_log = logging.getLogger("actbench")


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def load_kernels(library: str) -> bool:
    """Registers the library's kernels for CUDA with its operators; False where plain PyTorch serves instead."""
    return _load(library)


@cache
def _load(library: str) -> bool:
    if library not in _LIBRARIES or os.environ.get("ACTBENCH_KERNELS") == "0":
        return False
    if torch.version.hip or not torch.cuda.is_available():
        return False
    if torch.cuda.get_device_capability() < _LEAST_CAPABILITY:
        return False
    try:
        import_module(f"actbench.activations.kernels.triton_{library}")
    except ImportError as error:
        _log.warning(
            "actbench: no GPU kernel for %s, slower plain PyTorch is used instead (%s)", library, error
        )
        return False
    return True
