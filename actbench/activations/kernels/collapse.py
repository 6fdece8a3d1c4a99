"""`collapse` of ramp.py on a few numbers of the CPU, as one operator of torch.library instead of a hundred small ones.

The same steps in the same float32 arithmetic, so that values and ties are those of the plain form to the last bit;
derivatives are carried along.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_Floats = npt.NDArray[np.float32]
_TAKES_SHIFT = np.array([1, 0, 1, 1], np.float32)


@torch.library.custom_op("actbench::collapse", mutates_args=(), device_types="cpu")
def collapse(theta: Tensor, omega: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`Ramp.bounds`, `Ramp.values`, and the derivatives of values by theta and omega (4, 2n); both float32 (n,)."""
    n = len(theta)
    t0, t1 = np.float32(0), np.float32(np.inf)
    values = np.array([0, 1, 0, 0], np.float32)
    slopes = np.zeros((4, 2 * n), np.float32)
    with np.errstate(all="ignore"):
        for i, (scale, shift) in enumerate(zip(theta.detach().numpy(), omega.detach().numpy(), strict=True)):
            slopes *= scale
            slopes[:, i], slopes[:, n + i] = values, _TAKES_SHIFT
            values = scale * values + shift * _TAKES_SHIFT
            t0, t1, keep = _rectify(t0, t1, values)
            values[~keep] = 0
            slopes[~keep] = 0
    return torch.tensor([t0, t1]), torch.from_numpy(values), torch.from_numpy(slopes)


def _rectify(
    t0: np.float32, t1: np.float32, values: _Floats
) -> tuple[np.float32, np.float32, npt.NDArray[np.bool_]]:
    """`ramp._rectify`."""
    p, q, low, high = values
    level = q == 0
    end = (p if level else np.copysign(t1, q)) if np.isinf(t1) else high
    root = (np.float32(0) - p) / (np.float32(1) if level else q)
    cut_low, cut_high = q > 0 and low <= 0, q < 0 and end <= 0
    t0, t1 = root if cut_low else t0, root if cut_high else t1
    if (low <= 0 and end <= 0) or (not level and t0 >= t1):
        return np.float32(0), np.float32(0), np.zeros(4, np.bool_)
    return t0, t1, np.array([True, True, low > 0, not cut_high and high > 0])


@collapse.register_fake
def _(theta: Tensor, omega: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    return theta.new_empty(2), theta.new_empty(4), theta.new_empty(4, 2 * len(theta))


def _keep_slopes(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.n = len(inputs[0])
    ctx.mark_non_differentiable(output[0], output[2])
    ctx.save_for_backward(output[2])


def _backward(ctx: Any, _bounds: Tensor, grad: Tensor, _slopes: Tensor) -> tuple[Tensor, Tensor]:
    (slopes,) = ctx.saved_tensors
    sums = grad @ slopes
    return sums[: ctx.n], sums[ctx.n :]


collapse.register_autograd(_backward, setup_context=_keep_slopes)
