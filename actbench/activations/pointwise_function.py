"""A pointwise function with parameters, from its formula and its partial derivatives, that keeps its input alone.

Plain autograd keeps several tensors of the input's size for a formula of several steps; what is made here keeps
the input and the small parameters, and computes the rest again in backward. Where a C++ kernel of the same function
serves, that does both ways in one pass each. Else on a CPU both ways go through the batch in blocks that fit the cache,
which takes a third to nine tenths of the time of whole tensors: see benchmarks/block_cost.py.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from actbench.activations.base import Activation
from actbench.activations.channelwise import beside, widen
from actbench.activations.kernels import layout
from actbench.activations.kernels.batch_norm import Kernel
from actbench.activations.kernels.pointwise import PLAIN_BACKWARD, pointwise

_BLOCK = 2**16
"""Elements; eight float32 blocks of this size are 2 MiB."""


class PointwiseFunction(Protocol):
    def __call__(self, x: Tensor, *parameters: Tensor, constants: tuple[float, ...] = ()) -> Tensor: ...


def pointwise_function(
    formula: Callable[..., Tensor],
    partials: Callable[..., tuple[Tensor, Sequence[Tensor]]],
    *,
    kernel: str | None = None,
) -> PointwiseFunction:
    """The function that computes `formula(x, *parameters, *constants)`, parameters as they broadcast against x.

    `partials`, of the same arguments, gives dy/dx and the sequence of dy/dparameter, each of x's shape. Both get x
    in at least float32; the result is rounded once, to x's dtype, and a parameter's gradient is summed before it
    is rounded. `kernel` names the C++ form of the same, which takes parameters and constants in the same order.
    """

    if kernel is not None:
        PLAIN_BACKWARD[kernel] = _plain_backward(partials)

    class Pointwise(Function):
        @staticmethod
        def forward(ctx: Any, constants: tuple[float, ...], x: Tensor, *parameters: Tensor) -> Tensor:
            ctx.constants = constants
            ctx.save_for_backward(x, *parameters)
            y = torch.empty_like(x)
            for here, y_here in _blocks(parameters, x, y):
                y_here.copy_(formula(widen(here), *parameters, *constants))
            return y

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            x, *parameters = ctx.saved_tensors
            wanted = ctx.needs_input_grad[2:]
            dx = torch.empty_like(x)
            sums = [
                torch.zeros_like(p, dtype=torch.promote_types(x.dtype, torch.float32)) for p in parameters
            ]
            for here, grad_here, dx_here in _blocks(parameters, x, grad, dx):
                wide_grad = widen(grad_here)
                by_x, by_parameters = partials(widen(here), *parameters, *ctx.constants)
                dx_here.copy_(wide_grad * by_x)
                sums = [
                    total + (wide_grad * partial).sum_to_size(total.shape) if needed else total
                    for total, partial, needed in zip(sums, by_parameters, wanted, strict=True)
                ]
            return (
                None,
                dx if ctx.needs_input_grad[1] else None,
                *(s.to(p.dtype) if n else None for s, p, n in zip(sums, parameters, wanted, strict=True)),
            )

    def apply(x: Tensor, *parameters: Tensor, constants: tuple[float, ...] = ()) -> Tensor:
        if kernel is not None and layout.takes(kernel, x):
            return run_kernel(kernel, x, *parameters, constants=constants)
        y: Tensor = Pointwise.apply(constants, x, *parameters)
        return y

    return apply


class Arguments(NamedTuple):
    """What a function takes beside its input."""

    parameters: Sequence[Tensor] = ()
    """() or (C,) each, along the channels."""
    constants: tuple[float, ...] = ()


class KernelActivation(Activation):
    """One that a `pointwise_function` with that kernel computes."""

    kernel: str
    function: ClassVar[PointwiseFunction]

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__(num_channels, channel_dim)
        # Goes where the module goes: without parameters it would not know on which device it is.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def backend(self) -> str:  # type: ignore[override]
        """ "cpp" where the compiled kernel serves, else "reference"."""
        is_fast = self._place.device.type == "cpu" and layout.is_available(self.kernel)
        return "cpp" if is_fast else "reference"

    def arguments(self) -> Arguments:
        """Of this call."""
        return Arguments()

    def forward(self, x: Tensor) -> Tensor:
        parameters, constants = self.arguments()
        besides = (beside(parameter, x, self.channel_dim) for parameter in parameters)
        return self.function(x, *besides, constants=constants)

    def fusible_kernel(self) -> Kernel:
        return pointwise_kernel(self.kernel, *self.arguments())


def pointwise_kernel(
    name: str,
    parameters: Sequence[Tensor] = (),
    constants: tuple[float, ...] = (),
    plain: Callable[..., Tensor] | None = None,
) -> Kernel:
    """That kernel with parameters of () or (C,) each; `plain` where it is no `pointwise_function`'s."""

    def alone(z: Tensor, table: Tensor) -> Tensor:
        y: Tensor = pointwise(z, table.T, name, constants, 1)
        return y

    columns = max((parameter.numel() for parameter in parameters), default=1)
    rows = [parameter.reshape(-1).expand(columns) for parameter in parameters]
    table = torch.stack(rows, dim=1) if rows else torch.empty(1, 0)
    return Kernel(
        name,
        plain or alone,
        tables=(table,),
        constants=(torch.tensor(constants),),
        gradient_sizes=(len(parameters),),
    )


def run_kernel(kernel: str, x: Tensor, *parameters: Tensor, constants: tuple[float, ...] = ()) -> Tensor:
    """What that kernel computes, parameters as they broadcast against x, for an x that `layout.takes` accepts."""
    table, channel_dim = x.new_empty((0, 1), dtype=torch.float32), 0
    if parameters:
        largest = max(parameters, key=Tensor.numel)
        channels = largest.numel()
        channel_dim = next((dim for dim, size in enumerate(largest.shape) if size == channels), 0)
        table = torch.stack([p.reshape(-1).expand(channels) for p in parameters])
    y: Tensor = pointwise(x, table, kernel, constants, channel_dim)
    return y


def _plain_backward(
    partials: Callable[..., tuple[Tensor, Sequence[Tensor]]],
) -> Callable[..., tuple[Tensor, Tensor]]:
    def backward(
        grad: Tensor, x: Tensor, table: Tensor, constants: Sequence[float], channel_dim: int
    ) -> tuple[Tensor, Tensor]:
        shape = [1] * x.ndim
        if table.shape[1] > 1:
            shape[channel_dim] = -1
        parameters, wide_grad = [row.view(shape) for row in table], widen(grad)
        by_x, by_parameters = partials(widen(x), *parameters, *constants)
        rows = [
            (wide_grad * partial).sum_to_size(p.shape).flatten()
            for p, partial in zip(parameters, by_parameters, strict=True)
        ]
        return (wide_grad * by_x).to(x.dtype), torch.stack(rows) if rows else table

    return backward


def _blocks(parameters: Sequence[Tensor], x: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """x and its companions, whole or cut along the first dimension; the parameters broadcast against each part."""
    rows = x.shape[0] if x.ndim else 0
    if (
        x.device.type != "cpu"
        or x.numel() <= _BLOCK
        or torch.compiler.is_compiling()
        or any(p.ndim == x.ndim and p.shape[0] > 1 for p in parameters)
    ):
        yield (x, *others)
        return
    step = max(1, _BLOCK * rows // x.numel())
    for start in range(0, rows, step):
        length = min(step, rows - start)
        yield tuple(tensor.narrow(0, start, length) for tensor in (x, *others))
