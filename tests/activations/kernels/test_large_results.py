"""Results too large for the caches are written past them: they are those of their parts, bit for bit."""

import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.activations.kernels import layout as layouts
from actbench.activations.ramp import RampPass

LIBRARIES = {
    "pwlu": "piecewise_linear",
    "prelu": "prelu",
    "ramp": "ramp",
    "rational": "rational",
    "gr_kan": "rational",
    "dyrelu": "largest_line",
    "sqish": "sqish",
}
BOUNDS, VALUES = torch.tensor([0.1, 1.3]), torch.tensor([0.2, -0.7, 0.1, -0.7])


def ramp(x: Tensor) -> Tensor:
    y: Tensor = RampPass.apply(x, BOUNDS, VALUES)
    return y


def make_function(name: str) -> Callable[[Tensor], Tensor]:
    return ramp if name == "ramp" else create_activation(name, 24)


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_large_result_equals_its_parts(
    name: str, memory_format: torch.memory_format, dtype: torch.dtype
) -> None:
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        pytest.skip("no C++ compiler on this machine")
    assert layouts.is_available(LIBRARIES[name])
    function = make_function(name)
    images = 46 * (4 // dtype.itemsize)
    assert images * 24 * 46 * 48 * dtype.itemsize > 9 << 20
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(images, 24, 46, 48, generator=generator).to(dtype) for _ in range(2))
    x = x.contiguous(memory_format=memory_format).requires_grad_()
    y = function(x)
    (dx,) = torch.autograd.grad(y, x, g)
    for part, g_part, y_part, dx_part in zip(
        *(torch.chunk(t, 2) for t in (x.detach(), g, y, dx)), strict=True
    ):
        leaf = part.requires_grad_()
        small = function(leaf)
        assert torch.equal(small, y_part)
        assert torch.equal(torch.autograd.grad(small, leaf, g_part)[0], dx_part)
