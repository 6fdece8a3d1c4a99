"""The C++ form of Swish as operators of torch.library."""

from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run

LIBRARY = "swish"


@torch.library.custom_op("actbench::swish", mutates_args=(), device_types="cpu")
def swish(x: Tensor, beta: Tensor, channel_dim: int) -> Tensor:
    """x * sigmoid(beta * x), beta (K,), K the number of channels or 1, for inputs that `layout.takes` accepts."""
    x, layout = dense(x.detach(), channel_dim, len(beta))
    y = torch.empty_like(x)
    if x.numel():
        run(LIBRARY, "forward", [x, y, *float_tables(beta)], layout, len(beta))
    return y


@torch.library.custom_op("actbench::swish_backward", mutates_args=(), device_types="cpu")
def swish_backward(grad: Tensor, x: Tensor, beta: Tensor, channel_dim: int) -> tuple[Tensor, Tensor]:
    """dx, and beta's gradient in float32."""
    x, layout = dense(x.detach(), channel_dim, len(beta))
    dx, beta_grad = torch.empty_like(x), x.new_zeros(beta.shape, dtype=torch.float32)
    if x.numel():
        run(LIBRARY, "backward", [x, like(x, grad), dx, *float_tables(beta), beta_grad], layout, len(beta))
    return dx, beta_grad


@swish.register_fake
def _(x: Tensor, beta: Tensor, channel_dim: int) -> Tensor:
    return torch.empty_like(dense(x, channel_dim, len(beta))[0])


@swish_backward.register_fake
def _(grad: Tensor, x: Tensor, beta: Tensor, channel_dim: int) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    dx = torch.empty_like(dense(x, channel_dim, len(beta))[0])
    return dx, x.new_empty(beta.shape, dtype=torch.float32)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, beta, ctx.channel_dim = inputs
    ctx.save_for_backward(x, beta)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    x, beta = ctx.saved_tensors
    dx, beta_grad = swish_backward(grad, x, beta, ctx.channel_dim)
    return dx, beta_grad.to(beta.dtype), None


swish.register_autograd(_backward, setup_context=_keep_input)
