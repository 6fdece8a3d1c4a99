"""Batch normalisation and an activation in one function: of tensors as large as its input it keeps the input alone.

Formula     y = f(z), z = (x - mean) / sqrt(var + eps) * weight + bias, each channel with its own numbers
Shapes      x: (N, C, H, W), contiguous or channels-last -> y: same shape and order; weight, bias: (C,) or None
Dtype       y has the dtype of x; z is float32 and never rounded to a narrower one; sums are taken in float64
Gradient    as of `torch.nn.functional.batch_norm` followed by f, through the batch's mean and variance where they are
            its own; a second derivative goes through the two one after the other
f is any kernel of this folder that takes a tensor and small tables, as `Kernel` tells; z is made again on the way back.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from actbench.activations.kernels import layout

LIBRARY = "batch_norm"
COLUMNS = -1
"""Among the numbers of a `Kernel`: however many columns its tables have in that call."""


class Kernel(NamedTuple):
    """What computes an activation, as its C functions take it: forward and backward of a library, tables, numbers."""

    library: str
    plain: Callable[..., Tensor]
    """The activation by itself: of its input and the tables."""
    tables: tuple[Tensor, ...] = ()
    """(K, size) each, K the number of channels, or 1 for one function for all; gradients go back to them."""
    constants: tuple[Tensor, ...] = ()
    """Behind the tables, float32, the same for every channel and without gradient."""
    gradient_sizes: tuple[int, ...] = ()
    """Of what the backward gives for a channel, one array after the other."""
    to_tables: Callable[..., Sequence[Tensor]] = lambda *gradients: gradients
    """From those arrays, (K, size) each, to the tables' gradients."""
    numbers: tuple[int, ...] = ()
    forward_numbers: tuple[int, ...] = ()
    """Behind `numbers`, for the forward alone."""
    by_channel: bool = False
    """Whether the library's tables have a row for each channel; else a column."""

    @property
    def is_shared(self) -> bool:
        return all(len(table) == 1 for table in self.tables)


def takes(kernel: Kernel, x: Tensor) -> bool:
    """Whether both can be computed in one for this input."""
    return layout.takes(LIBRARY, x) and x.device.type == "cpu" and layout.takes(kernel.library, x)


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean squared deviation of each channel of (N, C, H, W): (C,) float64."""
    x, is_across = _dense(x.detach())
    statistics = x.new_empty(2, x.shape[1], dtype=torch.float64)
    layout.call(LIBRARY, "measure", x.dtype, [x, statistics], *_sizes(x), is_across, layout.threads(x))
    return statistics[0], statistics[1]


def batch_norm_activation(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    kernel: Kernel,
    *,
    eps: float,
    is_own: bool,
) -> Tensor:
    """y for an input that `takes` accepts; `is_own` where mean and variance, (C,), are those of x itself."""
    statistics = torch.stack((mean.double(), (variance.double() + eps).rsqrt()))
    y: Tensor = _BatchNormActivation.apply(
        x, statistics, weight, bias, eps if is_own else None, kernel, *kernel.tables
    )
    return y


class _BatchNormActivation(Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        statistics: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        own_eps: float | None,
        kernel: Kernel,
        *tables: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x, statistics, weight, bias, *tables)
        # Without its tables, which would keep the graph that made them alive.
        ctx.own_eps, ctx.kernel = own_eps, kernel._replace(tables=())
        x, is_across = _dense(x)
        y = torch.empty_like(x)
        kernel = kernel._replace(tables=tuple(table.detach() for table in tables))
        plan, kept = _plan(kernel, "forward", is_across=is_across)
        numbers = (*_sizes(x), is_across, kernel.is_shared, layout.threads(x))
        layout.call(LIBRARY, "forward", x.dtype, [x, y, *_of_norm(statistics, weight, bias), plan], *numbers)
        del kept
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, statistics, weight, bias, *tables = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph: a second derivative is to come
            return _plain_backward(ctx, grad, x, statistics, weight, bias, *tables)
        kernel: Kernel = ctx.kernel._replace(tables=tuple(tables))
        x, is_across = _dense(x)
        dx, channels = torch.empty_like(x), x.shape[1]
        plan, kept = _plan(kernel, "backward", is_across=is_across)
        columns = 1 if kernel.is_shared and is_across else channels
        norm_grads = x.new_empty(channels, 2, dtype=torch.float32)
        table_grads = x.new_empty(columns * sum(kernel.gradient_sizes), dtype=torch.float32)
        tensors = [
            x,
            layout.like(x, grad),
            dx,
            *_of_norm(statistics, weight, bias),
            plan,
            norm_grads,
            table_grads,
        ]
        numbers = (*_sizes(x), is_across, kernel.is_shared, layout.threads(x), ctx.own_eps is not None)
        layout.call(LIBRARY, "backward", x.dtype, tensors, *numbers)
        del kept
        of_tables = kernel.to_tables(*_split(kernel, table_grads, columns, is_across=is_across))
        return (
            dx,
            None,
            None if weight is None else norm_grads[:, 1].to(weight.dtype),
            None if bias is None else norm_grads[:, 0].to(bias.dtype),
            None,
            None,
            *(value.to(table.dtype) for value, table in zip(of_tables, tables, strict=True)),
        )


def _plain_backward(ctx: Any, grad: Tensor, *saved: Tensor | None) -> tuple[Tensor | None, ...]:
    """As the function's backward, in operations that autograd can go through again."""
    x, statistics, weight, bias, *tables = saved
    assert x is not None
    assert statistics is not None
    if ctx.own_eps is None:
        mean, variance = statistics[0].to(x.dtype), statistics[1].pow(-2).to(x.dtype)
        z = F.batch_norm(x, mean, variance, weight, bias, eps=0.0)
    else:
        z = F.batch_norm(x, None, None, weight, bias, training=True, eps=ctx.own_eps)
    inputs = (x, None, weight, bias, None, None, *tables)
    wanted = [
        tensor
        for tensor, needed in zip(inputs, ctx.needs_input_grad, strict=True)
        if needed and tensor is not None
    ]
    found = iter(torch.autograd.grad(ctx.kernel.plain(z, *tables), wanted, grad, create_graph=True))
    return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)


def _dense(x: Tensor) -> tuple[Tensor, bool]:
    x, rows = layout.dense(x, 1, x.shape[1])
    return x, rows.across


def _sizes(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1], x.shape[2:].numel()


def _of_norm(statistics: Tensor, weight: Tensor | None, bias: Tensor | None) -> list[Tensor | None]:
    affine = [None if value is None else layout.float_tables(value)[0] for value in (weight, bias)]
    return [statistics[0], statistics[1], *affine]


def _plan(kernel: Kernel, name: str, *, is_across: bool) -> tuple[Tensor, list[Tensor]]:
    """What batch_norm.cpp is told of a kernel, and the tensors that it points to."""
    tables = layout.float_tables(*kernel.tables)
    if is_across and not kernel.by_channel:
        tables = [table.T.contiguous() for table in tables]
    sizes = [0 if len(table) == 1 else table.shape[1] for table in kernel.tables]
    kept = [*tables, *kernel.constants]
    strides = [*sizes, *(0 for _ in kernel.constants)]
    gradients = () if name == "forward" else kernel.gradient_sizes
    numbers = (*kernel.numbers, *(kernel.forward_numbers if name == "forward" else ()))
    places = [
        word for tensor, stride in zip(kept, strides, strict=True) for word in (tensor.data_ptr(), stride)
    ]
    address = layout.address(kernel.library, name)
    words = [address, len(kept), len(gradients), len(numbers), *places, *gradients, *numbers]
    return torch.tensor(words, dtype=torch.int64), kept


def _split(kernel: Kernel, gradients: Tensor, columns: int, *, is_across: bool) -> list[Tensor]:
    """The arrays of `Kernel.gradient_sizes`, (K, size) each."""
    sizes = list(kernel.gradient_sizes)
    if not is_across:
        parts = list(torch.split(gradients.view(columns, sum(sizes)), sizes, dim=1))
        return [part.double().sum(0, keepdim=True) for part in parts] if kernel.is_shared else parts
    flat = torch.split(gradients, [size * columns for size in sizes])
    if kernel.by_channel:
        return [part.view(columns, -1) for part in flat]
    return [part.view(-1, columns).T for part in flat]
