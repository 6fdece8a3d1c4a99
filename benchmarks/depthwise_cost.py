"""LSLU's training step against upstream's arithmetic, and the forms of the depthwise convolution against each other.

    python benchmarks/depthwise_cost.py [--rounds 15] [--threads 1] [--dtype float32] [--forms]

Both in one process, one after the other in every round: medians of milliseconds, and of the rounds' ratios with
quartiles. The time is this thread's CPU time where one thread works, else wall time. `--forms` times F.conv2d and each
form that `depthwise_convolution` chooses from, on the same maps.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor, nn

from actbench.activations.kernels import depthwise, layout
from actbench.activations.lslu import LSLU

Shape = tuple[int, int, int, int]
Call = Callable[[], object]

GROUPS: dict[str, tuple[Shape, ...]] = {
    "VanillaNet-5, width 1/8, batch 128": ((128, 64, 8, 8), (128, 128, 4, 4), (128, 256, 2, 2), (128, 512, 1, 1)),
    "VanillaNet-5, width 1/4, batch 256": ((256, 128, 8, 8), (256, 256, 4, 4), (256, 512, 2, 2), (256, 1024, 1, 1)),
    "16x16, 128 images": ((128, 64, 16, 16),),
    "16x16, 256 images": ((256, 64, 16, 16),),
}  # fmt: skip
"""The maps that the activations of VanillaNet-5 get from images of 32 pixels, once as in the lite recipe."""
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


class UpstreamLSLU(nn.Module):
    """The same function as upstream's code computes it: every step a pass, autograd keeps each."""

    def __init__(self, num_channels: int, n: int = 3) -> None:
        super().__init__()
        self.alphas, self.biases = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        self.weight = nn.Parameter(0.02 * torch.randn(num_channels, 1, 2 * n + 1, 2 * n + 1))
        self.bn = nn.BatchNorm2d(num_channels, eps=1e-6)
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.n):
            x = self.alphas[i] * torch.relu(x) + self.biases[i]
        y: Tensor = self.bn(F.conv2d(torch.relu(x), self.weight, padding=self.n, groups=len(self.weight)))
        return y


def training_step(module: nn.Module, x: Tensor, grad: Tensor) -> Call:
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()

    def step() -> tuple[Tensor, ...]:
        return torch.autograd.grad(module(leaf), [leaf, *module.parameters()], grad)

    return step


def lslu_steps(shapes: Sequence[Shape], memory: torch.memory_format, dtype: torch.dtype) -> dict[str, Call]:
    steps: dict[str, list[Call]] = {"upstream": [], "lslu": []}
    for shape in shapes:
        x, grad = (torch.randn(shape).to(dtype).contiguous(memory_format=memory) for _ in range(2))
        upstream, ours = UpstreamLSLU(shape[1]), LSLU(shape[1])
        ours.load_state_dict(upstream.state_dict())
        for name, module in (("upstream", upstream), ("lslu", ours)):
            steps[name].append(training_step(module.to(dtype), x, grad))
    return {name: _all_of(calls) for name, calls in steps.items()}


def _all_of(calls: Sequence[Call]) -> Call:
    return lambda: [call() for call in calls]


def form_steps(shapes: Sequence[Shape], memory: torch.memory_format, dtype: torch.dtype) -> dict[str, Call]:
    """Forward and backward of the bare convolution, n = 3."""
    forms = ["matrix", "channels_last", *(["cpp"] if layout.is_available(depthwise.LIBRARY, dtype) else [])]
    steps: dict[str, list[Call]] = {"F.conv2d": [], **{form: [] for form in forms}}
    for shape in shapes:
        x, grad = (torch.randn(shape).to(dtype).contiguous(memory_format=memory) for _ in range(2))
        weight = torch.randn(shape[1], 1, 7, 7, dtype=dtype).requires_grad_()
        leaf = x.requires_grad_()

        def plain(leaf: Tensor = leaf, weight: Tensor = weight, grad: Tensor = grad) -> object:
            y = F.conv2d(leaf, weight, padding=3, groups=len(weight))
            return torch.autograd.grad(y, (leaf, weight), grad)

        steps["F.conv2d"].append(plain)
        for form in forms:
            if form == "matrix" and shape[2] * shape[3] > 256:
                continue

            def step(
                leaf: Tensor = leaf, weight: Tensor = weight, grad: Tensor = grad, form: str = form
            ) -> object:
                y = depthwise.depthwise_convolution(leaf, weight, None, None, None, form)
                return torch.autograd.grad(y, (leaf, weight), grad)

            steps[form].append(step)
    return {name: _all_of(calls) for name, calls in steps.items()}


def measure(steps: dict[str, Call], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Milliseconds of each in every round."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):  # the first warms up
        for name, step in steps.items():
            begun = clock()
            step()
            times[name].append((clock() - begun) * 1e3)
    return {name: values[1:] for name, values in times.items()}


def _ratio(slow: list[float], fast: list[float]) -> str:
    low, middle, high = statistics.quantiles([a / b for a, b in zip(slow, fast, strict=True)], n=4)
    return f"{middle:.1f} [{low:.1f} to {high:.1f}]"


def rows(
    groups: Mapping[str, Sequence[Shape]],
    make: Callable[[Sequence[Shape], torch.memory_format, torch.dtype], dict[str, Call]],
    arguments: argparse.Namespace,
) -> list[dict[str, str]]:
    clock = time.thread_time if arguments.threads == 1 else time.perf_counter
    dtype = getattr(torch, arguments.dtype)
    table = []
    for title, shapes in groups.items():
        for name, memory in LAYOUTS.items():
            times = measure(make(shapes, memory, dtype), arguments.rounds, clock)
            first = next(iter(times))
            cells = {"maps": title, "layout": name}
            for step, values in times.items():
                cells[f"{step}, ms"] = f"{statistics.median(values):.2f}"
                if step != first:
                    cells[f"{first} / {step}"] = _ratio(times[first], values)
            table.append(cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--forms", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.dtype}, backend {backend()}")
    print(f"allocator: {os.environ.get('GLIBC_TUNABLES', 'system default')}\n")
    if arguments.forms:
        single = {"x".join(map(str, shape)): (shape,) for shapes in GROUPS.values() for shape in shapes}
        table = rows(single, form_steps, arguments)
    else:
        table = rows(GROUPS, lslu_steps, arguments)
    print(tabulate(table, headers="keys", tablefmt="github", disable_numparse=True))


def backend() -> str:
    return "cpp" if layout.is_available(depthwise.LIBRARY) else "reference"


if __name__ == "__main__":
    main()
