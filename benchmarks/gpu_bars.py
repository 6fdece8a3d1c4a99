"""What a GPU trains per second: ResNet-18 in one process, ResNet-20 in several that share the card.

    python benchmarks/gpu_bars.py --out bars.json

Needs a CUDA device and PyTorch, no data set and no network: the images are generated, 50,000 of CIFAR's shape, held in
memory and augmented as a recipe does (crop, flip). Everything is trained by the program's own loop, bf16, channels
last, without evaluation; a rate is images over the wall time of whole epochs, batches included, after one to warm up.

Ways          eager; captured (`train.capture`); compiled (`train.compile`); both
DataLoader    what people write: a worker for each core, torchvision's transforms on PIL images, `loss.item()` at every
              step; the same network, precision and layout
N at a time   N processes train ResNet-20 and begin their timed epochs together; the rate is that of all together

A part that would begin after `--budget` seconds is left out and said so. `--tiny` runs all but compiling on a CPU,
to see that it runs; its numbers say nothing.
"""

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actbench.data.source import DataSource
from actbench.recipe.schema import Recipe
from actbench.training.loop import train_epochs
from actbench.training.precision import autocast
from actbench.training.sources import DataSources
from actbench.training.state import start_state

CPU = torch.device("cpu")
WAYS: dict[str, dict[str, bool]] = {
    "eager": {},
    "captured": {"capture": True},
    "compiled": {"compile": True},
    "compiled and captured": {"compile": True, "capture": True},
}
PATIENCE_S = 90


class Size(NamedTuple):
    """How much is trained."""

    images: int
    batch: int
    width: int
    """Of ResNet-18."""
    packed_images: int
    packed_batch: int
    processes: tuple[int, ...]
    epochs: int
    """Timed, after the one to warm up."""


WHOLE = Size(50_000, 256, 64, 12_800, 128, (4, 6, 8), 2)
TINY = Size(64, 16, 8, 64, 16, (2,), 1)


def recipe_of(
    model: dict[str, Any], *, images: int, batch: int, epochs: int, way: str, device: str
) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "bars",
            "profile": "smoke",
            "data": {"name": "synthetic", "num_classes": 100, "size": 32, "train": images, "test": 256},
            "input": {"size": 32, "crop": "pad", "padding": 4, "flip": 0.5},
            "model": model,
            "arms": [{"name": "relu", "activation": "relu"}],
            "train": {
                # One more than is timed: only an epoch that is the recipe's last is evaluated.
                "epochs": epochs + 2,
                "batch_size": batch,
                "lr": 0.1,
                "weight_decay": 5e-4,
                "nesterov": True,
                "amp": "bf16" if device == "cuda" else "none",
                "channels_last": True,
                **WAYS[way],
            },
            "evaluation": {"protocol": "best-test", "every": 10_000},
            "seeds": [0],
        }
    )


def resnet18(size: Size, way: str, device: str) -> Recipe:
    model = {"name": "resnet", "depth": 18, "stem": "cifar", "width": size.width}
    return recipe_of(model, images=size.images, batch=size.batch, epochs=size.epochs, way=way, device=device)


def resnet20(size: Size, way: str, device: str) -> Recipe:
    model = {"name": "resnet_cifar", "depth": 8 if size is TINY else 20}
    return recipe_of(
        model, images=size.packed_images, batch=size.packed_batch, epochs=size.epochs, way=way, device=device
    )


def opened(recipe: Recipe) -> DataSource:
    source = DataSources(Path("none")).of(recipe)
    assert isinstance(source, DataSource)
    return source


def warmed(recipe: Recipe, source: DataSource, *, seed: int, device: torch.device) -> Iterator[object]:
    """The run's epochs, the first of them done."""
    arm = recipe.arms[0]
    state = start_state(recipe, arm, seed=seed, source=source, device=device)
    epochs = train_epochs(state, recipe, arm, seed=seed, source=source, device=device)
    next(epochs)
    return epochs


def timed(epochs: Iterator[object], count: int) -> float:
    """Wall seconds of the next epochs; each ends with its losses read, so the device is done."""
    begun = time.perf_counter()
    for _ in range(count):
        next(epochs)
    return time.perf_counter() - begun


def trained_images(recipe: Recipe, source: DataSource) -> int:
    return source.steps_per_epoch(recipe.train.batch_size) * min(recipe.train.batch_size, source.num_train)


def alone(size: Size, way: str, device: torch.device, source: DataSource) -> dict[str, float]:
    recipe = resnet18(size, way, device.type)
    begun = time.perf_counter()
    epochs = warmed(recipe, source, seed=0, device=device)
    ready = time.perf_counter() - begun
    seconds = timed(epochs, size.epochs)
    rate = size.epochs * trained_images(recipe, source) / seconds
    return {"images_per_s": round(rate, 1), "first_epoch_s": round(ready, 2)}


class Pictures(Dataset[tuple[Tensor, int]]):
    """Generated images as PIL has them, cropped and flipped one by one."""

    def __init__(self, count: int) -> None:
        from torchvision.transforms import v2

        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self.transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        image: Tensor = self.transform(Image.fromarray(self.images[place]))
        return image, place % 100


def data_loader(size: Size, device: torch.device, source: DataSource) -> dict[str, float]:
    recipe = resnet18(size, "eager", device.type)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=device)
    settings = recipe.train
    sgd = torch.optim.SGD(
        state.model.parameters(), lr=settings.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    workers = 0 if size is TINY else os.cpu_count() or 1
    loader = DataLoader(
        Pictures(size.images),
        batch_size=size.batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )

    def epoch() -> None:
        total = 0.0
        for images, targets in loader:
            images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
            targets = targets.to(device, non_blocking=True)
            sgd.zero_grad()
            with autocast(device, settings.amp):
                loss = F.cross_entropy(state.model(images), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            sgd.step()
            total += loss.item()

    begun = time.perf_counter()
    epoch()
    ready = time.perf_counter()
    for _ in range(size.epochs):
        epoch()
    rate = size.epochs * len(loader) * size.batch / (time.perf_counter() - ready)
    return {"images_per_s": round(rate, 1), "first_epoch_s": round(ready - begun, 2), "workers": workers}


def _member(
    size: Size, way: str, device_type: str, seed: int, threads: int, start: Barrier, results: Any
) -> None:
    """One of the processes that share the card."""
    torch.set_num_threads(threads)
    recipe = resnet20(size, way, device_type)
    source = opened(recipe)
    epochs = warmed(recipe, source, seed=seed, device=torch.device(device_type))
    start.wait(PATIENCE_S)
    begun = time.time()
    timed(epochs, size.epochs)
    results.put((begun, time.time(), size.epochs * trained_images(recipe, source)))


def packed(size: Size, way: str, device: torch.device, count: int) -> dict[str, float]:
    """All images over the time from the first process's start to the last one's end."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(count), context.Queue()
    threads = max(1, torch.get_num_threads() // count)
    members = [
        context.Process(target=_member, args=(size, way, device.type, seed, threads, start, results))
        for seed in range(count)
    ]
    launched = time.perf_counter()
    for member in members:
        member.start()
    try:
        found = [results.get(timeout=PATIENCE_S) for _ in members]
    finally:
        for member in members:
            member.join(10)
            member.kill()
    begun, ended = min(one[0] for one in found), max(one[1] for one in found)
    rate = sum(one[2] for one in found) / (ended - begun)
    return {"images_per_s": round(rate, 1), "in_all_s": round(time.perf_counter() - launched, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    parser.add_argument("--budget", type=float, default=160, help="seconds after which no part is begun")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, in seconds")
    asked = parser.parse_args()
    size, device = (TINY, CPU) if asked.tiny else (WHOLE, torch.device("cuda"))
    begun = time.perf_counter()
    rates: dict[str, dict[str, float] | str] = {}
    hardware = platform.processor() if asked.tiny else torch.cuda.get_device_name()
    result = {"hardware": hardware, "torch": torch.__version__, "size": size._asdict(), "rates": rates}

    def take(name: str, measure: Any, *arguments: object) -> None:
        spent = time.perf_counter() - begun
        try:
            rates[name] = (
                measure(*arguments) if spent < asked.budget else f"left out: {spent:.0f} s are spent"
            )
        except Exception as error:  # the other parts still have something to say
            rates[name] = f"failed: {type(error).__name__}: {error}"
        print(f"{time.perf_counter() - begun:6.1f} s  {name}: {rates[name]}", flush=True)
        if asked.out:
            asked.out.write_text(json.dumps(result, indent=1) + "\n")

    source = opened(resnet18(size, "eager", device.type))
    print(f"{time.perf_counter() - begun:6.1f} s  {size.images} images are made", flush=True)
    for way in ("eager", "captured"):
        take(f"ResNet-18, {way}", alone, size, way, device, source)
    take("ResNet-18, DataLoader of torchvision", data_loader, size, device, source)
    for count in size.processes:
        take(f"ResNet-20, {count} at a time, captured", packed, size, "captured", device, count)
    take(f"ResNet-20, {count} at a time, eager", packed, size, "eager", device, count)
    for way in () if asked.tiny else ("compiled", "compiled and captured"):
        take(f"ResNet-18, {way}", alone, size, way, device, source)


if __name__ == "__main__":
    main()
