"""The bars: what was promised of activations, steps, data and start, and what this machine measures.

    python benchmarks/bars.py [kernels lslu data step start gpu] [--rounds 15] [--shape 256,64,16,16] [--device cuda]

Prints, for each bar, the first bar, the aim, and the median with quartiles of the ratios within rounds. Times are CPU
times of one thread unless a row says two. Everything but `gpu` runs on the CPU; parts that are not named are left out.
Two bars have programs of their own, which the table names: torchvision_loop.py and gpu_bars.py.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor, nn

from actbench.activations.create import create_activation
from actbench.bench.activations import Layout, Setting
from actbench.bench.allocator import set_allocator
from actbench.bench.ops import OpRow, Wanted, measure_ops
from actbench.bench.pipeline import OURS, PipelineSetting, run_pipeline_bench
from actbench.bench.recipe_data import open_recipe_data
from actbench.bench.steps import measure_steps
from actbench.bench.timing import Case, Spread, clock_for, ratios, spread, time_cases
from actbench.recipe.load import load_recipe
from actbench.training.precision import resolve_device

CPU = torch.device("cpu")
LAYOUTS: tuple[Layout, ...] = ("contiguous", "channels_last")
UNITS = ("apalu", "sqish", "talu", "relu2", "swish", "prelu")
LSLU_MAPS = ((256, 128, 8, 8), (256, 256, 4, 4), (256, 512, 2, 2), (256, 1024, 1, 1))
"""What the four activations of VanillaNet-5, width 1/4, get from images of 32 pixels."""


class Bar(NamedTuple):
    what: str
    first: str
    aim: str
    measured: str
    reached: str = ""
    """ "aim", "first bar" or "no"."""


def at_most(what: str, measured: Spread, first: float, aim: float, unit: str) -> Bar:
    reached = "aim" if measured.median <= aim else "first bar" if measured.median <= first else "no"
    return Bar(what, f"at most {first:g} {unit}", f"{aim:g}", str(measured), reached)


def at_least(what: str, measured: Spread, first: float, aim: float, unit: str) -> Bar:
    reached = "aim" if measured.median >= aim else "first bar" if measured.median >= first else "no"
    return Bar(what, f"at least {first:g} {unit}", f"{aim:g}", str(measured), reached)


def kernels(options: argparse.Namespace) -> Iterator[Bar]:
    names = ("pwlu", "rational", "gr_kan", "dyrelu", *UNITS)
    rows = {layout: _ops(options, layout, names) for layout in LAYOUTS}
    contiguous, last = (rows[layout] for layout in LAYOUTS)
    yield at_most("pwlu, forward", contiguous["pwlu"].forward.over_relu, 1.0, 0.8, "x relu")
    for layout, first, aim in (("contiguous", 1.7, 1.3), ("channels_last", 2.2, 1.5)):
        found = rows["contiguous" if layout == "contiguous" else "channels_last"]["pwlu"]
        yield at_most(f"pwlu, both ways, {layout}", found.both.over_relu, first, aim, "x relu")
    for name in ("pwlu", "silu", "swish", "rational"):
        kept = contiguous[name].kept_inputs
        reached = "first bar" if kept < 1.02 else "no"
        yield Bar(f"{name}, kept for backward", "one input", "none", f"{kept:.3f} inputs", reached)
    yield at_most("rational, both ways", contiguous["rational"].both.over_relu, 1.3, 1.0, "x relu")
    torch.set_num_threads(2)
    try:
        two = _ops(options, "contiguous", ("rational",))["rational"].both.over_relu
    finally:
        torch.set_num_threads(1)
    yield at_most("rational, both ways, two threads", two, 1.6, 1.0, "x relu")
    for name in ("gr_kan", "dyrelu"):
        for layout, found_rows in zip(LAYOUTS, (contiguous, last), strict=True):
            yield at_most(f"{name}, both ways, {layout}", found_rows[name].both.over_relu, 2.5, 1.5, "x relu")
    for name in UNITS:
        yield at_most(f"{name}, both ways", contiguous[name].both.over_relu, 2.0, 1.3, "x relu")


def _ops(options: argparse.Namespace, layout: Layout, names: Sequence[str]) -> dict[str, OpRow]:
    shape = tuple(map(int, options.shape.split(",")))
    wanted = [Wanted(name=name, options={}) for name in names]
    result = measure_ops(wanted, Setting(shape=shape, layout=layout), rounds=options.rounds)
    return {row.activation: row for row in result.rows}


class PlainLSLU(nn.Module):
    """What LSLU computes as one would write it, and upstream has it: every step a pass over the map."""

    def __init__(self, num_channels: int, n: int = 3) -> None:
        super().__init__()
        self.n = n
        self.theta, self.omega = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        self.weight = nn.Parameter(0.02 * torch.randn(num_channels, 1, 2 * n + 1, 2 * n + 1))
        self.bn = nn.BatchNorm2d(num_channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.n):
            x = self.theta[i] * torch.relu(x) + self.omega[i]
        y = F.conv2d(torch.relu(x), self.weight, padding=self.n, groups=len(self.weight))
        out: Tensor = self.bn(y)
        return out


def lslu(options: argparse.Namespace) -> Iterator[Bar]:
    for maps, what, bars in (
        (LSLU_MAPS, "lslu, step over the maps of VanillaNet-5", ((8, 20), (2, 3))),
        (((256, 64, 16, 16),), "lslu, 16x16", ((2.5, 5),)),
    ):
        for layout, (first, aim) in zip(
            LAYOUTS, bars, strict=False
        ):  # the 16x16 maps have a bar in the first alone
            cases = [
                Case("plain", _lslu_steps(PlainLSLU, maps, layout)),
                Case("lslu", _lslu_steps(lambda c: create_activation("lslu", c), maps, layout)),
            ]
            times = time_cases(cases, clock=clock_for(CPU, threads=1), rounds=max(3, options.rounds // 3))
            faster = times.ratio("plain", "lslu")
            yield at_least(f"{what}, {layout}, against upstream's arithmetic", faster, first, aim, "x faster")


def _lslu_steps(
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


def data(options: argparse.Namespace) -> Iterator[Bar]:
    folder = os.environ.get("ACTBENCH_DATA_DIR")
    setting = PipelineSetting(device=CPU, rounds=max(3, options.rounds // 2))
    result = run_pipeline_bench(setting, data_dir=Path(folder) if folder else None)
    limits = {"crop, flip": (5.0, 2.5), "crop, flip, RandAugment": (30.0, 12.0)}
    for row in result.rows:
        if row.way == OURS:
            yield at_most(f"{row.pipeline}, normalise", row.us_per_image, *limits[row.pipeline], "us of CPU")
        else:
            yield Bar(f"{row.pipeline}, normalise: {row.way}", "-", "-", f"{row.over_ours} x ours")
    run = "run torchvision_loop.py lslu"
    yield Bar("the lite recipe of lslu_vanillanet_c100, end to end", "at least 3 x images per s", "6", run)


def step(options: argparse.Namespace) -> Iterator[Bar]:
    small = ("train.batch_size=32", "data.name=synthetic", "data.num_classes=100")
    recipe = load_recipe("pwlu_resnet18_c100", profile="lite", overrides=small).recipes[0]
    opened = open_recipe_data(recipe, Path("data"))
    arms = [arm for arm in recipe.arms if arm.name in ("relu", "pwlu")]
    steps = max(3, options.rounds // 3)
    result = measure_steps(recipe, arms, opened.source, None, reference="relu", steps=steps, device=CPU)
    (pwlu,) = (arm for arm in result.arms if arm.arm == "pwlu")
    yield at_most("ResNet-18, step with pwlu", pwlu.over_reference, 1.1, 1.03, "x relu")


def start(options: argparse.Namespace) -> Iterator[Bar]:
    del options
    usage, libraries = ["-m", "actbench", "--help"], ["-c", "import typer, rich, rich.console"]
    times: dict[str, list[float]] = {"usage": [], "libraries": []}
    for number in range(16):
        for name, arguments in (("usage", usage), ("libraries", libraries)):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            if number:  # the first compiles to bytecode
                times[name].append(spent)
    measured = spread(ratios(times["usage"], times["libraries"]))
    yield at_most("actbench --help", measured, 1.5, 1.2, "x typer and rich")


def gpu(options: argparse.Namespace) -> Iterator[Bar]:
    device = resolve_device(options.device)
    if device.type != "cuda":
        yield Bar("bf16 on a GPU", "80 % of a copy", "90 %", "no GPU here")
        return
    # Far more than the caches hold, as the copy's bytes per second would be the cache's else.
    setting = Setting(shape=(256, 64, 56, 56), dtype="bfloat16", device=device)
    wanted = [Wanted(name=name, options={}) for name in ("pwlu", "rational", "gr_kan")]
    for row in measure_ops(wanted, setting, rounds=options.rounds).rows[2:]:
        for way, cost in (("forward", row.forward), ("both ways", row.both)):
            share = Spread(*(100 * cost.of_copy for _ in range(3)))
            yield at_least(f"{row.activation} ({row.backend}), bf16, {way}", share, 80, 90, "% of a copy")
        both = row.both.over_silu
        yield Bar(
            f"{row.activation}, bf16, both ways",
            "-",
            "1.05 x silu",
            str(both),
            "aim" if both.median <= 1.05 else "no",
        )
    yield Bar("training on that GPU", "3 x; 20,000 images per s", "8 x; 60,000", "run gpu_bars.py")


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Bar]]] = {
    "kernels": kernels,
    "lslu": lslu,
    "data": data,
    "step": step,
    "start": start,
    "gpu": gpu,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "parts", nargs="*", default=[], metavar="PART", help=f"{', '.join(PARTS)}; all if none"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shape", default="256,64,16,16", help="of the kernels' inputs")
    parser.add_argument("--device", default="auto", help="of the part gpu")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}: {', '.join(PARTS)}")
    allocator = set_allocator("keep")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, shape {options.shape} float32, allocator: {allocator}\n", flush=True)
    rows: list[Any] = []
    for part in options.parts or PARTS:
        print(f"measuring {part}", file=sys.stderr, flush=True)
        rows += PARTS[part](options)
    headers = ["bar", "first", "aim", "measured", "reached"]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
