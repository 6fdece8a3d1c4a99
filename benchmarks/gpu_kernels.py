"""What the Triton kernels take on a CUDA device, beside a copy of the same bytes, torch's ReLU and its SiLU.

    python benchmarks/gpu_kernels.py [--rounds 30] [--quick]

`actbench bench bars kernels --device cuda` in more shapes and precisions: each activation's operator alone, forward
and backward, its tables ready, and (`module`) the whole of it both ways; see actbench/bench/operators.py.
"""

import argparse
import sys
import time

import torch
from tabulate import tabulate

from actbench.bench.activations import Dtype, Layout, Setting
from actbench.bench.operators import measure_operators

SHAPES = ((256, 64, 32, 32), (256, 64, 56, 56))
DTYPES: tuple[Dtype, ...] = ("bfloat16", "float32")
LAYOUTS: tuple[Layout, ...] = ("contiguous", "channels_last")
NAMES = ("pwlu", "rational", "gr_kan")
HEADERS = ("", "", "ms", "GB/s", "of a copy", "x silu", "x relu")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="the smaller shape alone")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("needs a CUDA device")
    torch.manual_seed(0)
    device, begun = torch.device("cuda"), time.perf_counter()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.rounds} rounds")
    for shape in SHAPES[: 1 if options.quick else None]:
        for dtype in DTYPES:
            for layout in LAYOUTS:
                setting = Setting(shape=shape, dtype=dtype, layout=layout, device=device)
                rows = measure_operators(NAMES, setting, rounds=options.rounds)
                print(f"\n{shape} {dtype} {layout}, {time.perf_counter() - begun:.0f} s so far")
                cells = [
                    (
                        row.activation,
                        row.way,
                        f"{1e3 * row.time_s.median:.4f}",
                        f"{row.bytes_per_s / 1e9:.0f}",
                        row.of_copy,
                        row.over_silu,
                        row.over_relu,
                    )
                    for row in rows
                ]
                print(tabulate(cells, HEADERS, disable_numparse=True))


if __name__ == "__main__":
    main()
