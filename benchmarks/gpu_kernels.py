"""What the Triton kernels take on a CUDA device, beside a copy of the same bytes, torch's ReLU and its SiLU.

    python benchmarks/gpu_kernels.py [results.json] [--rounds 30] [--quick]

For every shape, layout and precision all candidates take turns in every round, and medians are told. The device first
works through a pause, in which the host queues the round, so that only the device's time is measured; a buffer larger
than its cache is written before each call. `forward` and `backward` are the operators alone, their tables ready;
`both` is a call and its gradients through autograd; `module` is the whole activation, its tables made anew, likewise
forward and backward. GB/s counts every element read and written once: 2, 3 and 5 tensors.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor

from actbench.activations.create import create_activation
from actbench.activations.kernels import gpu, piecewise_linear, rational
from actbench.activations.pade import FORMS

SHAPES = [(256, 64, 56, 56), (256, 64, 32, 32)]
QUICK_SHAPES = SHAPES[1:2]
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
TENSORS = {"forward": 2, "backward": 3, "both": 5, "module": 5}
PAUSE_S = 3e-3
CLOCK_HZ = 2e9
"""At most; a pause is counted in cycles."""

Call = Callable[[], Any]


class Candidate(NamedTuple):
    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Any]
    """From g and x to dx, and the gradients of what is learnt."""
    learnt: list[Tensor]
    module: torch.nn.Module | None


def _pwlu(channels: int) -> Candidate:
    unit: Any = create_activation("pwlu", channels).cuda()
    tables = [table.detach().requires_grad_() for table in unit._tables()]

    def forward(x: Tensor) -> Tensor:
        y: Tensor = piecewise_linear.piecewise_linear(x, *tables, 1)
        return y

    def backward(g: Tensor, x: Tensor) -> Any:
        return piecewise_linear.piecewise_linear_backward(g, x, *tables, 1)

    return Candidate(forward, backward, tables, unit)


def _rational(name: str, channels: int) -> Candidate:
    unit: Any = create_activation(name, channels).cuda()
    form = FORMS[unit.version]
    a, c = unit.numerator.detach(), F.pad(unit.denominator.detach().abs(), (form.first, 0))
    if name == "gr_kan":
        a, c = (table.repeat_interleave(channels // len(table), 0) for table in (a, c))
    tables = [a.contiguous().requires_grad_(), c.contiguous().requires_grad_()]
    rest = form.of_magnitude, form.offset, 1

    def forward(x: Tensor) -> Tensor:
        y: Tensor = rational.rational(x, *tables, *rest)
        return y

    def backward(g: Tensor, x: Tensor) -> Any:
        return rational.rational_backward(g, x, *tables, *rest)

    return Candidate(forward, backward, tables, unit)


def candidates(channels: int) -> dict[str, Candidate]:
    aten = torch.ops.aten
    return {
        "relu": Candidate(F.relu, lambda g, x: aten.threshold_backward(g, x, 0), [], None),
        "silu": Candidate(F.silu, aten.silu_backward, [], None),
        "pwlu": _pwlu(channels),
        "rational": _rational("rational", channels),
        "gr_kan": _rational("gr_kan", channels),
    }


def calls(found: Candidate, x: Tensor, g: Tensor) -> dict[str, Call]:
    leaf = x.detach().requires_grad_()

    def both(call: Callable[[Tensor], Tensor], learnt: list[Tensor]) -> Call:
        return lambda: torch.autograd.grad(call(leaf), (leaf, *learnt), g)

    def forward() -> Tensor:
        with torch.no_grad():
            return found.forward(x)

    def backward() -> Any:
        with torch.no_grad():
            return found.backward(g, x)

    table = {"forward": forward, "backward": backward, "both": both(found.forward, found.learnt)}
    if found.module is not None:
        table["module"] = both(found.module, list(found.module.parameters()))
    return table


def copies(x: Tensor) -> dict[str, Call]:
    """Copies that move as many bytes as 2, 3 and 5 tensors have, by torch's own kernel."""
    made: dict[str, Call] = {}
    for name, tensors in TENSORS.items():
        source = torch.randn(x.numel() * tensors // 2, device="cuda").to(x.dtype)
        target = torch.empty_like(source)
        made[name] = partial(target.copy_, source)
    return made


def milliseconds(table: dict[str, Call], rounds: int) -> dict[str, float]:
    """Medians of the device's time; all take turns in every round."""
    flush = torch.empty(1 << 28, dtype=torch.int8, device="cuda")
    for call in table.values():
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    taken: dict[str, list[float]] = {name: [] for name in table}
    for _ in range(rounds):
        marks = {}
        for name, call in table.items():
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            torch.cuda._sleep(int(PAUSE_S * CLOCK_HZ))  # type: ignore[no-untyped-call]
            flush.zero_()
            begin.record()
            call()
            end.record()
            marks[name] = begin, end
        torch.cuda.synchronize()
        for name, (begin, end) in marks.items():
            taken[name].append(begin.elapsed_time(end))
    return {name: statistics.median(values) for name, values in taken.items()}


def measure(
    shape: tuple[int, ...], dtype: torch.dtype, layout: torch.memory_format, rounds: int
) -> list[dict[str, Any]]:
    x = torch.randn(shape, device="cuda").to(dtype).contiguous(memory_format=layout)
    g = torch.randn_like(x)
    table: dict[str, Call] = {f"copy {part}": call for part, call in copies(x).items()}
    for name, found in candidates(shape[1]).items():
        table |= {f"{name} {part}": call for part, call in calls(found, x, g).items()}
    times = milliseconds(table, rounds)
    rows = []
    for key, ms in times.items():
        name, part = key.split()
        bytes_moved = TENSORS[part] * x.numel() * x.element_size()
        base = "both" if part == "module" else part
        rows.append(
            {
                "op": name,
                "part": part,
                "ms": round(ms, 5),
                "gb_per_s": round(bytes_moved / ms / 1e6, 1),
                "of_copy": round(times[f"copy {part}"] / ms, 4),
                "to_silu": round(ms / times[f"silu {base}"], 4),
                "to_relu": round(ms / times[f"relu {base}"], 4),
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="one shape")
    args = parser.parse_args()
    if not torch.cuda.is_available() or not all(map(gpu.load_kernels, ("piecewise_linear", "rational"))):
        sys.exit("needs a CUDA device and triton")
    import triton

    torch.manual_seed(0)
    begun, rows = time.perf_counter(), []
    device = torch.cuda.get_device_name()
    print(f"{device}, torch {torch.__version__}, triton {triton.__version__}, medians of {args.rounds}")
    for shape in QUICK_SHAPES if args.quick else SHAPES:
        for precision, dtype in DTYPES.items():
            for layout, memory_format in LAYOUTS.items():
                found = measure(shape, dtype, memory_format, args.rounds)
                setting = {"shape": list(shape), "dtype": precision, "layout": layout}
                rows += [setting | row for row in found]
                print(f"\n{shape} {precision} {layout}, {time.perf_counter() - begun:.0f} s so far")
                print(
                    tabulate(
                        [row for row in found if row["op"] != "copy" or row["part"] != "module"],
                        headers="keys",
                    )
                )
    if args.results:
        told = {
            "device": device,
            "torch": torch.__version__,
            "triton": triton.__version__,
            "rounds": args.rounds,
            "rows": rows,
        }
        args.results.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
