"""`actbench bench`: what activations, training steps and the input pipeline cost on this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.options import (
    RECIPES,
    Arms,
    DataDir,
    Device,
    Json,
    Limit,
    Plugins,
    Profile,
    choice,
    known_profile,
    load_plugins,
    split_arguments,
)
from actbench.cli.output import run
from actbench.errors import ActbenchError

app = typer.Typer(help="Measure what activations, steps and data cost.", no_args_is_help=True)

Threads = Annotated[
    int, typer.Option("--threads", help="of PyTorch on a CPU; with one, CPU time is measured, else wall time")
]
AllocatorOption = Annotated[
    str, typer.Option("--allocator", help="keep freed memory (as glibc is told to), or system")
]
Layout = Annotated[str, typer.Option("--layout", help="contiguous or channels_last")]
_LAYOUTS = ("contiguous", "channels_last")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@app.command()
def ops(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACTIVATION",
            help="names, or all; behind a single name its options, such as n=5  [default: a dozen and more]",
        ),
    ] = None,
    shape: Annotated[str, typer.Option("--shape", help="of the output: N,C,H,W")] = "256,64,16,16",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16")] = "float32",
    layout: Layout = "contiguous",
    device: Device = "cpu",
    compiled: Annotated[
        bool, typer.Option("--compile", help="each compiled by torch.compile too, beside as it is")
    ] = False,
    threads: Threads = 1,
    rounds: Annotated[int, typer.Option("--rounds", help="each measures everything once")] = 15,
    allocator: AllocatorOption = "keep",
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Measure activations by themselves, beside ReLU and SiLU.

    Time of forward and of both ways, as ratios within each round; achieved bytes per second against a copy of the same
    tensors; bytes kept for backward; peak memory; the declared operations, which PyTorch's counter takes for none.
    """
    from actbench.bench.allocator import ALLOCATORS
    from actbench.commands.bench.ops import OpsRequest, bench_ops

    request = OpsRequest(
        words=tuple(words or ()),
        plugins=tuple(plugin or ()),
        shape=shape,
        dtype=choice("--dtype", dtype, ("float32", "bfloat16", "float16")),
        layout=choice("--layout", layout, _LAYOUTS),
        device=device,
        with_compiled=compiled,
        threads=threads,
        rounds=rounds,
        allocator=choice("--allocator", allocator, ALLOCATORS),
    )
    run(lambda: bench_ops(request, _note), as_json)


@app.command()
def model(
    arguments: Annotated[list[str], typer.Argument(metavar="RECIPE", help=RECIPES)],
    profile: Profile = None,
    arm: Arms = None,
    device: Device = "cpu",
    threads: Threads = 1,
    steps: Annotated[int, typer.Option("--steps", help="of every arm; two more warm up")] = 10,
    limit: Limit = None,
    data_dir: DataDir = Path("data"),
    allocator: AllocatorOption = "keep",
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Measure a recipe's training step, arm beside arm.

    Step time, its ratio to relu's in the same round, images per second, the shares of data, augmentation, forward,
    backward and optimiser, what computed the activations. On generated images where the recipe's own are not at hand.
    """
    from actbench.bench.allocator import ALLOCATORS
    from actbench.commands.bench.model import ModelRequest, bench_model

    load_plugins(plugin)
    references, overrides = split_arguments(arguments)
    if len(references) > 1:
        raise ActbenchError(
            "bench model takes one recipe", where="command line", hints=[" ".join(references)]
        )
    request = ModelRequest(
        reference=references[0],
        overrides=overrides,
        profile=known_profile(profile),
        arms=tuple(arm or ()),
        device=device,
        threads=threads,
        steps=steps,
        limit=limit,
        data_dir=data_dir,
        allocator=choice("--allocator", allocator, ALLOCATORS),
    )
    run(lambda: bench_model(request, _note), as_json)


@app.command()
def pipeline(
    batch_size: Annotated[int, typer.Option("--batch-size", help="images")] = 512,
    workers: Annotated[
        int,
        typer.Option("--workers", help="processes of torchvision's DataLoader; with 0 it works in this one"),
    ] = 0,
    layout: Layout = "contiguous",
    device: Device = "cpu",
    threads: Threads = 1,
    rounds: Annotated[int, typer.Option("--rounds", help="each measures every pipeline once")] = 9,
    data_dir: DataDir = Path("data"),
    allocator: AllocatorOption = "keep",
    as_json: Json = False,
) -> None:
    """Measure the input pipeline beside torchvision's.

    Microseconds per CIFAR image of ours, in memory and in batches, and of torchvision's transforms on PIL images and on
    tensors in a DataLoader: the same images, cores and precision. On random bytes where CIFAR-100 is not at hand.
    """
    from actbench.bench.allocator import ALLOCATORS
    from actbench.commands.bench.pipeline import PipelineRequest, bench_pipeline

    request = PipelineRequest(
        device=device,
        batch_size=batch_size,
        workers=workers,
        channels_last=choice("--layout", layout, _LAYOUTS) == "channels_last",
        threads=threads,
        rounds=rounds,
        data_dir=data_dir,
        allocator=choice("--allocator", allocator, ALLOCATORS),
    )
    run(lambda: bench_pipeline(request, _note), as_json)


@app.command()
def bars(
    sections: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SECTION",
            help="on a CPU kernels, lslu, data, step, start, loop; on a GPU kernels, training  [default: all]",
        ),
    ] = None,
    device: Device = "cpu",
    rounds: Annotated[
        int, typer.Option("--rounds", help="of kernels; a third or a fifth of what takes longer")
    ] = 15,
    data_dir: DataDir = Path("data"),
    check: Annotated[bool, typer.Option("--check", help="exit 4 if a first bar is missed")] = False,
    as_json: Json = False,
) -> None:
    """Measure what the project promises of its speed.

    A table: bar, first height, aim, what this machine measures with its quartiles, and which of the two that reaches.
    Beside PyTorch's own activations, upstream's arithmetic, torchvision's transforms and a DataLoader loop.
    """
    from actbench.commands.bench.bars import BarsRequest, bench_bars

    request = BarsRequest(
        sections=tuple(sections or ()), device=device, rounds=rounds, data_dir=data_dir, check=check
    )
    run(lambda: bench_bars(request, _note), as_json)
