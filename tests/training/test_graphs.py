"""A compiled network trains as the plain one does, through every phase, and nothing else of the run sees it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from actbench.data.source import DataSource
from actbench.recipe.hashing import footing_hash
from actbench.recipe.plan import make_plan
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store
from actbench.training import graphs
from actbench.training.run import execute

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]

SMALL: dict[str, Any] = {
    "data": {"size": 8, "channels": 1},
    "input": {"size": 8, "mixup": 0.0},
    "model": {"name": "cnn", "stages": [[4, 4]], "batch_norm": True, "dropout": 0.2},
    "arms": [{"name": "pwlu", "activation": "pwlu", "options": {"phase_epochs": 1, "intervals": 4}}],
}


def _small(make_recipe: MakeRecipe, **train: object) -> Recipe:
    plain = make_recipe().model_dump(exclude_defaults=True)
    for key, value in SMALL.items():
        plain[key] = {**plain[key], **value} if key in ("data", "input") else value
    plain["train"] = {**plain["train"], "epochs": 2, "ema": {"horizon": 0.5}, **train}
    return Recipe.model_validate(plain)


def _run(recipe: Recipe, source: DataSource, folder: Path) -> RunRecord:
    (planned,) = make_plan([recipe], {0: source.fingerprint}, Store(folder)).runs
    return execute(planned, source=source, store=Store(folder), device=CPU)


def test_a_compiled_run_is_the_plain_one_to_rounding(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PWLU changes its phase after the first epoch, and the network is compiled anew."""
    made: list[nn.Module] = []
    real = graphs._compiled

    def watched(model: nn.Module) -> nn.Module:
        made.append(real(model))
        return made[-1]

    monkeypatch.setattr(graphs, "BACKEND", "eager")  # traced by dynamo, run by plain kernels
    monkeypatch.setattr(graphs, "_compiled", watched)
    plain, compiled = _small(make_recipe), _small(make_recipe, compile=True)
    source = open_source(plain)
    expected, found = (
        _run(recipe, source, tmp_path / name) for name, recipe in (("plain", plain), ("made", compiled))
    )
    assert (expected.status, found.status) == ("completed", "completed")
    assert len(made) == 3, "at the start, for phase one and for phase two"
    for mine, theirs in zip(found.history, expected.history, strict=True):
        # Same kernels, in another order here and there: sixteen small steps of AdamW keep within this.
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-3)
        assert mine.notes == theirs.notes
    names = [
        torch.load(next((tmp_path / name).rglob("last.pt")), weights_only=True)["model"].keys()
        for name in ("plain", "made")
    ]
    assert names[0] == names[1]


@pytest.mark.slow
def test_inductor_trains_as_the_plain_network_does(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    plain, compiled = _small(make_recipe), _small(make_recipe, compile=True)
    source = open_source(plain)
    expected, found = (
        _run(recipe, source, tmp_path / name) for name, recipe in (("plain", plain), ("made", compiled))
    )
    losses = [[epoch.train_loss for epoch in run.history] for run in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


@pytest.mark.parametrize("key", ["compile", "capture"])
def test_what_a_recipe_may_ask(make_recipe: MakeRecipe, key: str) -> None:
    plain = make_recipe()
    assert footing_hash(make_recipe(train={key: False}), "") == footing_hash(plain, "")
    assert footing_hash(make_recipe(train={key: True}), "") != footing_hash(plain, "")
    shapes = {"task": "detect", "data": {"name": "synthetic_shapes"}, "model": {"name": "retinanet"}}
    with pytest.raises(ValidationError, match=rf"train\.{key}: not for task detect"):
        Recipe.model_validate(
            {
                **plain.model_dump(exclude_defaults=True),
                **shapes,
                "input": {"size": 64, "max_size": 64, "normalize": "half", "interpolation": "bilinear"},
                "evaluation": {"batch_size": 2},
                "train": {"epochs": 1, "lr": 0.1, key: True},
            }
        )


def test_lamb_is_not_captured(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ValidationError, match=r"train\.capture: not with optimizer lamb"):
        make_recipe(train={"optimizer": "lamb", "capture": True})
