"""What is measured for each section of the bars: a number for each of its names, see bars.py."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from actbench.bench.activations import Dtype, Layout, Setting
from actbench.bench.bars import LAYOUTS, DeviceKind, Section
from actbench.bench.loops import (
    TASKS,
    images_per_s,
    in_turn,
    our_epochs,
    task_recipe,
    times_as_many,
    times_as_many_by_cpu,
)
from actbench.bench.operators import measure_operators
from actbench.bench.ops import OpRow, Wanted, measure_ops
from actbench.bench.packed import packed_images_per_s, packed_recipe
from actbench.bench.pipeline import OURS, PipelineSetting, bench_images, run_pipeline_bench
from actbench.bench.plain_loop import PlainSetting, plain_epochs
from actbench.bench.plain_lslu import MAPS, times_faster
from actbench.bench.recipe_data import open_recipe_data
from actbench.bench.start import usage_over_libraries
from actbench.bench.steps import measure_steps
from actbench.bench.timing import Spread, spread
from actbench.recipe.load import load_recipe

_BOTH_LAYOUTS = ("gr_kan", "dyrelu")
_KEPT = ("pwlu", "silu", "swish", "rational")
_UNITS = ("apalu", "sqish", "talu", "relu2", "swish", "prelu")
_TABLED = ("pwlu", "rational", "gr_kan")
_WAYS = {"eager": (), "captured": ("train.capture=true",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rounds: int = 15
    """Of kernels; of what takes longer a third or a fifth."""
    images_dir: Path | None = None
    """CIFAR-100 is taken from here; None for random bytes of its shape."""
    shape: tuple[int, ...] = (256, 64, 16, 16)
    gpu_shape: tuple[int, ...] = (256, 64, 56, 56)
    """Far more than the caches hold, or the copy's bytes per second would be the caches'."""
    gpu_dtype: Dtype = "bfloat16"
    lslu_maps: tuple[tuple[int, ...], ...] = MAPS
    pipeline_batch: int = 512
    step: tuple[str, ...] = ("train.batch_size=32",)
    """Overrides of the recipe, as below."""
    loop_images: int = 1280
    loop: tuple[str, ...] = ()
    training_images: int = 50_000
    training: tuple[str, ...] = ("train.batch_size=256", "train.amp=bf16")
    packed: tuple[str, ...] = ()
    workers: int = os.cpu_count() or 1
    """Of the DataLoader in training on a GPU."""

    @property
    def few(self) -> int:
        return max(2, self.rounds // 3)

    @property
    def fewest(self) -> int:
        return max(2, self.rounds // 5)


def measure(section: Section, kind: DeviceKind, extent: Extent) -> Iterator[tuple[str, Spread]]:
    """The names of the section's bars, each with what was measured. Raises ActbenchError where no kernel serves.

    All but the ratios by CPU time where the system does not tell that of other processes.
    """
    return _MEASURES[section, kind](extent)


def _kernels(extent: Extent) -> Iterator[tuple[str, Spread]]:
    names = ("pwlu", "rational", *_BOTH_LAYOUTS, *_UNITS)
    rows = {layout: _ops(extent, layout, names) for layout in LAYOUTS}
    contiguous = rows["contiguous"]
    yield "pwlu, forward", contiguous["pwlu"].forward.over_relu
    for name in ("pwlu", *_BOTH_LAYOUTS):
        for layout in LAYOUTS:
            yield f"{name}, both ways, {layout}", rows[layout][name].both.over_relu
    for name in _KEPT:
        yield f"{name}, kept for backward", spread([contiguous[name].kept_inputs])
    for name in ("rational", *_UNITS):
        yield f"{name}, both ways", contiguous[name].both.over_relu
    with _threads(2):
        two = _ops(extent, "contiguous", ("rational",))
    yield "rational, both ways, two threads", two["rational"].both.over_relu


def _ops(extent: Extent, layout: Layout, names: Sequence[str]) -> dict[str, OpRow]:
    wanted = [Wanted(name=name, options={}) for name in names]
    result = measure_ops(wanted, Setting(shape=extent.shape, layout=layout), rounds=extent.rounds)
    return {row.activation: row for row in result.rows}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _kernels_on_gpu(extent: Extent) -> Iterator[tuple[str, Spread]]:
    for layout in LAYOUTS:
        setting = Setting(shape=extent.gpu_shape, dtype=extent.gpu_dtype, layout=layout, device=extent.device)
        for row in measure_operators(_TABLED, setting, rounds=extent.rounds):
            if row.activation not in _TABLED:
                continue
            if row.way == "module":
                yield f"{row.activation}, whole module, both ways, {layout}", row.over_silu
            else:
                percent = Spread(*(100 * share for share in row.of_copy))
                yield f"{row.activation}, {row.way}, {layout}", percent


def _lslu(extent: Extent) -> Iterator[tuple[str, Spread]]:
    def told(what: str, maps: Sequence[tuple[int, ...]], layout: Layout) -> tuple[str, Spread]:
        name = f"lslu, {what}, {layout}, against upstream's arithmetic"
        return name, times_faster(maps, layout, rounds=extent.few)

    for layout in LAYOUTS:
        yield told("step over the maps of VanillaNet-5", extent.lslu_maps, layout)
    yield told("16x16", [extent.shape], "contiguous")


def _data(extent: Extent) -> Iterator[tuple[str, Spread]]:
    setting = PipelineSetting(
        device=extent.device, batch_size=extent.pipeline_batch, rounds=max(2, extent.rounds // 2)
    )
    for row in run_pipeline_bench(setting, data_dir=extent.images_dir).rows:
        name = f"{row.pipeline}, normalise"
        if row.way == OURS:
            yield name, row.us_per_image
        else:
            yield f"{name}: {row.way}", row.over_ours


def _step(extent: Extent) -> Iterator[tuple[str, Spread]]:
    generated = ("data.name=synthetic", "data.num_classes=100")
    overrides = [*generated, *extent.step]
    recipe = load_recipe("pwlu_resnet18_c100", profile="lite", overrides=overrides).recipes[0]
    source = open_recipe_data(recipe, Path("data")).source
    arms = [recipe.arm("relu"), recipe.arm("pwlu")]
    steps = max(2, 2 * extent.rounds // 3)
    result = measure_steps(recipe, arms, source, None, reference="relu", steps=steps, device=extent.device)
    (pwlu,) = (arm for arm in result.arms if arm.arm == "pwlu")
    yield "ResNet-18, step with pwlu", pwlu.over_reference


def _start(extent: Extent) -> Iterator[tuple[str, Spread]]:
    yield "actbench --help", usage_over_libraries(extent.rounds)


def _loop(extent: Extent) -> Iterator[tuple[str, Spread]]:
    task, theirs = TASKS["lslu"], "theirs"
    _, data = bench_images(extent.images_dir, count=extent.loop_images)
    recipes = {
        layout: task_recipe(
            task,
            rounds=extent.fewest,
            overrides=[f"train.channels_last={str(layout == 'channels_last').lower()}", *extent.loop],
        )
        for layout in LAYOUTS
    }
    plain = PlainSetting(device=extent.device, workers=1)
    running = {theirs: plain_epochs(recipes["contiguous"], task.plain, data, plain)}
    for layout, recipe in recipes.items():
        running[layout] = our_epochs(recipe, recipe.arm(task.arm), data, extent.device)
    found = in_turn(running, rounds=extent.fewest)
    for layout in LAYOUTS:
        name = f"lite recipe of lslu_vanillanet_c100 end to end, {layout}"
        if by_cpu := times_as_many_by_cpu(found[layout], found[theirs]):
            yield name, by_cpu
        yield f"{name}, by the wall clock", times_as_many(found[layout], found[theirs])


def _training(extent: Extent) -> Iterator[tuple[str, Spread]]:
    task, theirs, device = TASKS["resnet18"], "theirs", extent.device
    _, data = bench_images(extent.images_dir, count=extent.training_images)
    recipes = {
        way: task_recipe(task, rounds=extent.fewest, overrides=[*extent.training, *overrides])
        for way, overrides in _WAYS.items()
    }
    plain = PlainSetting(device=device, workers=extent.workers, channels_last=True)
    running = {theirs: plain_epochs(recipes["eager"], task.plain, data, plain)}
    for way, recipe in recipes.items():
        running[way] = our_epochs(recipe, recipe.arm(task.arm), data, device)
    found = in_turn(running, rounds=extent.fewest)
    batch = recipes["eager"].train.batch_size
    yield (
        "ResNet-18 in a DataLoader loop",
        images_per_s(found[theirs], extent.training_images // batch * batch),
    )
    for way in _WAYS:
        yield f"ResNet-18 on CIFAR-100, {way}", times_as_many(found[way], found[theirs])
    for runs, way in ((4, "captured"), (6, "captured"), (8, "captured"), (8, "eager")):
        recipe = packed_recipe(epochs=extent.fewest, overrides=[*extent.packed, *_WAYS[way]])
        rate = packed_images_per_s(recipe, device, runs=runs, epochs=extent.fewest)
        yield f"ResNet-20, {runs} runs at a time, {way}", spread([rate])


_MEASURES: Mapping[tuple[Section, DeviceKind], Callable[[Extent], Iterator[tuple[str, Spread]]]] = {
    ("kernels", "cpu"): _kernels,
    ("lslu", "cpu"): _lslu,
    ("data", "cpu"): _data,
    ("step", "cpu"): _step,
    ("start", "cpu"): _start,
    ("loop", "cpu"): _loop,
    ("kernels", "cuda"): _kernels_on_gpu,
    ("training", "cuda"): _training,
}
