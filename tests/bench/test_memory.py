"""Bytes kept for backward and the height of memory, of functions whose bytes can be counted by hand."""

import torch
from torch import Tensor, nn

from actbench.bench.memory import kept_bytes, peak_bytes

CPU = torch.device("cpu")


class Scaled(nn.Module):
    """x * weight, which keeps both factors, and of them x alone is nobody's parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def _x(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(4, 256, dtype=dtype).requires_grad_()


def test_every_storage_counts_once_and_parameters_do_not() -> None:
    x = _x()
    assert kept_bytes(nn.Identity(), lambda: x.view_as(x)) == 0
    assert kept_bytes(nn.ReLU(), lambda: nn.functional.relu(x)) == x.nbytes  # the output
    scaled = Scaled()
    assert kept_bytes(scaled, lambda: scaled(x)) == x.nbytes
    assert (
        kept_bytes(nn.Identity(), lambda: x * x.view(2, 512).view(4, 256)) == x.nbytes
    )  # one storage, seen twice
    assert (
        kept_bytes(nn.Identity(), lambda: x.exp() * x) == 2 * x.nbytes
    )  # exp keeps its output, the product too
    half = _x(torch.bfloat16)
    assert kept_bytes(nn.SiLU(), lambda: nn.functional.silu(half)) == half.nbytes == 2 * half.numel()


def test_the_peak_is_the_height_and_not_the_sum(capfd: object) -> None:
    del capfd  # the profiler's words would stand in it; seen below by a test of the real program
    x, grad = _x(), torch.randn(4, 256)

    def one_after_the_other() -> None:
        for _ in range(5):
            x.detach().exp()

    def both() -> None:
        torch.autograd.backward(nn.functional.silu(x), grad)

    assert peak_bytes(one_after_the_other, CPU) == x.nbytes
    assert peak_bytes(both, CPU) == 2 * x.nbytes  # the output, and then beside it the input's gradient
    assert peak_bytes(lambda: None, CPU) == 0
