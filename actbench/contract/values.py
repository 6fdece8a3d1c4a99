"""The far ends of the number line: finite where the exact result is, the declared limits, NaN kept.

The exact result is what the module itself gives in float64 from the same input and the same parameters. A NaN there is
a fault of the formula: 0 * inf, inf - inf or inf / inf. An infinite result in float64 asks nothing.
"""

import math

import torch
from torch import Tensor, nn

from actbench.contract.interface import moved_by_others
from actbench.contract.result import CheckFailedError
from actbench.contract.subject import Subject, active, call, gradients

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_STEPS = (1.0, 1.25, 1.75)
"""Values between one power of two and the next."""
_PARAMETER_MAGNITUDES = 10
_PARAMETER_REACH = 0.75
"""Of the exponents: there squares overflow that a careless formula takes. Sums over an example may not overflow by
themselves, with a factor of 4 for what stands between its values and an intermediate sum."""
_MIXING_REACH = 0.5
"""Where places mix, as in attention, such gradients are sums over products of two inputs, which may cancel."""


def finite(subject: Subject) -> str:
    """Finite output and gradients for finite inputs, wherever the float64 result rounds to a finite value."""
    told = []
    limit = float(getattr(subject.learnt(), "finite_to", math.inf))
    alone = not moved_by_others(subject, training=False)
    for dtype in _DTYPES:
        magnitudes = _magnitudes(dtype, *(_STEPS if alone else (1.0,)))
        if not alone:
            # Sums over an example, as a mean takes them, are not to overflow by themselves.
            numel = torch.Size(subject.input_shape()[1:]).numel()
            magnitudes = magnitudes[magnitudes <= torch.finfo(dtype).max / numel]
        magnitudes = magnitudes[magnitudes <= limit]
        x = _spread(subject, magnitudes, dtype) if alone else _by_example(subject, magnitudes, dtype)
        _require_finite_at(subject, x)
        reach = _PARAMETER_REACH if alone else _MIXING_REACH
        _require_finite_parameters(subject, magnitudes, dtype, reach=reach)
        told.append(f"{_name(dtype)} to {float(magnitudes.max()):.3g}")
    declared = f", as declared by finite_to = {limit:.3g}" if math.isfinite(limit) else ""
    return f"{', '.join(told)}, both signs, subnormals and 0{declared}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _magnitudes(dtype: torch.dtype, *steps: float) -> Tensor:
    """0, every power of two of that dtype, subnormals too, times `steps`, and the largest value; in float64."""
    info = torch.finfo(dtype)
    least = math.log2(info.smallest_normal * info.eps)
    exponents = torch.arange(int(least), int(math.log2(info.max)) + 1, dtype=torch.float64)
    values = (2**exponents * torch.tensor(steps, dtype=torch.float64)[:, None]).flatten()
    values = torch.cat((values, values.new_tensor([0.0, info.max])))
    return torch.unique(values.to(dtype).double())  # type: ignore[no-any-return]


def _spread(subject: Subject, magnitudes: Tensor, dtype: torch.dtype) -> Tensor:
    """Every value with both signs in every channel, each channel in an order of its own, so that gates meet all."""
    values = torch.cat((-magnitudes.flip(0), magnitudes))
    count = subject.places(subject.examples(len(values)))
    values = torch.cat((values, values.new_zeros(count - len(values))))
    generator = torch.Generator().manual_seed(0)
    channels = subject.input_shape()[subject.channel_dim]
    columns = [values[torch.randperm(count, generator=generator)] for _ in range(channels)]
    return subject.arrange(torch.stack(columns, 1).to(dtype))


def _by_example(subject: Subject, magnitudes: Tensor, dtype: torch.dtype) -> Tensor:
    """An example for every magnitude, its signs at random, since an output sees all of its example."""
    signs = subject.input(batch=len(magnitudes)).sign().double()
    return (signs * magnitudes.view(-1, *[1] * (signs.ndim - 1))).to(dtype)


def _require_finite_at(subject: Subject, x: Tensor) -> None:
    found = _evaluate(subject.learnt(x.dtype), x)
    exact = _evaluate(subject.learnt(x.dtype).double(), x.double())
    for what, value, truth in zip(("output", "gradient of the input"), found, exact, strict=True):
        if truth.isnan().any():
            raise CheckFailedError(
                f"{what} is NaN in float64 for finite input{_where(x, truth.isnan(), subject)}"
            )
        wrong = truth.to(x.dtype).isfinite() & ~value.isfinite()
        if wrong.any():
            first = int(wrong.flatten().nonzero()[0])
            raise CheckFailedError(
                f"{_name(x.dtype)}: {what} {value.flatten()[first]:g} where float64 has "
                f"{truth.flatten()[first]:.6g}{_where(x, wrong, subject)}"
            )


def _evaluate(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.detach().requires_grad_()
    y = call(module, leaf)
    (gradient,) = torch.autograd.grad(y, leaf, torch.ones_like(y))
    return y.detach(), gradient


def _where(x: Tensor, wrong: Tensor, subject: Subject) -> str:
    """The input nearest to 0 that goes wrong, and how many more do."""
    if wrong.shape == x.shape:
        inputs = x[wrong].double()
        nearest = inputs[inputs.abs().argmin()]
        return f" at x = {nearest:.6g}, and at {len(inputs) - 1} more"
    if not subject.is_gated:
        return ""
    gate, value = (half[wrong].double() for half in x.chunk(2, subject.channel_dim))
    return f" at gate {gate[0]:.6g} and value {value[0]:.6g}, and at {len(gate) - 1} more"


def _require_finite_parameters(
    subject: Subject, magnitudes: Tensor, dtype: torch.dtype, *, reach: float
) -> None:
    """Gradients of parameters, one magnitude at a time: in a sum over all, one overflow would hide the others."""
    module, exact = subject.learnt(dtype), subject.learnt(dtype).double()
    if not active(module):
        return
    largest, numel = torch.finfo(dtype).max, torch.Size(subject.input_shape()[1:]).numel()
    magnitudes = magnitudes[magnitudes <= min(largest**reach, largest / (4 * numel))]
    chosen = torch.linspace(0, len(magnitudes) - 1, _PARAMETER_MAGNITUDES).long()
    for value in [sign * float(magnitude) for magnitude in magnitudes[chosen] for sign in (-1, 1)]:
        x = torch.full(subject.input_shape(batch=1), value, dtype=dtype)
        _, found = gradients(module, x)
        _, truths = gradients(exact, x.double())
        for name, truth in truths.items():
            if truth.isnan().any():
                raise CheckFailedError(
                    f"gradient of {name} is NaN in float64 where all inputs are {value:.6g}"
                )
            if (truth.to(dtype).isfinite() & ~found[name].isfinite()).any():
                raise CheckFailedError(
                    f"{_name(dtype)}: gradient of {name} is not finite where all inputs are {value:.6g} and float64 "
                    f"has at most {truth.abs().max():.6g}"
                )


def infinities(subject: Subject) -> str:
    """At -inf and +inf a fresh module gives its declared limits in float32, NaN where it declares NaN."""
    limits = subject.declared("limits")
    if not (isinstance(limits, tuple) and len(limits) == 2):
        raise CheckFailedError(f"limits must be two numbers, not {limits!r}")
    told = []
    for x, declared in zip((-math.inf, math.inf), limits, strict=True):
        y = call(subject.fresh().eval(), torch.full(subject.input_shape(), x))
        # Of a limit such as -alpha * scale, the module has the rounded product.
        wrong = ~torch.isclose(y, torch.full_like(y, declared), rtol=1e-6, atol=1e-6, equal_nan=True)
        if wrong.any():
            raise CheckFailedError(f"{y[wrong][0]:.6g} at {x}, declared {declared:.6g}")
        told.append(f"{'NaN' if math.isnan(declared) else f'{declared:.6g}'} at {x}")
    return f"{' and '.join(told)}, as declared"


def nan(subject: Subject) -> str:
    """A NaN in an input is a NaN in the output at its place, and leaves other examples alone."""
    shape = subject.input_shape()
    for dtype in (torch.float32, torch.float64):
        for part in range(shape[subject.channel_dim] // subject.num_channels):
            x = subject.input(dtype=dtype, batch=2)
            place = [size // 2 for size in subject.shape]
            place[0] = 0
            source = list(place)
            source[subject.channel_dim] += part * subject.num_channels
            x[tuple(source)] = math.nan
            y = call(subject.learnt(dtype), x)
            if not y[tuple(place)].isnan():
                raise CheckFailedError(f"{_name(dtype)}: NaN became {y[tuple(place)]:.6g}")
            if y[1].isnan().any():
                raise CheckFailedError(f"{_name(dtype)}: NaN in one example reached another")
    return "NaN at its own place, other examples without"
