"""Steps of a recipe: the split update is the loop's own, arms see the same batches, and shares add up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.bench.recipe_data import open_recipe_data
from actbench.bench.steps import PARTS, Stream, measure_steps, reach_last_phase, split_update
from actbench.data.source import Batch
from actbench.recipe.schema import Recipe
from actbench.training.loop import update
from actbench.training.state import start_state

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]


def _tiny(make_recipe: MakeRecipe, **fields: Any) -> Recipe:
    base: dict[str, Any] = {
        "data": {"name": "synthetic", "train": 40, "test": 10, "size": 32},
        "model": {"name": "vanillanet", "width": 0.125, "stem_stride": 4, "decay_epochs": 1},
        "input": {"size": 32, "crop": "pad", "flip": 0.5},
        "arms": [{"name": "relu", "activation": "relu"}, {"name": "pwlu", "activation": "pwlu"}],
        "train": {"epochs": 7, "lr": 0.1, "batch_size": 8, "accumulation": 2, "clip_norm": 0.1, "ema": {"decay": 0.9}},
    }
    return make_recipe(**{**base, **fields})


def test_the_split_update_leaves_the_weights_of_the_loops_own(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _tiny(make_recipe)
    source = open_recipe_data(recipe, tmp_path).source
    weights = []
    for split in (False, True):
        state = start_state(recipe, recipe.arm("relu"), seed=0, source=source, device=CPU)
        state.model.train()
        stream = Stream(source, recipe, CPU)
        for step in range(3):
            torch.manual_seed(step)
            if split:
                parts = split_update(state, stream.next(), recipe, CPU, iter(range(100)).__next__)
                assert parts == {
                    "forward": 2,
                    "backward": 2,
                    "optimiser": 1,
                }  # by a clock that ticks once a look
            else:
                update(state, stream.next(), recipe.train, CPU)
        assert state.ema is not None
        weights.append({**state.model.state_dict(), **state.ema.model.state_dict(prefix="ema.")})
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_streams_go_on_from_epoch_to_epoch_and_are_the_same_for_every_arm(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _tiny(make_recipe, train={"epochs": 2, "lr": 0.1, "batch_size": 16})
    source = open_recipe_data(recipe, tmp_path).source
    first, second = Stream(source, recipe, CPU), Stream(source, recipe, CPU)
    steps = source.steps_per_epoch(16)
    seen = []
    for _ in range(2 * steps):
        one, other = first.next(), second.next()
        assert isinstance(one, Batch)
        assert isinstance(other, Batch)
        assert torch.equal(one.images, other.images)
        seen.append(one.images)
    assert not torch.equal(seen[0], seen[steps])


def test_arms_are_measured_in_the_last_phase_that_the_recipe_reaches(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _tiny(make_recipe)
    source = open_recipe_data(recipe, tmp_path).source
    state = start_state(recipe, recipe.arm("pwlu"), seed=0, source=source, device=CPU)
    notes = reach_last_phase(state, recipe, Stream(source, recipe, CPU), CPU)
    assert len(notes) == len(state.sites)
    assert all("learning" in repr(site) for site in state.sites.values())


def test_shares_add_up_and_ratios_are_to_the_reference(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = _tiny(make_recipe)
    opened = open_recipe_data(recipe, tmp_path)
    assert opened.words == "synthetic"
    result = measure_steps(
        recipe, recipe.arms, opened.source, opened.plain, reference="relu", steps=3, device=CPU
    )
    relu, pwlu = result.arms
    assert relu.over_reference == (1.0, 1.0, 1.0)
    assert pwlu.over_reference.median > 0
    for arm in result.arms:
        assert tuple(arm.shares) == PARTS
        assert sum(arm.shares.values()) == pytest.approx(1)
        assert arm.images_per_s == pytest.approx(8 / arm.step_s.median)
        assert sum(arm.backends.values()) == 4
    assert set(relu.backends) == {"reference"}


def test_missing_images_are_generated_in_their_shape_and_said_so(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _tiny(make_recipe, data={"name": "cifar100"}, input={"size": 32, "crop": "pad", "mixup": 0.2})
    opened = open_recipe_data(recipe, tmp_path)
    assert opened.words == f"generated images of 32x32 in place of cifar100, which is not in {tmp_path}"
    assert (opened.source.num_classes, opened.source.channels) == (100, 3)
    assert opened.plain is not None
    batch, plain = (Stream(source, recipe, CPU).next() for source in (opened.source, opened.plain))
    assert isinstance(batch, Batch)
    assert isinstance(plain, Batch)
    assert batch.images.shape == plain.images.shape == (8, 3, 32, 32)
    assert (batch.targets.ndim, plain.targets.ndim) == (2, 1)  # mixed, and not


def test_nothing_random_is_nothing_to_take_away(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    assert open_recipe_data(_tiny(make_recipe, input={"size": 32}), tmp_path).plain is None
