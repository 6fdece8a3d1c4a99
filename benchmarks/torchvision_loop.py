"""A plain training loop over torchvision's transforms and a DataLoader, and actbench on the same recipe beside it.

    python benchmarks/torchvision_loop.py lslu [--device cpu] [--images 1280] [--rounds 3] [--workers 2]
    python benchmarks/torchvision_loop.py resnet18 --device cuda --amp bf16 --channels-last --batch-size 512 \\
        --images 50000 --workers 16 [train.capture=true]

The plain loop is what one writes today, without mistakes: v2 transforms on PIL pictures (or tensors) in worker
processes that stay, pinned memory, autocast, fused or foreach optimisers, no look at the loss before the epoch ends.
Its networks are ours with plain modules in them: `lslu` computes the activation step by step as the paper's code
does. Recipe, batch size, precision, mixing, optimiser and average of the weights are the same on both sides; so are
the images: CIFAR-100 below ACTBENCH_DATA_DIR, else random bytes of its shape. Overrides such as train.capture=true
count for actbench alone.

Prints images per second of wall time, and per second of CPU time with the workers' in it, of whole epochs in turn.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.transforms import v2

from actbench.bench.allocator import set_allocator
from actbench.bench.pipeline import bench_images
from actbench.bench.timing import ratios, spread
from actbench.bench.torchvision_data import torchvision_loader
from actbench.data.canonical import ImageSet
from actbench.data.memory import MemorySource
from actbench.models.create import create_model
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe
from actbench.training.loop import train_epochs
from actbench.training.state import start_state

PLAIN = "torchvision loop"


class PlainLSLU(nn.Module):
    """LSLU as the paper's code computes it: n ReLUs, each scaled and shifted, one more, the convolution, BN."""

    def __init__(self, num_channels: int, n: int = 3) -> None:
        super().__init__()
        self.n = n
        # One entry per channel is stored, of which the first n are used.
        self.alphas, self.biases = (
            nn.Parameter(torch.ones(num_channels)),
            nn.Parameter(torch.zeros(num_channels)),
        )
        self.weight = nn.Parameter(torch.empty(num_channels, 1, 2 * n + 1, 2 * n + 1))
        nn.init.trunc_normal_(self.weight, std=0.02)
        self.bn = nn.BatchNorm2d(num_channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.n):
            x = self.alphas[i] * F.relu(x) + self.biases[i]
        y: Tensor = self.bn(F.conv2d(F.relu(x), self.weight, padding=self.n, groups=len(self.alphas)))
        return y


class Task(NamedTuple):
    """A recipe and one arm of it, and the arm's activation as a plain module."""

    recipe: str
    profile: Any
    arm: str
    plain: Callable[[int], nn.Module]


TASKS = {
    "lslu": Task("lslu_vanillanet_c100", "lite", "lslu", PlainLSLU),
    "resnet18": Task("pwlu_resnet18_c100", "paper", "relu", lambda _channels: nn.ReLU()),
}


def plain_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    settings = recipe.train
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    assert settings.optimizer == "sgd"
    return torch.optim.SGD(
        groups,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )


def plain_epochs(task: Task, recipe: Recipe, data: ImageSet, options: argparse.Namespace) -> Iterator[float]:
    """Trains for ever; gives each epoch's mean loss, for which alone it waits."""
    device, settings = torch.device(options.device), recipe.train
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    torch.manual_seed(0)
    model = create_model(recipe.model, num_classes=100, in_channels=3, act=task.plain)
    model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
    optimizer = plain_optimizer(model, recipe)
    averaging = get_ema_multi_avg_fn(0.99)  # type: ignore[no-untyped-call]
    average = AveragedModel(model, multi_avg_fn=averaging) if settings.ema else None
    mixup = v2.MixUp(alpha=recipe.input.mixup, num_classes=100) if recipe.input.mixup else None
    source = MemorySource("cifar100", data, recipe.input, limit=None, val_fraction=None)
    loader = torchvision_loader(
        data.train,
        recipe.input,
        source.normalization,
        kind=options.transforms,
        batch_size=settings.batch_size,
        workers=options.workers,
        pin_memory=device.type == "cuda",
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * len(loader))
    while True:
        model.train()
        total = torch.zeros((), device=device)
        for images, targets in loader:
            images = images.to(device, non_blocking=True, memory_format=layout)
            targets = targets.to(device, non_blocking=True)
            if mixup:
                images, targets = mixup(images, targets)
            with torch.autocast(device.type, torch.bfloat16, enabled=settings.amp == "bf16"):
                logits = model(images)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=settings.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if average:
                average.update_parameters(model)
            total += loss.detach()
        yield total.item() / len(loader)


def our_epochs(task: Task, recipe: Recipe, data: ImageSet, options: argparse.Namespace) -> Iterator[float]:
    """actbench's own loop, seed 0."""
    device, arm = torch.device(options.device), recipe.arm(task.arm)
    source = MemorySource("cifar100", data, recipe.input, limit=None, val_fraction=None)
    state = start_state(recipe, arm, seed=0, source=source, device=device)
    for record in train_epochs(state, recipe, arm, seed=0, source=source, device=device):
        yield record.train_loss


class Rate(NamedTuple):
    """Seconds of an epoch; CPU time None where the system does not tell that of other processes."""

    wall_s: float
    cpu_s: float | None
    loss: float


def timed(epochs: Iterator[float]) -> Rate:
    cpu, wall = cpu_seconds(), time.perf_counter()
    loss = next(epochs)
    wall = time.perf_counter() - wall
    after = cpu_seconds()
    return Rate(wall, after - cpu if cpu is not None and after is not None else None, loss)


def cpu_seconds() -> float | None:
    """Of this process and its workers."""
    total = time.process_time()
    try:
        for child in multiprocessing.active_children():
            fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None
    return total


def recipes(task: Task, options: argparse.Namespace) -> dict[str, Recipe]:
    """Ours in both memory formats; the plain loop takes the first and has its own format."""
    shared = ["evaluation.every=10000", f"train.epochs={options.rounds + 2}", f"train.amp={options.amp}"]
    if options.batch_size:
        shared.append(f"train.batch_size={options.batch_size}")
    found = {}
    for name, is_last in (("actbench, contiguous", "false"), ("actbench, channels-last", "true")):
        overrides = [*shared, f"train.channels_last={is_last}", *options.overrides]
        loaded = load_recipe(task.recipe, profile=task.profile, arms=[task.arm], overrides=overrides)
        found[name] = loaded.recipes[0]
    return found


def rates_table(sides: dict[str, list[Rate]], images: int) -> str:
    rows = []
    plain = sides[PLAIN]
    for name, rates in sides.items():
        row: list[object] = [name, rate_of([r.wall_s for r in rates], images)]
        row.append(spread(ratios([r.wall_s for r in plain], [r.wall_s for r in rates])))
        cpu, plain_cpu = ([r.cpu_s for r in side if r.cpu_s is not None] for side in (rates, plain))
        if len(cpu) == len(rates):
            row += [rate_of(cpu, images), spread(ratios(plain_cpu, cpu))]
        rows.append([*row, f"{rates[-1].loss:.3f}"] if len(row) == 5 else [*row, None, None, rates[-1].loss])
    headers = ["", "images / s", "times as many", "images / CPU s", "times as many", "last loss"]
    return tabulate(rows, headers=headers)


def rate_of(seconds: list[float], images: int) -> str:
    low, middle, high = (images / value for value in (lambda s: (s.high, s.median, s.low))(spread(seconds)))
    return f"{middle:.0f} [{low:.0f} to {high:.0f}]"


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
    return parser.parse_args()


def main() -> None:
    options = parsed()
    allocator = set_allocator("keep")
    if options.threads:
        torch.set_num_threads(options.threads)
    folder = os.environ.get("ACTBENCH_DATA_DIR")
    name, data = bench_images(Path(folder) if folder else None, count=options.images)
    task = TASKS[options.task]
    ours = recipes(task, options)
    running = {PLAIN: plain_epochs(task, next(iter(ours.values())), data, options)}
    running |= {side: our_epochs(task, recipe, data, options) for side, recipe in ours.items()}
    sides: dict[str, list[Rate]] = {side: [] for side in running}
    for number in range(options.rounds + 1):
        for side, epochs in running.items():
            rate = timed(epochs)
            if number:  # the first builds, allocates, and starts workers
                sides[side].append(rate)
    batch = next(iter(ours.values())).train.batch_size
    images = options.images // batch * batch
    print(
        f"{task.recipe}, profile {task.profile}, arm {task.arm}, {images} images an epoch, batch {batch}, {name}"
    )
    print(
        f"{options.device}, {torch.get_num_threads()} threads, {options.workers} workers, amp {options.amp}, ",
        end="",
    )
    print(f"transforms on {options.transforms}, plain loop ", end="")
    print(
        f"{'channels-last' if options.channels_last else 'contiguous'}, torch {torch.__version__}, {allocator}\n"
    )
    print(rates_table(sides, images))


if __name__ == "__main__":
    main()
