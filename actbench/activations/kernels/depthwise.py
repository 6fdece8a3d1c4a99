"""Depthwise convolution as operators of torch.library: the C++ form, and two made of PyTorch's own products.

All compute `F.conv2d(u, weight, bias, padding=n, groups=C)`, weight (C, 1, 2n+1, 2n+1), and keep x alone:
    cpp             u = x, or with `bounds` and `values` the ramp p + q * clip(x, t0, t1) of ramp.py; weight, ramp and
                    all sums in float32 whatever the dtype of x
    matrix          a product of each channel's N rows of pixels with a matrix that holds the taps (`_matrices`)
    channels_last   F.conv2d of a channels-last copy
Gradients of these gradients are not offered.
"""

import math
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from actbench.activations.kernels.layout import call, dense, float_tables, like, threads

LIBRARY = "depthwise"
LARGEST_N = 4
"""The largest n that the C++ form has code for, counted after cropping to the map."""

Form = Literal["cpp", "matrix", "channels_last"]


@torch.library.custom_op("actbench::depthwise_convolution", mutates_args=(), device_types="cpu")
def depthwise_convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, bounds: Tensor | None, values: Tensor | None, form: str
) -> Tensor:
    """y in x's dtype and memory order."""
    x, layout = dense(x.detach(), 1, x.shape[1])
    y = torch.empty_like(x)
    if not x.numel():
        return y
    if form == "cpp":
        tables = [*float_tables(weight), _table(bias), _ramp(bounds, values)]
        call(LIBRARY, "forward", x.dtype, [x, y, *tables], *_sizes(x, weight, layout.across))
        return y
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    if form == "matrix":
        product = _rows(x) @ _matrices(weight, x.shape).mT
        y.copy_(_images(product if bias is None else product + bias.view(-1, 1, 1), x))
        return y
    x = x.contiguous(memory_format=torch.channels_last)
    return y.copy_(F.conv2d(x, weight, bias, padding=_n(weight), groups=len(weight)))


@torch.library.custom_op("actbench::depthwise_convolution_backward", mutates_args=(), device_types="cpu")
def depthwise_convolution_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bounds: Tensor | None,
    values: Tensor | None,
    form: str,
    needs_x: bool,
    needs_weight: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """dx, the weight's gradient and those of the ramp's p, q, low, high; empty where not needed."""
    x, layout = dense(x.detach(), 1, x.shape[1])
    needs_ramp = values is not None and needs_x
    dx = torch.empty_like(x) if needs_x else x.new_empty(0)
    dw = (
        torch.zeros_like(weight, dtype=torch.float32) if needs_weight else x.new_empty(0, dtype=torch.float32)
    )
    dvalues = x.new_zeros(4 if needs_ramp else 0, dtype=torch.float32)
    if not x.numel():
        return dx, dw, dvalues
    grad = like(x, grad)
    if form == "cpp":
        tensors = [
            x, grad, dx if needs_x else None, *float_tables(weight), dw if needs_weight else None,
            _ramp(bounds, values), dvalues if needs_ramp else None,
        ]  # fmt: skip
        call(LIBRARY, "backward", x.dtype, tensors, *_sizes(x, weight, layout.across))
        return dx, dw, dvalues
    weight = weight.to(x.dtype)
    if form == "matrix":
        grads = _rows(grad)
        if needs_x:
            dx.copy_(_images(grads @ _matrices(weight, x.shape), x))
        if needs_weight:
            _add_taps(dw, grads.mT @ _rows(x), x.shape)
        return dx, dw, dvalues
    x, grad = (t.contiguous(memory_format=torch.channels_last) for t in (x, grad))
    n = _n(weight)
    found_x, found_weight, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [1, 1], [n, n], [1, 1], False, [0, 0], len(weight), [needs_x, needs_weight, False]
    )  # fmt: skip
    return (
        dx.copy_(found_x) if needs_x else dx,
        found_weight.float() if needs_weight else dw,
        dvalues,
    )


def _n(weight: Tensor) -> int:
    return weight.shape[-1] // 2


def _table(values: Tensor | None) -> Tensor | None:
    return None if values is None else float_tables(values)[0]


def _ramp(bounds: Tensor | None, values: Tensor | None) -> Tensor | None:
    """t0, t1, p, q."""
    return None if bounds is None or values is None else _table(torch.cat((bounds, values[:2].detach())))


def _sizes(x: Tensor, weight: Tensor, last: bool) -> tuple[int, ...]:
    return (*x.shape, last, _n(weight), threads(x))


@cache
def _taps(height: int, width: int, n: int) -> Tensor:
    """(H*W, H*W): which tap output pixel o sees input pixel i through, (2n+1)^2 where none."""
    rows, columns = (
        steps[None, :] - steps[:, None] + n
        for steps in (torch.arange(size, device="cpu") for size in (height, width))
    )
    seen = [(steps >= 0) & (steps <= 2 * n) for steps in (rows, columns)]
    index = rows[:, None, :, None] * (2 * n + 1) + columns[None, :, None, :]
    index = torch.where(seen[0][:, None, :, None] & seen[1][None, :, None, :], index, (2 * n + 1) ** 2)
    return index.reshape(height * width, height * width)


def _matrices(weight: Tensor, shape: torch.Size) -> Tensor:
    """(C, H*W, H*W): y = M u for each channel's pixels."""
    taps = F.pad(weight.detach().flatten(1), (0, 1))
    return taps[:, _taps(shape[2], shape[3], _n(weight))]


def _add_taps(dw: Tensor, dmatrices: Tensor, shape: torch.Size) -> None:
    sums = dw.new_zeros(len(dw), dw[0].numel() + 1)
    index = _taps(shape[2], shape[3], _n(dw)).flatten()
    dw.copy_(sums.index_add_(1, index, dmatrices.flatten(1).float())[:, :-1].view_as(dw))


def _rows(x: Tensor) -> Tensor:
    """(C, N, H*W) of (N, C, H, W)."""
    return x.flatten(2).transpose(0, 1)


def _images(rows: Tensor, x: Tensor) -> Tensor:
    return rows.transpose(0, 1).view(x.shape)


@depthwise_convolution.register_fake
def _(
    x: Tensor,
    weight: Tensor,  # noqa: ARG001
    bias: Tensor | None,  # noqa: ARG001
    bounds: Tensor | None,  # noqa: ARG001
    values: Tensor | None,  # noqa: ARG001
    form: str,  # noqa: ARG001
) -> Tensor:
    return torch.empty_like(dense(x, 1, x.shape[1])[0])


@depthwise_convolution_backward.register_fake
def _(
    grad: Tensor,  # noqa: ARG001
    x: Tensor,
    weight: Tensor,
    bounds: Tensor | None,  # noqa: ARG001
    values: Tensor | None,
    form: str,  # noqa: ARG001
    needs_x: bool,
    needs_weight: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.empty_like(dense(x, 1, x.shape[1])[0]) if needs_x else x.new_empty(0),
        weight.new_empty(weight.shape if needs_weight else (0,), dtype=torch.float32),
        x.new_empty(4 if values is not None and needs_x else 0, dtype=torch.float32),
    )


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, weight, bias, bounds, values, ctx.form = inputs
    ctx.save_for_backward(x, weight, bounds, values)
    ctx.bias_dtype = None if bias is None else bias.dtype


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, bounds, values = ctx.saved_tensors
    needs_x, needs_weight, needs_bias, _, needs_values, _ = ctx.needs_input_grad
    dx, dw, dvalues = depthwise_convolution_backward(
        grad, x, weight, bounds, values, ctx.form, needs_x or needs_values, needs_weight
    )
    dbias = grad.sum((0, 2, 3), dtype=torch.float32).to(ctx.bias_dtype) if needs_bias else None
    return (
        dx if needs_x else None,
        dw.to(weight.dtype) if needs_weight else None,
        dbias,
        None,
        dvalues[: len(values)].to(values.dtype) if needs_values else None,
        None,
    )


depthwise_convolution.register_autograd(_backward, setup_context=_keep_input)


@register_flop_formula(torch.ops.actbench.depthwise_convolution)
def _flops(x_shape: torch.Size, weight_shape: torch.Size, *_args: Any, **_kwargs: Any) -> int:
    """As torch counts F.conv2d, padding included, whatever the form."""
    return 2 * math.prod(x_shape) * math.prod(weight_shape[2:])


@register_flop_formula(torch.ops.actbench.depthwise_convolution_backward)
def _backward_flops(
    grad_shape: torch.Size, x_shape: torch.Size, weight_shape: torch.Size, *_args: Any, **_kwargs: Any  # noqa: ARG001
) -> int:  # fmt: skip
    return 2 * _flops(x_shape, weight_shape)
