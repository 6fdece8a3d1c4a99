"""A plain training loop over torchvision's transforms and a DataLoader, and actbench on the same recipe beside it.

    python benchmarks/torchvision_loop.py lslu [--device cpu] [--images 1280] [--rounds 3] [--workers 2]
    python benchmarks/torchvision_loop.py resnet18 --device cuda --amp bf16 --channels-last --batch-size 512 \\
        --images 50000 --workers 16 [train.capture=true]

`actbench bench bars loop` (on a GPU `training`) with settings of your own. The plain loop is that of
actbench/bench/plain_loop.py: what one writes today, without mistakes. The images are the same on both sides: CIFAR-100
below ACTBENCH_DATA_DIR, else random bytes of its shape. Overrides such as train.capture=true count for actbench alone.

Prints images per second of wall time, and per second of CPU time with the workers' in it, of whole epochs in turn.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from tabulate import tabulate

from actbench.bench.allocator import set_allocator
from actbench.bench.loops import (
    TASKS,
    Epoch,
    in_turn,
    our_epochs,
    task_recipe,
    times_as_many,
    times_as_many_by_cpu,
)
from actbench.bench.pipeline import bench_images
from actbench.bench.plain_loop import PlainSetting, plain_epochs
from actbench.bench.timing import spread

PLAIN = "torchvision loop"
OURS = {"actbench, contiguous": "false", "actbench, channels-last": "true"}
HEADERS = ("", "images / s", "times as many", "images / CPU s", "times as many", "last loss")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("overrides", nargs="*", help="of actbench's recipe, such as train.capture=true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=1280, help="of an epoch")
    parser.add_argument("--batch-size", type=int, default=0, help="the recipe's unless told")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--amp", choices=["none", "bf16"], default="none")
    parser.add_argument("--transforms", choices=["PIL", "tensor"], default="PIL")
    parser.add_argument("--channels-last", action="store_true", help="of the plain loop")
    return parser.parse_intermixed_args()


def main() -> None:
    options = parsed()
    allocator = set_allocator("keep")
    if options.threads:
        torch.set_num_threads(options.threads)
    folder = os.environ.get("ACTBENCH_DATA_DIR")
    name, data = bench_images(Path(folder) if folder else None, count=options.images)
    task, device = TASKS[options.task], torch.device(options.device)
    shared = [f"train.amp={options.amp}"]
    if options.batch_size:
        shared.append(f"train.batch_size={options.batch_size}")
    plain = PlainSetting(
        device=device,
        workers=options.workers,
        transforms=options.transforms,
        channels_last=options.channels_last,
    )
    recipe = task_recipe(task, rounds=options.rounds, overrides=shared)
    running = {PLAIN: plain_epochs(recipe, task.plain, data, plain)}
    for side, is_last in OURS.items():
        overrides = [*shared, f"train.channels_last={is_last}", *options.overrides]
        ours = task_recipe(task, rounds=options.rounds, overrides=overrides)
        running[side] = our_epochs(ours, ours.arm(task.arm), data, device)
    found = in_turn(running, rounds=options.rounds)
    batch = recipe.train.batch_size
    images = options.images // batch * batch
    layout = "channels-last" if options.channels_last else "contiguous"
    print(
        f"{task.recipe}, profile {task.profile}, arm {task.arm}, {images} images an epoch, batch {batch}, {name}",
        f"{options.device}, {torch.get_num_threads()} threads, {options.workers} workers, amp {options.amp}, "
        f"transforms on {options.transforms}, plain loop {layout}, torch {torch.__version__}, {allocator}",
        "",
        tabulate([cells(side, found, images) for side in found], headers=HEADERS),
        sep="\n",
    )


def cells(side: str, found: dict[str, list[Epoch]], images: int) -> list[object]:
    epochs, plain = found[side], found[PLAIN]
    cpu_s = [epoch.cpu_s for epoch in epochs if epoch.cpu_s is not None]
    by_cpu = times_as_many_by_cpu(epochs, plain)
    return [
        side,
        rate([epoch.wall_s for epoch in epochs], images),
        times_as_many(epochs, plain),
        rate(cpu_s, images) if by_cpu else None,
        by_cpu,
        f"{epochs[-1].loss:.3f}",
    ]


def rate(seconds: Sequence[float], images: int) -> str:
    median, low, high = spread([images / each for each in seconds])
    return f"{median:.0f} [{low:.0f} to {high:.0f}]"


if __name__ == "__main__":
    main()
