"""Whether batch normalisation and an activation can be one function, and that function.

They can where the activation names its C++ kernel (`fusible_kernel`) and nothing else than the two sees what is
between them: a plain `nn.BatchNorm2d` on a CPU in float32, bfloat16 or float16. Running statistics, momentum and the
counter of batches change as in `nn.BatchNorm2d`; an input that it refuses is left to it.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from actbench.activations.kernels import layout
from actbench.activations.kernels.batch_norm import (
    LIBRARY,
    Kernel,
    batch_norm_activation,
    batch_statistics,
    takes,
)

LEAST = 1 << 20
"""Elements of a contiguous input."""
LEAST_ROW = 256
"""Elements of one of its maps."""
LEAST_LAST = 1 << 22
"""Elements of one in channels-last order."""


class Fusible(Protocol):
    num_channels: int
    channel_dim: int

    def fusible_kernel(self) -> Kernel | None: ...


def _is_worth_it(x: Tensor) -> bool:
    """Where one function is measured to take no longer than two, PyTorch's batch normalisation among them.

    That is slow along the rows of contiguous float32, but not in other layouts and types, and calls have their price.
    """
    if x.dtype != torch.float32 or x.ndim != 4:
        return False
    if not x.is_contiguous():
        return x.numel() >= LEAST_LAST
    return x.numel() >= LEAST and x.shape[2] * x.shape[3] >= LEAST_ROW


def _suit(activation: Fusible, norm: nn.Module) -> bool:
    if type(norm) is not nn.BatchNorm2d or not _is_its_own(activation) or not layout.is_available(LIBRARY):
        return False
    if activation.channel_dim not in (1, -3) or activation.num_channels != norm.num_features:
        return False
    # One thread takes one channel, so fewer channels would leave threads without work.
    if norm.num_features < torch.get_num_threads():
        return False
    return norm.weight is None or norm.weight.device.type == "cpu"


def activate_after(
    activation: Fusible, norm: nn.Module, x: Tensor, *, of_any_size: bool = False
) -> Tensor | None:
    """activation(norm(x)) in one function, which keeps x alone for backward.

    None where it has to be two, or would take longer than two unless it may be `of_any_size`.
    """
    if not of_any_size and not _is_worth_it(x):
        return None
    if not _suit(activation, norm) or not layout.takes(LIBRARY, x) or x.device.type != "cpu":
        return None
    assert isinstance(norm, nn.BatchNorm2d)
    if (
        type(x) is not Tensor
        or torch._C._functorch.is_functorch_wrapped_tensor(x)
        or torch._C._get_tracing_state()
    ):
        return None
    is_own = norm.training or norm.running_mean is None
    if x.ndim != 4 or x.shape[1] != norm.num_features or x.numel() <= (norm.num_features if is_own else 0):
        return None
    if norm.weight is not None and norm.weight.dtype not in (torch.float32, x.dtype):
        return None
    kernel = activation.fusible_kernel()
    if kernel is None or not takes(kernel, x):
        return None
    mean, variance = _statistics(norm, x) if is_own else (norm.running_mean, norm.running_var)
    assert mean is not None
    assert variance is not None
    return batch_norm_activation(
        x, mean, variance, norm.weight, norm.bias, kernel, eps=norm.eps, is_own=is_own
    )


def _is_its_own(activation: Fusible) -> bool:
    """Whether the forward in use is the one that the kernel was named for, and not a subclass's or a patch."""
    owners = [
        next(at for at, kind in enumerate(type(activation).__mro__) if name in vars(kind))
        for name in ("fusible_kernel", "forward")
    ]
    return owners[0] <= owners[1] and "forward" not in vars(activation)


@torch.no_grad()
def _statistics(norm: nn.BatchNorm2d, x: Tensor) -> tuple[Tensor, Tensor]:
    """Of the batch; moves the running ones on, as `nn.BatchNorm2d` does."""
    mean, variance = batch_statistics(x)
    if not (norm.training and norm.track_running_stats):
        return mean, variance
    share = 0.0 if norm.momentum is None else norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if norm.momentum is None:
            share = 1.0 / float(norm.num_batches_tracked)
    count = x.numel() / norm.num_features
    for running, value in ((norm.running_mean, mean), (norm.running_var, variance * (count / (count - 1)))):
        if running is not None:
            running.copy_(running.double().mul_(1 - share).add_(value, alpha=share))
    return mean, variance
