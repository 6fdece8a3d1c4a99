"""How a tensor is laid out for the kernels, and which tensors they take."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from actbench.activations.kernels import gpu
from actbench.activations.kernels.build import load_library

_SUFFIXES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
_ROW = 4096
"""Elements of a row where one function serves a whole tensor."""
_WORTH_THREADS = 1 << 15
"""Fewer elements than this are done before a second thread has woken."""


def takes(library: str, x: Tensor) -> bool:
    """Whether that library computes this input."""
    if not serves(x.dtype):
        return False
    if x.device.type == "cuda":
        is_loaded: bool = gpu.load_kernels(library)
        return is_loaded
    return x.device.type == "cpu" and is_available(library, x.dtype)


def serves(dtype: torch.dtype) -> bool:
    """Whether kernels serve this precision, here: exported programs get plain operators that anyone can run."""
    # The tracer of PyTorch 2.11 takes every program that it compiles for one that is exported; exporting no longer uses
    # that tracer unless it is asked to.
    is_exporting = torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()
    return dtype in _SUFFIXES and not is_exporting and not torch.onnx.is_in_onnx_export()


def backend(library: str, parameter: Tensor) -> str:
    """What computes where that parameter is: "cpp", "triton" or "reference"."""
    if parameter.device.type == "cuda" and gpu.load_kernels(library):
        return "triton"
    return "cpp" if parameter.device.type == "cpu" and is_available(library) else "reference"


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def is_available(library: str, dtype: torch.dtype = torch.float32) -> bool:
    """Whether the library has kernels of that precision on this machine; builds it if need be."""
    return _function(library, "forward", dtype) is not None


def _function(library: str, name: str, dtype: torch.dtype) -> Any:
    loaded = load_library(library)
    return None if loaded is None else getattr(loaded, f"actbench_{library}_{name}_{_SUFFIXES[dtype]}", None)


def run(
    library: str, name: str, tensors: Sequence[Tensor], layout: "Layout", channels: int, *numbers: int
) -> None:
    """Calls the C function for the dtype of the first tensor: pointers, then the layout, then `numbers`.

    Whoever makes tensors for one call passes them here whole: a pointer alone would not keep them.
    """
    sizes = (layout.rows, layout.length, layout.last_length, channels, layout.across)
    call(library, name, tensors[0].dtype, tensors, *sizes, threads(tensors[0]), *numbers)


def call(
    library: str, name: str, dtype: torch.dtype, tensors: Sequence[Tensor | None], *numbers: int
) -> None:
    """Calls the C function for that dtype: pointers, null for None, then `numbers`."""
    _function(library, name, dtype)(
        *(ctypes.c_void_p(None if tensor is None else tensor.data_ptr()) for tensor in tensors),
        *(ctypes.c_int64(number) for number in numbers),
    )


def address(library: str, name: str) -> int:
    """Where the C function for float32 is, for another one to call."""
    place = ctypes.cast(_function(library, name, torch.float32), ctypes.c_void_p).value
    assert place is not None
    return place


class Layout(NamedTuple):
    """Rows of elements in memory order; `across` where a row is a pixel and its elements are the channels."""

    rows: int
    length: int
    last_length: int
    across: bool


def dense(x: Tensor, channel_dim: int, channels: int) -> tuple[Tensor, Layout]:
    """x itself where its memory is in an order that the kernels know, else a contiguous copy."""
    last = torch.channels_last if x.ndim == 4 else torch.channels_last_3d if x.ndim == 5 else None
    is_last = last is not None and x.is_contiguous(memory_format=last) and not x.is_contiguous()
    if channels == 1:
        x = x if is_last else x.contiguous()
        rows = -(-x.numel() // _ROW)
        return x, Layout(rows, _ROW, x.numel() - (rows - 1) * _ROW, False)
    if is_last and channel_dim % x.ndim == 1:
        return x, Layout(x.numel() // channels, channels, channels, True)
    x = x.contiguous()
    inner = x.shape[channel_dim % x.ndim + 1 :].numel()
    if inner == 1:
        return x, Layout(x.numel() // channels, channels, channels, True)
    return x, Layout(x.numel() // max(inner, 1), inner, inner, False)


def threads(x: Tensor) -> int:
    """How many a kernel over x works with."""
    return torch.get_num_threads() if x.numel() >= _WORTH_THREADS else 1


def like(x: Tensor, other: Tensor) -> Tensor:
    """`other` in x's memory order and dtype."""
    if other.stride() == x.stride() and other.dtype == x.dtype:
        return other
    return torch.empty_like(x).copy_(other)


def float_tables(*tables: Tensor) -> list[Tensor]:
    """Contiguous float32 values, as the kernels read them."""
    return [
        table
        if table.dtype == torch.float32 and table.is_contiguous()
        else table.detach().float().contiguous()
        for table in tables
    ]
