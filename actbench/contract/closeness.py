"""Two tensors held equal, to the last bit or to a stated rounding error, and what to say where they are not."""

import torch
from torch import Tensor

from actbench.contract.result import CheckFailedError


def require_same(what: str, found: Tensor, expected: Tensor) -> None:
    """CheckFailedError unless both are equal bitwise, NaN counting as equal to NaN."""
    require_close(what, found, expected, tolerance=0.0)


def require_close(
    what: str, found: Tensor, expected: Tensor, *, tolerance: float, least_scale: float = 1e-30
) -> float:
    """The largest error relative to the largest value expected; CheckFailedError where that exceeds `tolerance`.

    Relative to the largest, since a sum of many terms errs by the size of its terms and not by its own, and to
    `least_scale` where all values are smaller.
    """
    if found.shape != expected.shape:
        raise CheckFailedError(f"{what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    if not expected.numel():
        return 0.0
    found, expected = found.detach().double(), expected.detach().double()
    same = (found == expected) | (found.isnan() & expected.isnan())
    error = torch.where(same, 0.0, (found - expected).abs()).nan_to_num(nan=torch.inf, posinf=torch.inf)
    finite = expected[expected.isfinite()].abs()
    worst = (
        float(error.max() / max(float(finite.max()) if finite.numel() else 0.0, least_scale))
        if error.any()
        else 0.0
    )
    if worst > tolerance:
        at = int(error.argmax())
        raise CheckFailedError(
            f"{what}: {found.flatten()[at]:.6g} instead of {expected.flatten()[at]:.6g}, off by {worst:.2g} of the "
            f"largest value where {tolerance:.2g} is allowed ({int((~same).sum())} of {same.numel()} values differ)"
        )
    return worst
