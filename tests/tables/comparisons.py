"""Runs that show all that a table can: ties, divergence, missing seeds, signs, emphasis, odd names."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from actbench.compare import Selection, compare
from actbench.comparison import Comparison
from actbench.footing import Origin
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, pack_bits
from actbench.store import StoredRun
from actbench.summary import summary_of

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
MakeComparison = Callable[[int], Comparison]
EXAMPLES = 2000


def with_bits(run: RunRecord, key: int) -> RunRecord:
    """The run with as many right examples as it counted, drawn by the key."""
    (result,) = run.results
    right = set(random.Random(key).sample(range(result.tally.total), result.tally.correct))  # type: ignore[union-attr]
    bits = pack_bits([place in right for place in range(run.data.test)])
    return run.model_copy(update={"results": (result.model_copy(update={"correct_bits": bits}),)})


def paper_like(make_recipe: MakeRecipe, make_run: MakeRun) -> tuple[Recipe, list[RunRecord]]:
    """A native arm, options, declared differences, a missing run, divergence, an arm without spread."""
    arms = [
        {"name": "relu", "activation": "relu"},
        {"name": "swish", "activation": "swish"},
        {"name": "series", "activation": "native"},
        {"name": "lslu", "activation": "lslu"},
        {"name": "lslu_n5", "activation": "lslu", "options": {"n": 5}, "sites": "stem"},
        {
            "name": "lslu_parallel",
            "activation": "lslu_parallel",
            "train": {"lr_factor": 0.1, "deep_lambda": 1},
        },
    ]
    recipe = make_recipe(paper="lslu", table="lslu-table3-gain", claim="lslu-cifar100-gain", arms=arms)
    counts = {
        "relu": (5000, 5100, 5050),
        "swish": (5100, 5150, 5200),
        "series": (5500, 5600, 5450),
        "lslu": (5600, 5590, 5530),
        "lslu_n5": (5400, 5400, 5400),
    }
    runs = [
        make_run(recipe, arm, seed, correct)
        for arm, values in counts.items()
        for seed, correct in enumerate(values)
        if (arm, seed) != ("swish", 2)
    ]
    runs += [
        make_run(recipe, "lslu_parallel", 0, 5321),
        *(make_run(recipe, "lslu_parallel", seed, status="diverged") for seed in (1, 2)),
    ]
    return recipe, runs


def close_arms(make_recipe: MakeRecipe, make_run: MakeRun) -> tuple[Recipe, list[RunRecord]]:
    """Hardly any spread over seeds, few test examples, whose bits are known: daggers, and arms near the best."""
    arms = [{"name": name, "activation": name} for name in ("relu", "swish", "gelu", "mish")]
    recipe = make_recipe(
        name="close_c10",
        title="Close arms",
        data={"name": "cifar10"},
        model={"name": "resnet_cifar", "depth": 8},
        arms=arms,
    )
    counts = {
        "relu": (1000, 1001, 999),
        "swish": (1011, 1010, 1012),
        "gelu": (1301, 1300, 1302),
        "mish": (1300, 1301, 1300),
    }
    runs = [
        with_bits(make_run(recipe, arm, seed, correct, total=EXAMPLES), 10 * place + seed)
        for place, (arm, values) in enumerate(counts.items())
        for seed, correct in enumerate(values)
    ]
    return recipe, runs


def awkward(make_recipe: MakeRecipe, make_run: MakeRun) -> tuple[Recipe, list[RunRecord]]:
    """Characters that formats take for their own, a variant, synthetic data, one seed, best-test."""
    recipe = make_recipe(
        name="awkward_name",
        title=r"50 % of {#1} & 2^10 ~ $x_i$ <a> | b \ c",
        profile="smoke",
        variant="no_decay-1",
        data={"name": "synthetic"},
        model={"name": "resnet", "depth": 18, "width": 8, "stem": "cifar"},
        arms=[
            {"name": "relu", "activation": "relu"},
            {"name": "lslu_parallel", "activation": "lslu_parallel"},
        ],
        evaluation={"protocol": "best-test"},
        train={"epochs": 1, "lr": 0.1},
        seeds=[7],
    )
    runs = [
        make_run(recipe, "relu", 7, 100, total=256),
        make_run(recipe, "lslu_parallel", 7, 90, total=256),
    ]
    return recipe, runs


def comparison_of(*sets: tuple[Recipe, Sequence[RunRecord]]) -> Comparison:
    selections = [
        Selection(
            plan=recipe,
            stored=tuple(
                StoredRun(
                    Path("results", recipe.name, f"{run.arm.name}-seed{run.seed}.json"), summary_of(run)
                )
                for run in runs
            ),
            origin=Origin(reference=recipe.name, profile=recipe.profile),
        )
        for recipe, runs in sets
    ]
    return compare(selections, papers={"lslu": load_paper("lslu")})
