"""The C++ form of `activations.ramp` as operators of torch.library. By itself `ramp` has a gradient for x alone;
`RampPass` takes those of the numbers too."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run

LIBRARY = "ramp"


@torch.library.custom_op("actbench::ramp", mutates_args=(), device_types="cpu")
def ramp(x: Tensor, numbers: Tensor) -> Tensor:
    """p + q * clip(x, t0, t1), numbers (4,): t0, t1, p, q; for inputs that `layout.takes` accepts."""
    x, layout = dense(x.detach(), 0, 1)
    y = torch.empty_like(x)
    if x.numel():
        run(LIBRARY, "forward", [x, y, *float_tables(numbers)], layout, 1)
    return y


@torch.library.custom_op("actbench::ramp_backward", mutates_args=(), device_types="cpu")
def ramp_backward(grad: Tensor, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """dx, and in float32 the gradients of p, q, low and high of `ramp.Ramp`."""
    x, layout = dense(x.detach(), 0, 1)
    dx, grads = torch.empty_like(x), x.new_zeros(4, dtype=torch.float32)
    if x.numel():
        run(LIBRARY, "backward", [x, like(x, grad), dx, *float_tables(numbers), grads], layout, 1)
    return dx, grads


@ramp.register_fake
def _(x: Tensor, numbers: Tensor) -> Tensor:  # noqa: ARG001
    return torch.empty_like(dense(x, 0, 1)[0])


@ramp_backward.register_fake
def _(grad: Tensor, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return torch.empty_like(dense(x, 0, 1)[0]), x.new_empty(4, dtype=torch.float32)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return ramp_backward(grad, *ctx.saved_tensors)[0], None


ramp.register_autograd(_backward, setup_context=_keep_input)
