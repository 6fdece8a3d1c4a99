"""The C++ forms of pointwise functions as one operator of torch.library.

Each function is a library of its own, `<function>.cpp`, built when it is first used. Its parameters come as one table
(P, K), K the number of channels or 1; what is no tensor comes as `constants`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from actbench.activations.kernels.layout import dense, float_tables, like, run

PLAIN_BACKWARD: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {}
"""By function, `pointwise_backward` in operations that autograd can go through again; grad, x, table, constants and
channel_dim in, dx and the table's gradient out."""


@torch.library.custom_op("actbench::pointwise", mutates_args=(), device_types="cpu")
def pointwise(
    x: Tensor, table: Tensor, function: str, constants: Sequence[float], channel_dim: int
) -> Tensor:
    """y for an input that `layout.takes(function, x)` accepts."""
    x, layout = dense(x.detach(), channel_dim, table.shape[1])
    y = torch.empty_like(x)
    if x.numel():
        run(
            function, "forward", [x, y, *float_tables(table), torch.tensor(constants)], layout, table.shape[1]
        )
    return y


@torch.library.custom_op("actbench::pointwise_backward", mutates_args=(), device_types="cpu")
def pointwise_backward(
    grad: Tensor, x: Tensor, table: Tensor, function: str, constants: Sequence[float], channel_dim: int
) -> tuple[Tensor, Tensor]:
    """dx, and the table's gradient in float32."""
    x, layout = dense(x.detach(), channel_dim, table.shape[1])
    dx, table_grad = torch.empty_like(x), x.new_zeros(table.shape, dtype=torch.float32)
    if x.numel():
        tables = [*float_tables(table), torch.tensor(constants), table_grad]
        run(function, "backward", [x, like(x, grad), dx, *tables], layout, table.shape[1])
    return dx, table_grad


@pointwise.register_fake
def _(x: Tensor, table: Tensor, function: str, constants: Sequence[float], channel_dim: int) -> Tensor:  # noqa: ARG001
    return torch.empty_like(dense(x, channel_dim, table.shape[1])[0])


@pointwise_backward.register_fake
def _(
    grad: Tensor,  # noqa: ARG001
    x: Tensor,
    table: Tensor,
    function: str,  # noqa: ARG001
    constants: Sequence[float],  # noqa: ARG001
    channel_dim: int,
) -> tuple[Tensor, Tensor]:
    dx = torch.empty_like(dense(x, channel_dim, table.shape[1])[0])
    return dx, x.new_empty(table.shape, dtype=torch.float32)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, table, ctx.function, *ctx.how = inputs
    ctx.save_for_backward(x, table)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, table = ctx.saved_tensors
    if torch.is_grad_enabled():  # create_graph: a second derivative is to come
        dx, table_grad = PLAIN_BACKWARD[ctx.function](grad, x, table, *ctx.how)
    else:
        dx, table_grad = pointwise_backward(grad, x, table, ctx.function, *ctx.how)
    return dx, table_grad.to(table.dtype), None, None, None


pointwise.register_autograd(_backward, setup_context=_keep_input)
