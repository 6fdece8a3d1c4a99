"""Pointwise functions in cache-sized blocks against whole tensors, forward and backward, in one process.

    python benchmarks/block_cost.py [--shape 128,16,32,32] [--rounds 9]

Prints, for each activation made by `pointwise_function`, the CPU time of one thread in blocks and the ratio of whole
tensors to blocks in the same round (median, quartiles): bfloat16, channels-last, as the lite recipes train.
"""

import argparse
import statistics
import time

import torch
from tabulate import tabulate
from torch import Tensor, nn

from actbench.activations import pointwise_function
from actbench.activations.create import create_activation

NAMES = (
    "prelu",
    "mish",
    "apalu",
    "sqish",
    "acon_c",
    "smu",
    "talu",
    "linear_combination",
    "fourier_series",
)
BLOCKS = {"blocks": pointwise_function._BLOCK, "whole": 2**62}


def both_ways(module: nn.Module, x: Tensor, grad: Tensor) -> float:
    """CPU seconds of forward and backward."""
    begun = time.thread_time()
    torch.autograd.backward(module(x), grad)
    return time.thread_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", default="128,16,32,32")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    shape = [int(size) for size in arguments.shape.split(",")]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, grad = (
        torch.randn(shape).bfloat16().to(memory_format=torch.channels_last).requires_grad_() for _ in range(2)
    )
    grad = grad.detach()
    rows = []
    for name in NAMES:
        module = create_activation(name, shape[1])
        times: dict[str, list[float]] = {form: [] for form in BLOCKS}
        for _ in range(arguments.rounds + 1):  # the first warms up
            for form, block in BLOCKS.items():
                pointwise_function._BLOCK = block
                times[form].append(both_ways(module, x, grad))
        ratios = [w / b for w, b in zip(times["whole"][1:], times["blocks"][1:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        median_ms = 1e3 * statistics.median(times["blocks"][1:])
        rows.append([name, f"{median_ms:.1f}", f"{middle:.2f} [{low:.2f} to {high:.2f}]"])
    print(tabulate(rows, headers=["activation", "blocks, ms", "whole / blocks"], tablefmt="github"))


if __name__ == "__main__":
    main()
