"""`actbench bench model`: a training step of a recipe, arm beside arm, and where in it the time goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from actbench.bench.allocator import Allocator, set_allocator
from actbench.commands.bench.setting import (
    at_least,
    faults_warning,
    machine,
    machine_text,
    spread_document,
)
from actbench.commands.outcome import Outcome
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Arm, Profile, Recipe

if TYPE_CHECKING:
    from actbench.bench.steps import ArmSteps, StepsResult

_REFERENCE = "relu"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    reference: str
    overrides: tuple[str, ...] = ()
    profile: Profile | None = None
    arms: tuple[str, ...] = ()
    """With the one that the others are compared to the only ones; all if empty."""
    device: str = "cpu"
    threads: int = 1
    steps: int = 10
    limit: int | None = None
    data_dir: Path = Path("data")
    allocator: Allocator = "keep"


def bench_model(request: ModelRequest, note: Callable[[str], None] = lambda _text: None) -> Outcome:
    """Raises ActbenchError for a recipe, arm, device or data that is not there."""
    at_least("--steps", request.steps, 2)
    at_least("--threads", request.threads, 1)
    recipes = load_recipe(
        request.reference,
        profile=request.profile,
        overrides=request.overrides,
        limit=request.limit,
        arms=request.arms,
    ).recipes
    # Loads PyTorch, which mistakes in recipes do without; the allocator is told before anything is allocated.
    allocator = set_allocator(request.allocator)
    import torch

    from actbench.bench.recipe_data import open_recipe_data
    from actbench.bench.steps import measure_steps
    from actbench.training.build import check_sites
    from actbench.training.precision import resolve_device

    device = resolve_device(request.device)
    torch.set_num_threads(request.threads)
    texts: list[str] = []
    documents: list[dict[str, object]] = []
    warnings: list[str] = []
    facts = machine(device)
    for recipe in recipes:
        check_sites(recipe)
        arms, base = _arms(recipe, request.arms)
        note(f"reading {recipe.data.name}")
        opened = open_recipe_data(recipe, request.data_dir)
        result = measure_steps(
            recipe, arms, opened.source, opened.plain, reference=base, steps=request.steps, device=device
        )
        head = f"{recipe.name}{f' ({recipe.variant})' if recipe.variant else ''}, {recipe.profile}; {opened.words}"
        texts.append(_text(result, recipe, head, facts, allocator))
        documents.append(_document(result, recipe, opened.words, allocator))
        warnings += faults_warning(result.page_faults, result.steps)
    return Outcome(
        text="\n\n\n".join(texts),
        document={"machine": facts, "recipes": documents},
        warnings=tuple(warnings),
    )


def _arms(recipe: Recipe, wanted: tuple[str, ...]) -> tuple[list[Arm], str]:
    """The arms to measure, and the name of the one that the others are compared to."""
    names = [arm.name for arm in recipe.arms]
    base = _REFERENCE if _REFERENCE in names else next(iter(recipe.baselines), names[0])
    return [arm for arm in recipe.arms if not wanted or arm.name in (base, *wanted)], base


def _document(result: "StepsResult", recipe: Recipe, data: str, allocator: str) -> dict[str, object]:
    return {
        "recipe": recipe.name,
        "variant": recipe.variant,
        "profile": recipe.profile,
        "data": data,
        "batch_images": result.batch_images,
        "steps": result.steps,
        "clock": result.clock,
        "allocator": allocator,
        "page_faults": result.page_faults,
        "reference": result.reference,
        "arms": [
            {
                "arm": arm.arm,
                "backends": dict(arm.backends),
                "step_s": spread_document(arm.step_s),
                "over_reference": spread_document(arm.over_reference),
                "images_per_s": arm.images_per_s,
                "shares": dict(arm.shares),
                "notes": list(arm.notes),
            }
            for arm in result.arms
        ],
    }


def _text(result: "StepsResult", recipe: Recipe, head: str, facts: dict[str, object], allocator: str) -> str:
    from actbench.bench.steps import PARTS

    layout = "channels_last" if recipe.train.channels_last else "contiguous"
    precision = "bfloat16 by autocast" if recipe.train.amp == "bf16" else "float32"
    headers = ["arm", "computed by", "step\nms", f"step\n/ {result.reference}", "images\n/ s"]
    headers += [f"{part}\n%" for part in PARTS]
    grid = tabulate(
        [_cells(arm) for arm in result.arms],
        headers,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left", "left", *["right"] * (len(headers) - 2)],
    )
    return "\n".join(
        [
            head,
            f"batches of {result.batch_images}, {precision}, {layout}; {machine_text(facts)}",
            f"{result.clock}, {result.steps} steps; allocator: {allocator}",
            "",
            *(line.rstrip() for line in grid.split("\n")),
            "",
            "ratios to the same round: median [quartiles]; data: the batch without augmentation; sites in brackets",
        ]
    )


def _cells(arm: "ArmSteps") -> list[str]:
    return [
        arm.arm,
        ", ".join(f"{name} ({count})" for name, count in arm.backends.items()),
        f"{1e3 * arm.step_s.median:.1f}",
        str(arm.over_reference),
        f"{arm.images_per_s:.0f}",
        *(f"{100 * share:.1f}" for share in arm.shares.values()),
    ]
