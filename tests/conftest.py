"""What several test files need: recipes and stored runs made by hand, and the real program in a subprocess."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actbench.activations.catalog import ENTRIES, ActivationEntry
from actbench.recipe.hashing import footing_hash, run_hash
from actbench.recipe.schema import Recipe
from actbench.record import (
    GRID_POINTS,
    Cost,
    DataFacts,
    EpochRecord,
    Provenance,
    RunRecord,
    SiteLog,
    SiteShape,
    Tally,
    TestResult,
    pack_bits,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

STEP_TIME_S = {"relu": 0.010, "swish": 0.0125, "series": 0.020, "lslu": 0.024}
KEPT_PER_ELEMENT = {"relu": (4, 4), "swish": (4, 0), "series": (8.25, 0), "lslu": (6, 2)}
"""Bytes, and those of them that are the output; arms that are not named are of a time before this was counted."""
ELEMENTS = 1000


@pytest.fixture
def make_recipe() -> Callable[..., Recipe]:
    """Makes the recipe `lslu_c100` (CIFAR-100, a narrow VanillaNet-5); keywords replace its fields."""

    def make(**fields: Any) -> Recipe:
        base: dict[str, Any] = {
            "name": "lslu_c100",
            "title": "LSLU in a narrow VanillaNet-5",
            "profile": "lite",
            "data": {"name": "cifar100"},
            "model": {"name": "vanillanet", "width": 0.125, "stem_stride": 4, "decay_epochs": 10},
            "arms": [{"name": name, "activation": name} for name in ("relu", "swish", "series", "lslu")],
            "train": {"epochs": 30, "lr": 0.1},
            "seeds": [0, 1, 2],
        }
        return Recipe.model_validate({**base, **fields})

    return make


@pytest.fixture
def make_run() -> Callable[..., RunRecord]:
    """Makes the record of one run; of the test images, `correct` are right after the last epoch."""

    def make(
        recipe: Recipe,
        arm: str,
        seed: int,
        correct: int = 5000,
        *,
        total: int = 10_000,
        status: str = "completed",
        fingerprint: str = "fingerprint",
        started: str = "2025-01-01T00:00:00+00:00",
        hardware: str = "a processor",
        step_time_s: float | None = None,
    ) -> RunRecord:
        chosen = recipe.arm(arm)
        kept, output = KEPT_PER_ELEMENT.get(arm, (None, None))
        footing = footing_hash(recipe, fingerprint)
        tally = Tally(correct=correct, total=total, loss_sum=1.0)
        last = TestResult(which="last", weights="raw", epoch=29, tally=tally, correct_bits=pack_bits([]))
        return RunRecord(
            status=status,
            reason=None if status == "completed" else "loss not finite at epoch 3, step 7",
            recipe=recipe,
            arm=chosen,
            seed=seed,
            footing=footing,
            run=run_hash(footing, chosen, seed),
            data=DataFacts(
                fingerprint=fingerprint,
                train=45_000,
                val=5_000,
                test=total,
                num_classes=100,
                synthetic=recipe.is_synthetic,
            ),
            history=[],
            results=[last] if status == "completed" else [],
            cost=Cost(
                parameters=400_000 + 100 * len(arm),
                activation_parameters=100 * len(arm),
                macs=1_000_000,
                pointwise_ops=1000,
                kept_bytes=4096,
                activation_kept_bytes=None if kept is None else int(kept * ELEMENTS),
                activation_kept_output_bytes=None if output is None else output * ELEMENTS,
                activation_elements=None if kept is None else ELEMENTS,
                step_time_s=STEP_TIME_S.get(arm, 0.03) if step_time_s is None else step_time_s,
                images_per_s=10_000.0,
                peak_memory_bytes=None,
            ),
            provenance=Provenance(
                actbench="0.1.0",
                commit=None,
                dirty=None,
                python="3.11",
                torch="2.9",
                packages={},
                device="cpu",
                hardware=hardware,
                threads=1,
                allocator="system",
                command="actbench train",
                started=started,
                wall_time_s=60.0,
            ),
        )

    return make


@pytest.fixture
def with_curves() -> Callable[..., RunRecord]:
    """Gives a record a history of which the named epochs, from 0, have curves: x * sigmoid(beta * x), beta growing."""

    def shape(site: str, epoch: int, last: bool, spread: float) -> SiteShape:
        left, right = -4.0 + 0.01 * epoch, 4.0 + 0.02 * epoch
        grid = [left + i * (right - left) / (GRID_POINTS - 1) for i in range(GRID_POINTS)]
        mean = tuple(x / (1 + math.exp(-(1 + epoch / 10) * x)) for x in grid)
        return SiteShape(
            site=site,
            input_mean=0.0,
            input_std=1.0,
            left=left,
            right=right,
            density=tuple(math.exp(-x * x / 2) / 10 for x in grid[:-1]),
            mean=mean,
            lower=tuple(y - spread for y in mean) if spread else (),
            upper=tuple(y + spread for y in mean) if spread else (),
            channels={0: tuple(y + 2 * spread for y in mean)} if last and spread else {},
        )

    def make(
        record: RunRecord, *, epochs: tuple[int, ...], sites: tuple[str, ...], spread: float = 0.1
    ) -> RunRecord:
        bounds = {"bound_left.mean": [-2.5], "bound_right.mean": [3.5]}
        history = tuple(
            EpochRecord(
                epoch=epoch,
                lr=0.1,
                train_loss=1.0,
                time_s=1.0,
                step_time_s=0.1,
                data_time_s=0.0,
                activations=tuple(SiteLog(site=site, values=bounds) for site in sites),
                shapes=tuple(shape(site, epoch, epoch == epochs[-1], spread) for site in sites)
                if epoch in epochs
                else (),
            )
            for epoch in range(epochs[-1] + 1)
        )
        return record.model_copy(update={"history": history})

    return make


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs `actbench ARGUMENTS` in a subprocess inside tmp_path, with one thread and no settings of the user's."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> "subprocess.CompletedProcess[str]":
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ACTBENCH_")}
        return subprocess.run(
            [sys.executable, "-m", "actbench", *arguments],
            cwd=cwd,
            env={**kept, "OMP_NUM_THREADS": "1", "ACTBENCH_OFFLINE": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def catalogue() -> Iterator[dict[str, ActivationEntry]]:
    """The catalogue of activations, rid of what the test adds."""
    before = dict(ENTRIES)
    yield ENTRIES
    ENTRIES.clear()
    ENTRIES.update(before)


@pytest.fixture
def require_bitwise_equal() -> "Callable[[nn.Module, nn.Module, Tensor], None]":
    """Asserts that two models are the same to the last bit in both modes: output, gradients, running statistics."""
    import torch
    from torch import Tensor

    def results(model: "nn.Module", x: "Tensor", *, training: bool) -> "list[Tensor | None]":
        model.train(training).zero_grad()
        torch.manual_seed(1)
        inputs = x.clone().requires_grad_()
        outputs = model(inputs * 1)  # not a leaf, because a model may begin in place
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(y for y in outputs if y is not None)
        torch.autograd.backward([y.square().sum() for y in outputs])
        return [*outputs, inputs.grad, *(p.grad for p in model.parameters()), *model.state_dict().values()]

    def require(one: "nn.Module", two: "nn.Module", x: "Tensor") -> None:
        for training in (True, False):
            pairs = zip(results(one, x, training=training), results(two, x, training=training), strict=True)
            for a, b in pairs:
                assert (a is None) == (b is None)
                assert a is None or b is None or torch.equal(a, b)

    return require
