"""Comparison of an activation with its formula, computed in double precision by Python's own `math`."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

GRID = [
    -1e4,
    -100.0,
    -20.0,
    -5.0,
    -3.0,
    -2.0,
    -1.0,
    -0.5,
    -1e-3,
    -1e-9,
    0.0,
    1e-9,
    1e-3,
    0.5,
    1.0,
    2.0,
    3.0,
    5.0,
    20.0,
    100.0,
    1e4,
]
"""Kinks at 0, tails, and both sides of each."""


def values(module: nn.Module, points: Sequence[float]) -> list[float]:
    """The module's outputs at the points, in float64, from one channel."""
    x = torch.tensor(points, dtype=torch.float64).view(-1, 1)
    result: list[float] = module.double()(x).flatten().tolist()
    return result


def slopes(module: nn.Module, points: Sequence[float]) -> list[float]:
    """dy/dx at the points, in float64."""
    x = torch.tensor(points, dtype=torch.float64).view(-1, 1).requires_grad_()
    (dx,) = torch.autograd.grad(module.double()(x).sum(), x)
    result: list[float] = dx.flatten().tolist()
    return result


def assert_follows(module: nn.Module, formula: Callable[[float], float], *, tiny: float = 0.0) -> None:
    """Equal on the grid to a few roundings of float64, and in float32 of float32.

    `tiny` is what a formula that underflows in another place may be off by, absolutely.
    """
    wanted = torch.tensor([formula(point) for point in GRID], dtype=torch.float64)
    for dtype in (torch.float64, torch.float32):
        x = torch.tensor(GRID, dtype=dtype).view(-1, 1)
        got: Tensor = module.to(dtype)(x).flatten().double()
        eps = torch.finfo(dtype).eps
        exact = (
            wanted
            if dtype == torch.float64
            else torch.tensor([formula(point) for point in x.flatten().tolist()], dtype=torch.float64)
        )
        torch.testing.assert_close(got, exact, rtol=16 * eps, atol=tiny + 8 * eps * 1e-3)
