"""CPU cost of `actbench compare` over many stored runs, on the first call and on later ones.

    python benchmarks/compare_speed.py [--recipes 1] [--arms 100] [--seeds 100] [--calls 5] [--folder DIR]

Makes recipes and records of runs that never were, with curves, epochs and bits of 10,000 test examples as real ones
have them, then runs the program on them in processes of their own and prints their CPU seconds: the call that finds
no index, and the least and the median of the later ones. With --folder the records are kept, and found there again.

On a machine that others use too, a second of CPU is worth more or less from minute to minute. So a fixed loop runs
before each call, and the last line has the calls in units of it, times its least: the cost at the machine's own pace.
"""

import argparse
import base64
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

from actbench.recipe.hashing import footing_hash, run_hash
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Arm, Recipe
from actbench.record import (
    Cost,
    DataFacts,
    EpochRecord,
    Provenance,
    RunRecord,
    SiteLog,
    Tally,
    TestResult,
)

TEST_EXAMPLES = 10_000
EPOCHS = 8
SITES = ("stem.act", "stages.0.act", "stages.1.act", "stages.2.act")


class Shape(NamedTuple):
    recipes: int
    arms: int
    seeds: int

    @property
    def records(self) -> int:
        return self.recipes * self.arms * self.seeds


def make_results(folder: Path, shape: Shape) -> list[str]:
    """Writes `recipes/` and `results/` below the folder; the names of the recipes."""
    names = [f"made_{number:03d}" for number in range(shape.recipes)]
    for number, name in enumerate(names):
        path = folder / "recipes" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(_recipe(name, shape, lr=0.05 + 0.001 * number), sort_keys=False))
        (recipe,) = load_recipe(path, profile="lite").recipes
        _write_runs(recipe, folder / "results" / name / "lite")
    return names


def _recipe(name: str, shape: Shape, *, lr: float) -> dict[str, object]:
    slopes = [
        {
            "name": f"leaky_{number:03d}",
            "activation": "leaky_relu",
            "options": {"negative_slope": number / 1000},
        }
        for number in range(1, shape.arms - 1)
    ]
    return {
        "name": name,
        "data": {"name": "cifar10"},
        "model": {"name": "vanillanet", "width": 0.125, "stem_stride": 4, "decay_epochs": 5},
        "arms": [
            {"name": "relu", "activation": "relu"},
            {"name": "swish", "activation": "swish"},
            *slopes,
        ],
        "train": {"epochs": EPOCHS, "lr": lr},
        "seeds": f"0..{shape.seeds - 1}",
        "profiles": {"paper": {}, "lite": {}, "smoke": {}},
    }


def _write_runs(recipe: Recipe, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(recipe.name)
    footing = footing_hash(recipe, "fingerprint")
    history = tuple(_epoch(number, draw) for number in range(EPOCHS))
    for arm in recipe.arms:
        first = _record(recipe, arm, footing, history)
        for seed in recipe.seeds:
            run = run_hash(footing, arm, seed)
            record = first.model_copy(update={"seed": seed, "run": run, **_own(first, draw)})
            (folder / f"{arm.name}-seed{seed}-{run[:8]}.json").write_text(
                record.model_dump_json(indent=1) + "\n"
            )


def _own(first: RunRecord, draw: random.Random) -> dict[str, object]:
    """What no other run has: answers at the last and at the best weights, and times."""
    results = []
    for epoch in (EPOCHS - 1, EPOCHS - 2):
        bits = draw.getrandbits(TEST_EXAMPLES) | draw.getrandbits(TEST_EXAMPLES)
        tally = Tally(
            correct=bits.bit_count(), total=TEST_EXAMPLES, loss_sum=round(10_000 * draw.random(), 9)
        )
        results.append(
            TestResult(
                which="last" if epoch == EPOCHS - 1 else "best_val",
                weights="raw",
                epoch=epoch,
                tally=tally,
                correct_bits=base64.b64encode(bits.to_bytes(TEST_EXAMPLES // 8)).decode(),
            )
        )
    times = {"step_time_s": draw.random(), "step_cpu_s": draw.random(), "images_per_s": 1000 * draw.random()}
    made = {
        "started": f"2026-11-22T08:{draw.randrange(60):02d}:{draw.randrange(60):02d}+00:00",
        "wall_time_s": round(1000 * draw.random(), 3),
    }
    assert first.cost is not None
    return {
        "results": tuple(results),
        "cost": first.cost.model_copy(update=times),
        "provenance": first.provenance.model_copy(update=made),
    }


def _epoch(number: int, draw: random.Random) -> EpochRecord:
    values = {
        "theta": [draw.random() for _ in range(3)],
        "omega": [draw.random() for _ in range(3)],
        **{name: [draw.random()] for name in ("t0", "t1", "p", "q")},
    }
    return EpochRecord(
        epoch=number,
        lr=draw.random(),
        train_loss=draw.random(),
        val=Tally(correct=3500, total=5000, loss_sum=5000 * draw.random()),
        time_s=40 * draw.random(),
        step_time_s=draw.random(),
        step_cpu_s=draw.random(),
        data_time_s=draw.random(),
        activations=tuple(SiteLog(site=site, values=values) for site in SITES),
    )


def _record(recipe: Recipe, arm: Arm, footing: str, history: tuple[EpochRecord, ...]) -> RunRecord:
    return RunRecord(
        status="completed",
        recipe=recipe,
        arm=arm,
        seed=0,
        footing=footing,
        run="",
        data=DataFacts(
            fingerprint="fingerprint",
            train=45_000,
            val=5_000,
            test=TEST_EXAMPLES,
            num_classes=10,
            synthetic=False,
        ),
        history=history,
        cost=Cost(
            parameters=380_216,
            activation_parameters=48_984,
            macs=3_255_568,
            pointwise_ops=30_720,
            kept_bytes=391_400,
            activation_kept_bytes=131_072,
            activation_kept_output_bytes=65_536,
            activation_elements=16_384,
            step_time_s=0.139,
            step_cpu_s=0.119,
            images_per_s=915.12,
            peak_memory_bytes=None,
        ),
        provenance=Provenance(
            actbench="0.1.0",
            commit="0" * 40,
            dirty=False,
            python="3.11.7",
            torch="2.14.1",
            packages={"numpy": "2.4.6", "timm": "1.0.31", "torchvision": "0.29.2", "pydantic": "2.14.3"},
            device="cpu",
            hardware="a processor, 2 cores",
            threads=1,
            allocator="system default",
            command=f"actbench train {recipe.name}",
            started="2026-11-22T08:32:08+00:00",
            wall_time_s=921.357,
        ),
    )


def cpu_s(folder: Path, *arguments: str) -> float:
    """CPU seconds, the system's included, of the program in that folder with the cache that lies there."""
    return _cpu_s(folder, "-m", "actbench", *arguments)


def loop_s(folder: Path) -> float:
    """The same of a fixed loop."""
    return _cpu_s(folder, "-c", "x = 0\nfor i in range(3_000_000): x += i")


def _cpu_s(folder: Path, *words: str) -> float:
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**settings, "ACTBENCH_CACHE_DIR": str(folder / "cache")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def _kept_or_temporary(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipes", type=int, default=1)
    parser.add_argument("--arms", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    shape = Shape(arguments.recipes, arguments.arms, arguments.seeds)
    with _kept_or_temporary(arguments.folder) as folder:
        if (folder / "results").exists():
            names = sorted(path.stem for path in (folder / "recipes").glob("*.yaml"))
        else:
            names = make_results(folder, shape)
        files = list((folder / "results").rglob("*.json"))
        mean_kb = sum(path.stat().st_size for path in files) / len(files) / 1000
        for index in (folder / "cache").rglob("*.*"):
            index.unlink()
        loops, calls = [], []
        for _ in range(1 + arguments.calls):
            loops.append(loop_s(folder))
            calls.append(cpu_s(folder, "compare", *names))
    (first, *later), pace = calls, min(loops)
    undisturbed = [pace * call / loop for call, loop in zip(calls, loops, strict=True)]
    print(f"{len(files)} records of {mean_kb:.0f} kB, {len(names)} recipes")
    print(f"first call {first:.2f} s of CPU, later {min(later):.2f} (median {statistics.median(later):.2f})")
    told = f"first call {undisturbed[0]:.2f} s, later {statistics.median(undisturbed[1:]):.2f} (median)"
    print(f"the loop {pace:.2f} s of CPU (median {statistics.median(loops):.2f}); at its least pace: {told}")


if __name__ == "__main__":
    main()
