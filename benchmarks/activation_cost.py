"""Forward and backward of activations against torch's ReLU, in one process, all of them in every round.

    python benchmarks/activation_cost.py [--shape 256,64,16,16] [--rounds 15] [--threads 1]

Prints, for both memory layouts and float32 and bfloat16, the ratio to ReLU of the same round (median, quartiles) and
the bytes kept for backward per element. The time is this thread's CPU time where one thread works, else wall time.
`pwlu, plain` is the form that serves where no compiler is found; `pwlu, naive` is the textbook gather with autograd.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from tabulate import tabulate
from torch import Tensor, nn

from actbench.activations import piecewise_linear as plain
from actbench.activations.create import create_activation
from actbench.activations.pwlu import PWLU

Call = Callable[[Tensor], Tensor]


def naive_pwlu(module: PWLU) -> Call:
    """PWLU as one would write it first: index, gather, interpolate; autograd keeps every step."""

    def call(x: Tensor) -> Tensor:
        left, right = (bound[None, :, None, None] for bound in module.bounds())
        intervals = module.intervals
        t = (x - left) / ((right - left) / intervals)
        i = t.floor().clamp(0, intervals - 1)
        r = t - i
        rows = torch.arange(x.shape[1])[None, :, None, None]
        y0, y1 = module.heights[rows, i.long()], module.heights[rows, i.long() + 1]
        k_left, k_right = (k[None, :, None, None] for k in (module.slope_left, module.slope_right))
        inside = y0 + (y1 - y0) * r
        below = (x - left) * k_left + module.heights[:, :1, None][None]
        above = (x - right) * k_right + module.heights[:, -1:, None][None]
        return torch.where(x < left, below, torch.where(x >= right, above, inside))

    return call


def plain_pwlu(module: PWLU) -> Call:
    """The form without a kernel."""

    def call(x: Tensor) -> Tensor:
        y: Tensor = plain._PiecewiseLinear.apply(x, *module._tables(), 1)
        return y

    return call


def candidates(channels: int, dtype: torch.dtype) -> dict[str, Call]:
    pwlu = create_activation("pwlu", channels)
    assert isinstance(pwlu, PWLU)
    return {
        "relu": nn.ReLU(),
        "silu": nn.SiLU(),
        "prelu, torch's": nn.PReLU(channels, dtype=dtype),
        "swish": create_activation("swish", channels),
        "pwlu": pwlu,
        "pwlu, plain": plain_pwlu(pwlu),
        "pwlu, naive": naive_pwlu(pwlu),
    }


def kept_bytes(call: Call, x: Tensor) -> float:
    """Bytes kept for backward per element, every storage once; tables smaller than the input left out."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.numel() >= x.numel():
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call(x)
    return sum(kept.values()) / x.numel()


def measure(x: Tensor, grad: Tensor, rounds: int, clock: Callable[[], float]) -> list[list[object]]:
    calls = candidates(x.shape[1], x.dtype)
    forward: dict[str, list[float]] = {name: [] for name in calls}
    both: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):  # the first warms up
        for name, call in calls.items():
            with torch.no_grad():
                begun = clock()
                call(x)
                forward[name].append(clock() - begun)
            begun = clock()
            torch.autograd.backward(call(x), grad)
            both[name].append(clock() - begun)
            x.grad = None
    rows: list[list[object]] = []
    for name, call in calls.items():
        cells = [_ratio(times[name][1:], times["relu"][1:]) for times in (forward, both)]
        rows.append([name, *cells, f"{statistics.median(both[name][1:]) * 1e3:.1f}", kept_bytes(call, x)])
    return rows


def _ratio(times: list[float], reference: list[float]) -> str:
    ratios = [mine / theirs for mine, theirs in zip(times, reference, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} [{low:.2f} to {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", default="256,64,16,16")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    shape = [int(size) for size in arguments.shape.split(",")]
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    clock = time.thread_time if arguments.threads == 1 else time.perf_counter
    print(f"torch {torch.__version__}, {arguments.threads} threads, shape {tuple(shape)}")
    print(f"allocator: {os.environ.get('GLIBC_TUNABLES', 'system default')}")
    for dtype in (torch.float32, torch.bfloat16):
        for layout in (torch.contiguous_format, torch.channels_last):
            x = torch.randn(shape).to(dtype).contiguous(memory_format=layout)
            grad = torch.randn_like(x)
            rows = measure(x.requires_grad_(), grad, arguments.rounds, clock)
            name = "channels-last" if layout == torch.channels_last else "contiguous"
            headers = [
                f"{dtype}, {name}".removeprefix("torch."),
                "forward / relu",
                "both / relu",
                "both, ms",
                "kept B",
            ]
            print("\n" + tabulate(rows, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
