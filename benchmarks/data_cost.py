"""CPU cost of a training image's way from memory to the network, and its share of a training step, on one thread.

    python benchmarks/data_cost.py [--batch-size 512] [--batches 60] [--rounds 5] [--steps 40]

Reads CIFAR-100 below ACTBENCH_DATA_DIR, or takes random bytes of the same shape. CPU time is that of the
process, so that other programs do not count in it; the wall time stands beside it. Medians over rounds, with
all pipelines in every round.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tabulate import tabulate

from actbench.data.canonical import Examples, ImageSet
from actbench.data.cifar import load_cifar
from actbench.data.memory import MemorySource
from actbench.data.settings import InputSettings, RandAugmentSettings
from actbench.recipe.load import load_recipe
from actbench.training.loop import update
from actbench.training.state import start_state

TARGET_US = 5.0
"""For crop, flip and normalisation at batch 512."""
RAND_AUGMENT_TARGET_US = 30.0
"""With RandAugment."""
TARGET_SHARE = 5.0
STEP_RECIPE = "lslu_vanillanet_c100"
STEP_ARMS = ("relu", "series", "lslu")

PIPELINES = {
    "crop + flip + normalise": InputSettings(crop="pad", flip=0.5),
    "crop + flip + normalise + mixup": InputSettings(crop="pad", flip=0.5, mixup=0.2),
    "crop + flip + normalise + cutmix": InputSettings(crop="pad", flip=0.5, cutmix=1.0),
    "crop + flip + normalise + cutout": InputSettings(crop="pad", flip=0.5, cutout=8),
    "crop + flip + RandAugment + normalise": InputSettings(
        crop="pad", flip=0.5, rand_augment=RandAugmentSettings()
    ),
    "random-resized crop + flip + normalise": InputSettings(crop="random-resized", flip=0.5),
}


class Cost(NamedTuple):
    """Microseconds per image."""

    cpu_us: float
    wall_us: float


def load_images() -> tuple[str, ImageSet]:
    """CIFAR-100 where it is to be had, else random bytes of its shape, and which of the two."""
    if "ACTBENCH_DATA_DIR" in os.environ:
        return "CIFAR-100", load_cifar("cifar100", Path(os.environ["ACTBENCH_DATA_DIR"]))
    rng = np.random.default_rng(0)
    train, test = (
        Examples(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 100)
        for count in (50_000, 10_000)
    )
    return "random bytes of the shape of CIFAR-100", ImageSet(train, test, 100)


def measure(source: MemorySource, *, epoch: int, batch_size: int, batches: int, channels_last: bool) -> Cost:
    """The cost of that many batches, the first left out."""
    stream = source.train_batches(
        seed=0, epoch=epoch, batch_size=batch_size, device=torch.device("cpu"), channels_last=channels_last
    )
    next(stream)
    cpu, wall = time.process_time(), time.perf_counter()
    images = sum(len(batch.images) for batch in islice(stream, batches))
    return Cost((time.process_time() - cpu) * 1e6 / images, (time.perf_counter() - wall) * 1e6 / images)


def median_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.cpu_us for c in costs), statistics.median(c.wall_us for c in costs))


def data_table(data: ImageSet, *, batch_size: int, batches: int, rounds: int) -> str:
    """Every pipeline in both memory formats, as a text table."""
    sources = {
        name: MemorySource("cifar100", data, settings, limit=None, val_fraction=None)
        for name, settings in PIPELINES.items()
    }
    costs: dict[tuple[str, bool], list[Cost]] = {(n, c): [] for n in sources for c in (False, True)}
    for epoch in range(rounds):
        for (name, channels_last), found in costs.items():
            found.append(
                measure(
                    sources[name],
                    epoch=epoch,
                    batch_size=batch_size,
                    batches=batches,
                    channels_last=channels_last,
                )
            )
    rows = []
    for name in sources:
        contiguous, last = median_cost(costs[name, False]), median_cost(costs[name, True])
        rows.append([name, contiguous.cpu_us, contiguous.wall_us, last.cpu_us, last.wall_us])
    headers = ["us per image", "CPU", "wall", "CPU, channels-last", "wall, channels-last"]
    return tabulate(rows, headers=headers, floatfmt=".1f")


def step_table(data: ImageSet, *, rounds: int) -> str:
    """Share of data and augmentation in a step of the lite LSLU recipe, by CPU time, arms in turn."""
    recipe = load_recipe(STEP_RECIPE, profile="lite").recipes[0]
    settings, device = recipe.train, torch.device("cpu")
    source = MemorySource("cifar100", data, recipe.input, limit=None, val_fraction=None)
    states, streams = {}, {}
    for name in STEP_ARMS:
        states[name] = start_state(recipe, recipe.arm(name), seed=0, source=source, device=device)
        states[name].model.train()
        streams[name] = source.train_batches(
            seed=0,
            epoch=0,
            batch_size=settings.batch_size,
            device=device,
            channels_last=settings.channels_last,
        )
    making: dict[str, list[float]] = {name: [] for name in STEP_ARMS}
    updating: dict[str, list[float]] = {name: [] for name in STEP_ARMS}
    for _ in range(rounds):
        for name in STEP_ARMS:
            begun = time.process_time()
            batch = next(streams[name])
            ready = time.process_time()
            update(states[name], batch, settings, device)
            making[name].append(ready - begun)
            updating[name].append(time.process_time() - ready)
    rows = []
    for name in STEP_ARMS:
        shares = [100 * m / (m + u) for m, u in zip(making[name], updating[name], strict=True)]
        low, middle, high = statistics.quantiles(shares[1:], n=4)
        data_ms, step_ms = (1e3 * statistics.median(times[1:]) for times in (making[name], updating[name]))
        rows.append([name, data_ms, step_ms, middle, f"{low:.1f} to {high:.1f}"])
    headers = [f"batch of {settings.batch_size}", "data ms", "update ms", "share of data %", "quartiles"]
    return tabulate(rows, headers=headers, floatfmt=".2f")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    name, data = load_images()
    print(f"{name}, batch {options.batch_size}, one thread, torch {torch.__version__}\n")
    print(data_table(data, batch_size=options.batch_size, batches=options.batches, rounds=options.rounds))
    print(f"\nTargets: crop + flip + normalise under {TARGET_US:g} us of CPU time, ", end="")
    print(f"with RandAugment under {RAND_AUGMENT_TARGET_US:g}.\n")
    print(f"Step of {STEP_RECIPE}, profile lite, by CPU time\n")
    print(step_table(data, rounds=options.steps))
    print(f"\nTarget for series and lslu: under {TARGET_SHARE:g} % of the step.")


if __name__ == "__main__":
    main()
