"""A pointwise function with parameters, from its formula and its partial derivatives, that keeps its input alone.

Plain autograd keeps several tensors of the input's size for a formula of several steps; what is made here keeps
the input and the small parameters, and computes the rest again in backward.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor
from torch.autograd import Function

from actbench.activations.channelwise import widen


class PointwiseFunction(Protocol):
    def __call__(self, x: Tensor, *parameters: Tensor, constants: tuple[float, ...] = ()) -> Tensor: ...


def pointwise_function(
    formula: Callable[..., Tensor], partials: Callable[..., tuple[Tensor, Sequence[Tensor]]]
) -> PointwiseFunction:
    """The function that computes `formula(x, *parameters, *constants)`, parameters as they broadcast against x.

    `partials`, of the same arguments, gives dy/dx and the sequence of dy/dparameter, each of x's shape. Both get x
    in at least float32; the result is rounded once, to x's dtype, and a parameter's gradient is summed before it
    is rounded.
    """

    class Pointwise(Function):
        @staticmethod
        def forward(ctx: Any, constants: tuple[float, ...], x: Tensor, *parameters: Tensor) -> Tensor:
            ctx.constants = constants
            ctx.save_for_backward(x, *parameters)
            return formula(widen(x), *parameters, *constants).to(x.dtype)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            x, *parameters = ctx.saved_tensors
            wide_grad = widen(grad)
            by_x, by_parameters = partials(widen(x), *parameters, *ctx.constants)
            dx = (wide_grad * by_x).to(x.dtype) if ctx.needs_input_grad[1] else None
            sums = [
                (wide_grad * partial).sum_to_size(parameter.shape).to(parameter.dtype) if needed else None
                for needed, parameter, partial in zip(
                    ctx.needs_input_grad[2:], parameters, by_parameters, strict=True
                )
            ]
            return None, dx, *sums

    def apply(x: Tensor, *parameters: Tensor, constants: tuple[float, ...] = ()) -> Tensor:
        y: Tensor = Pointwise.apply(constants, x, *parameters)
        return y

    return apply
