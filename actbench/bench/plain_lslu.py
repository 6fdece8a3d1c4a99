"""LSLU as the paper's code computes it, and what a training step costs beside ours: every step a pass over the map."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.activations.create import create_activation
from actbench.bench.activations import Layout
from actbench.bench.timing import Case, Spread, clock_for, time_cases

MAPS = ((256, 128, 8, 8), (256, 256, 4, 4), (256, 512, 2, 2), (256, 1024, 1, 1))
"""What the four activations of VanillaNet-5, width 1/4, get from images of 32 pixels."""


class PlainLSLU(nn.Module):
    """n ReLUs, each scaled and shifted, one more, the depthwise convolution, batch norm."""

    def __init__(self, num_channels: int, n: int = 3) -> None:
        super().__init__()
        self.n = n
        # One entry per channel is stored, of which the first n are used.
        self.alphas = nn.Parameter(torch.ones(num_channels))
        self.biases = nn.Parameter(torch.zeros(num_channels))
        self.weight = nn.Parameter(torch.empty(num_channels, 1, 2 * n + 1, 2 * n + 1))
        nn.init.trunc_normal_(self.weight, std=0.02)
        self.bn = nn.BatchNorm2d(num_channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.n):
            x = self.alphas[i] * F.relu(x) + self.biases[i]
        y: Tensor = self.bn(F.conv2d(F.relu(x), self.weight, padding=self.n, groups=len(self.alphas)))
        return y


def times_faster(maps: Sequence[tuple[int, ...]], layout: Layout, *, rounds: int) -> Spread:
    """How many times as long the plain form takes, forward and backward over all maps, on the CPU."""
    cases = [
        Case("plain", _step(PlainLSLU, maps, layout)),
        Case("ours", _step(lambda channels: create_activation("lslu", channels), maps, layout)),
    ]
    clock = clock_for(torch.device("cpu"), threads=torch.get_num_threads())
    return time_cases(cases, clock=clock, rounds=rounds).ratio("plain", "ours")


def _step(
    make: Callable[[int], nn.Module], maps: Sequence[tuple[int, ...]], layout: Layout
) -> Callable[[], None]:
    """Forward and backward over each map, every gradient made anew."""
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    layers = []
    for shape in maps:
        x, grad = (torch.randn(shape).contiguous(memory_format=memory) for _ in range(2))
        module = make(shape[1])
        learnt = [p for p in module.parameters() if p.requires_grad]
        layers.append((module, [x.requires_grad_(), *learnt], grad))

    def step() -> None:
        for module, inputs, grad in layers:
            torch.autograd.grad(module(inputs[0]), inputs, grad)

    return step
