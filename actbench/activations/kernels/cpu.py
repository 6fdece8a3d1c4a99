"""The C++ kernels as PyTorch operators: which inputs they take, and how a tensor is laid out for them.

Registered with torch.library, so that compilation, autocast and data parallelism see one operator each.
"""

import ctypes
from typing import Any, NamedTuple

import torch
from torch import Tensor

from actbench.activations.kernels.build import load_library
from actbench.activations.piece_sums import grid_gradients

_SUFFIXES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
_ROW = 4096
"""Elements of a row where one function serves a whole tensor."""
_WORTH_THREADS = 1 << 15
"""Fewer elements than this are done before a second thread has woken."""


def takes(x: Tensor, table: Tensor) -> bool:
    """Whether the kernels compute this input. Exported programs get plain operators that anyone can run."""
    return (
        x.device.type == "cpu"
        and x.dtype in _SUFFIXES
        and table.dtype in _SUFFIXES
        and not torch.compiler.is_exporting()
        and not torch.onnx.is_in_onnx_export()
        and is_available(x.dtype)
    )


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def is_available(dtype: torch.dtype) -> bool:
    """Whether there is a kernel of that precision on this machine; builds it if need be."""
    return _function("forward", dtype) is not None


def _function(name: str, dtype: torch.dtype) -> Any:
    library = load_library()
    return None if library is None else getattr(library, f"actbench_pwl_{name}_{_SUFFIXES[dtype]}", None)


class _Layout(NamedTuple):
    """Rows of elements in memory order; `across` where a row is a pixel and its elements are the channels."""

    rows: int
    length: int
    last_length: int
    across: bool


def _dense(x: Tensor, channel_dim: int, channels: int) -> tuple[Tensor, _Layout]:
    """x itself where its memory is in an order that the kernels know, else a contiguous copy."""
    last = torch.channels_last if x.ndim == 4 else torch.channels_last_3d if x.ndim == 5 else None
    is_last = last is not None and x.is_contiguous(memory_format=last) and not x.is_contiguous()
    if channels == 1:
        x = x if is_last else x.contiguous()
        rows = -(-x.numel() // _ROW)
        return x, _Layout(rows, _ROW, x.numel() - (rows - 1) * _ROW, False)
    if is_last and channel_dim % x.ndim == 1:
        return x, _Layout(x.numel() // channels, channels, channels, True)
    x = x.contiguous()
    inner = x.shape[channel_dim % x.ndim + 1 :].numel()
    if inner == 1:
        return x, _Layout(x.numel() // channels, channels, channels, True)
    return x, _Layout(x.numel() // max(inner, 1), inner, inner, False)


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def _sizes(layout: _Layout, table: Tensor) -> list[ctypes.c_int64]:
    channels, pieces = table.shape
    return [ctypes.c_int64(n) for n in (layout.rows, layout.length, layout.last_length, channels, pieces)]


def _threads(x: Tensor) -> int:
    return torch.get_num_threads() if x.numel() >= _WORTH_THREADS else 1


def _float_tables(*tables: Tensor) -> list[Tensor]:
    return [table.detach().to(torch.float32).contiguous() for table in tables]


def _forward(
    x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int, *, direct: bool
) -> Tensor:
    x, layout = _dense(x.detach(), channel_dim, len(base))
    y = torch.empty_like(x)
    if x.numel():
        tables = _float_tables(base, rise, low, inv_step)
        _function("forward", x.dtype)(
            *_pointers(x, y, *tables),
            *_sizes(layout, base),
            int(layout.across),
            int(direct),
            _threads(x),
        )
    return y


@torch.library.custom_op("actbench::piecewise_linear", mutates_args=(), device_types="cpu")
def piecewise_linear(
    x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> Tensor:
    """As `activations.piecewise_linear`, for inputs that `takes` accepts."""
    return _forward(x, base, rise, low, inv_step, channel_dim, direct=False)


@torch.library.custom_op("actbench::piecewise_linear_look_up", mutates_args=(), device_types="cpu")
def look_up(
    x: Tensor, offset: Tensor, slope: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> Tensor:
    """As `activations.piecewise_linear.look_up`, for inputs that `takes` accepts."""
    return _forward(x, offset, slope, low, inv_step, channel_dim, direct=True)


@torch.library.custom_op("actbench::piecewise_linear_backward", mutates_args=(), device_types="cpu")
def piecewise_linear_backward(
    grad: Tensor, x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> tuple[Tensor, Tensor, Tensor]:
    """dx, and the sums of g and g * (u - o_j) per channel and piece."""
    x, layout = _dense(x.detach(), channel_dim, len(base))
    dx, base_grad, rise_grad = torch.empty_like(x), torch.zeros(base.shape), torch.zeros(base.shape)
    if x.numel():
        g = torch.empty_like(x).copy_(grad) if grad.stride() != x.stride() or grad.dtype != x.dtype else grad
        tables = _float_tables(base, rise, low, inv_step)
        _function("backward", x.dtype)(
            *_pointers(x, g, dx, *tables),
            *_sizes(layout, base),
            int(layout.across),
            _threads(x),
            *_pointers(base_grad, rise_grad),
        )
    return dx, base_grad, rise_grad


def _like_input(x: Tensor, channel_dim: int, channels: int) -> Tensor:
    return torch.empty_like(_dense(x, channel_dim, channels)[0])


@piecewise_linear.register_fake
@look_up.register_fake
def _(x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int) -> Tensor:  # noqa: ARG001
    return _like_input(x, channel_dim, len(base))


@piecewise_linear_backward.register_fake
def _(
    grad: Tensor,  # noqa: ARG001
    x: Tensor,
    base: Tensor,
    rise: Tensor,  # noqa: ARG001
    low: Tensor,  # noqa: ARG001
    inv_step: Tensor,  # noqa: ARG001
    channel_dim: int,
) -> tuple[Tensor, Tensor, Tensor]:
    dx = _like_input(x, channel_dim, len(base))
    return dx, x.new_empty(base.shape, dtype=torch.float32), x.new_empty(base.shape, dtype=torch.float32)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    *tensors, ctx.channel_dim = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, base, rise, low, inv_step = ctx.saved_tensors
    dx, base_grad, rise_grad = piecewise_linear_backward(grad, x, base, rise, low, inv_step, ctx.channel_dim)
    low_grad, step_grad = grid_gradients(base_grad, rise_grad, rise.float(), inv_step.float())
    grads = zip((base, rise, low, inv_step), (base_grad, rise_grad, low_grad, step_grad), strict=True)
    return dx, *(value.to(table.dtype) for table, value in grads), None


def _look_up_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, offset, slope, low, inv_step = ctx.saved_tensors
    rise = slope / inv_step[:, None]
    dx, _, _ = piecewise_linear_backward(grad, x, offset, rise, low, inv_step, ctx.channel_dim)
    return dx, None, None, None, None, None


piecewise_linear.register_autograd(_backward, setup_context=_keep_input)
look_up.register_autograd(_look_up_backward, setup_context=_keep_input)
