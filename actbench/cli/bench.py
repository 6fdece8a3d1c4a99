"""`actbench bench`: what activations, training steps and the input pipeline cost on this machine."""

import sys
from typing import Annotated

import typer

from actbench.cli.options import Json, Plugins, choice
from actbench.cli.output import run

app = typer.Typer(help="Measure what activations, steps and data cost.", no_args_is_help=True)

Threads = Annotated[
    int, typer.Option("--threads", help="of PyTorch on a CPU; with one, CPU time is measured, else wall time")
]
AllocatorOption = Annotated[
    str, typer.Option("--allocator", help="keep freed memory (as glibc is told to), or system")
]


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
    layout: Annotated[str, typer.Option("--layout", help="contiguous or channels_last")] = "contiguous",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:0, ...")] = "cpu",
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
        layout=choice("--layout", layout, ("contiguous", "channels_last")),
        device=device,
        with_compiled=compiled,
        threads=threads,
        rounds=rounds,
        allocator=choice("--allocator", allocator, ALLOCATORS),
    )
    run(lambda: bench_ops(request, _note), as_json)
