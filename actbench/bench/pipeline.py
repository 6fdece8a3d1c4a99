"""The input pipeline by itself: ours, in memory and in batches, beside torchvision's transforms in a DataLoader.

All get the same images and make batches of the same size, precision and memory format on the same device.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from actbench.bench.timing import PROCESS_CPU, WALL, Case, Clock, Spread, Times, time_cases
from actbench.bench.torchvision_data import Kind, torchvision_loader
from actbench.data.canonical import Examples, ImageSet
from actbench.data.cifar import load_cifar
from actbench.data.memory import MemorySource
from actbench.data.settings import InputSettings, RandAugmentSettings

OURS = "actbench"
KINDS: tuple[Kind, ...] = ("tensor", "PIL")
PIPELINES = {
    "crop, flip": InputSettings(crop="pad", flip=0.5),
    "crop, flip, RandAugment": InputSettings(crop="pad", flip=0.5, rand_augment=RandAugmentSettings()),
}
"""Each ends in normalisation."""
_COUNT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSetting:
    device: torch.device
    batch_size: int = 512
    batches: int = 1
    """Of each way in each round."""
    workers: int = 0
    """Processes of the DataLoader; with 0 it works in this one, as ours does."""
    channels_last: bool = True
    rounds: int = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRow:
    pipeline: str
    way: str
    us_per_image: Spread
    over_ours: Spread
    """How many times our time it takes, round by round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    data: str
    setting: PipelineSetting
    threads: int
    clock: str
    page_faults: int
    rows: tuple[PipelineRow, ...]


def bench_images(data_dir: Path | None, count: int = _COUNT) -> tuple[str, ImageSet]:
    """`count` images of CIFAR-100 below the folder, or without one random bytes of their shape; and which, in words.

    Raises DataError where the folder has no CIFAR-100.
    """
    if data_dir is not None:
        data = load_cifar("cifar100", data_dir)
        return "CIFAR-100", data._replace(train=data.train.select(np.arange(len(data.train.labels))[:count]))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    examples = Examples(images, np.arange(count) % 100)
    return "random bytes of CIFAR's shape", ImageSet(examples, examples.select(np.arange(100)), 100)


def run_pipeline_bench(
    setting: PipelineSetting,
    *,
    data_dir: Path | None = None,
    note: Callable[[str], None] = lambda _text: None,
) -> PipelineResult:
    """Every way of every pipeline once in each round; with workers, one way after the other.

    The clock is the CPU time of the process, or the wall time where worker processes or a GPU have a part in it.
    """
    name, data = bench_images(data_dir)
    clock = PROCESS_CPU if setting.workers == 0 and setting.device.type == "cpu" else WALL
    times: dict[str, Times] = {}
    for pipeline, settings in PIPELINES.items():
        note(f"measuring {pipeline}")
        streams = _streams(data, settings, setting)
        # Workers go on while another way is timed, so with them one way is timed after the other.
        groups = [{way: stream} for way, stream in streams.items()] if setting.workers else [streams]
        times[pipeline] = _joined([_timed(group, setting, clock) for group in groups])
    return PipelineResult(
        data=name,
        setting=setting,
        threads=torch.get_num_threads(),
        clock=clock.words,
        page_faults=sum(found.page_faults for found in times.values()),
        rows=tuple(row for pipeline, found in times.items() for row in _rows(pipeline, found, setting)),
    )


def _timed(
    streams: dict[str, Generator[Tensor, None, None]], setting: PipelineSetting, clock: Clock
) -> Times:
    with ExitStack() as stack:
        for stream in streams.values():
            stack.enter_context(closing(stream))
        cases = [Case(way, _taking(stream, setting)) for way, stream in streams.items()]
        return time_cases(cases, clock=clock, rounds=setting.rounds)


def _joined(parts: Sequence[Times]) -> Times:
    seconds = {way: times for part in parts for way, times in part.seconds.items()}
    return Times(seconds=seconds, page_faults=sum(part.page_faults for part in parts))


def _streams(
    data: ImageSet, settings: InputSettings, setting: PipelineSetting
) -> dict[str, Generator[Tensor, None, None]]:
    source = MemorySource("cifar100", data, settings, limit=None, val_fraction=None)
    streams = {OURS: _ours(source, setting)}
    for kind in KINDS:
        streams[f"torchvision, {kind}"] = _torchvision(data.train, source, settings, setting, kind)
    return streams


def _ours(source: MemorySource, setting: PipelineSetting) -> Generator[Tensor, None, None]:
    """Batches without end."""
    epoch = 0
    while True:
        for batch in source.train_batches(
            seed=0,
            epoch=epoch,
            batch_size=setting.batch_size,
            device=setting.device,
            channels_last=setting.channels_last,
        ):
            yield batch.images
        epoch += 1


def _torchvision(
    examples: Examples,
    source: MemorySource,
    settings: InputSettings,
    setting: PipelineSetting,
    kind: Kind,
) -> Generator[Tensor, None, None]:
    """Batches without end, on the device."""
    loader = torchvision_loader(
        examples,
        settings,
        source.normalization,
        kind=kind,
        batch_size=setting.batch_size,
        workers=setting.workers,
        pin_memory=setting.device.type == "cuda",
    )
    memory_format = torch.channels_last if setting.channels_last else torch.contiguous_format
    while True:
        for images, _ in loader:
            yield images.to(setting.device, non_blocking=True, memory_format=memory_format)


def _taking(stream: Iterator[Tensor], setting: PipelineSetting) -> Callable[[], None]:
    def take() -> None:
        for _ in range(setting.batches):
            next(stream)
        if setting.device.type == "cuda":
            torch.cuda.synchronize(setting.device)

    return take


def _rows(pipeline: str, times: Times, setting: PipelineSetting) -> Sequence[PipelineRow]:
    to_us = 1e6 / (setting.batches * setting.batch_size)
    return [
        PipelineRow(
            pipeline=pipeline,
            way=way,
            us_per_image=Spread(*(to_us * seconds for seconds in times.spread(way))),
            over_ours=times.ratio(way, OURS),
        )
        for way in times.seconds
    ]
