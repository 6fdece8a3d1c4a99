"""Parameters that an activation has once, or once per channel: their shape, and how they meet an input."""

import torch
from torch import Tensor, nn

from actbench.activations.catalog import Sharing
from actbench.errors import ActbenchError


def make_parameter(value: float, num_channels: int, *, sharing: Sharing, freeze: bool) -> nn.Parameter:
    """A parameter of shape (num_channels,) or (), filled with `value`; frozen ones get no gradient.

    Raises ActbenchError for a value that the parameter's dtype does not hold.
    """
    largest = torch.finfo(torch.get_default_dtype()).max
    if abs(value) > largest:
        raise ActbenchError(f"a parameter cannot start at {value:g}: no number in it exceeds {largest:.3g}")
    shape = (num_channels,) if sharing == "channel" else ()
    return nn.Parameter(torch.full(shape, value), requires_grad=not freeze)


def beside(parameter: Tensor, x: Tensor, channel_dim: int) -> Tensor:
    """View of a () or (C,) parameter that broadcasts against x; ActbenchError if x has other channels."""
    if parameter.ndim == 0:
        return parameter
    check_channels(x, len(parameter), channel_dim)
    shape = [1] * x.ndim
    shape[channel_dim] = -1
    return parameter.view(shape)


def check_channels(x: Tensor, num_channels: int, channel_dim: int) -> None:
    """Raises ActbenchError unless x has that many channels along channel_dim."""
    if not -x.ndim <= channel_dim < x.ndim or x.shape[channel_dim] != num_channels:
        raise ActbenchError(
            f"an activation that takes {num_channels} channels along dimension {channel_dim} got an input of shape "
            f"{tuple(x.shape)}",
            hints=("token layouts (N, T, C) need channel_dim=-1",),
        )


def check_groups(activation: str, num_channels: int, groups: int) -> None:
    """Raises ActbenchError unless the channels divide into so many groups."""
    if num_channels % groups:
        divisors = [str(k) for k in range(1, min(groups, num_channels) + 1) if num_channels % k == 0]
        raise ActbenchError(
            f"{activation} cannot split {num_channels} channels into {groups} groups",
            hints=(f"groups must divide the number of channels: {', '.join(divisors)}",),
        )


def widen(x: Tensor) -> Tensor:
    """x in at least float32, where sums over a whole batch and products of half numbers are taken."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
