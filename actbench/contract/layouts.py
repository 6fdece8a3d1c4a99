"""The same values in another order of memory give the same output and gradients."""

from collections.abc import Callable

import torch
from torch import Tensor

from actbench.contract.closeness import require_close
from actbench.contract.subject import Subject, gradients

_VALUES = 1e-5
"""Other elements fall to vectorised code, which rounds otherwise; a convolution sums its at most 121 products in
another order: 121 * 2^-24."""
_SUMS = 1e-3
"""Gradients of parameters are sums over a whole batch, of terms that may cancel."""
_CANCELLED = 1e-2
"""Of the largest gradient: sums smaller than that count as this large, since all their terms may have cancelled."""


def memory_layout(subject: Subject) -> str:
    """Channels-last, transposed and strided inputs against the contiguous one."""
    module, x = subject.learnt(), subject.input()
    y, found = gradients(module, x)
    layouts = _layouts(x.ndim)
    for name, lay in layouts.items():
        other, others = gradients(module, x, lay)
        require_close(f"{name}: output", other, y, tolerance=_VALUES)
        largest = max((float(gradient.abs().max()) for gradient in found.values()), default=0.0)
        for key, gradient in found.items():
            tolerance = _VALUES if key == "input" else _SUMS
            what = f"{name}: gradient of {key}"
            require_close(what, others[key], gradient, tolerance=tolerance, least_scale=_CANCELLED * largest)
    return f"{', '.join(layouts)} equal to contiguous, gradients too"


def _layouts(ndim: int) -> dict[str, Callable[[Tensor], Tensor]]:
    layouts: dict[str, Callable[[Tensor], Tensor]] = {
        "strided": lambda x: torch.stack((x, x), -1)[..., 0],
        "transposed": lambda x: (
            x.transpose(0, -1).clone(memory_format=torch.contiguous_format).transpose(0, -1)
        ),
    }
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(ndim)
    if last is not None:
        layouts["channels-last"] = lambda x: x.clone(memory_format=last)
    return layouts
