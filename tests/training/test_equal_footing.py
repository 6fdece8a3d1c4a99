"""Arms of a seed share initial weights, batches and dropout bitwise; they differ in the activation alone."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from actbench.data.source import Batch, DataSource
from actbench.recipe.schema import Recipe
from actbench.streams import stream_seed
from actbench.training.build import build_model
from actbench.training.loop import update
from actbench.training.state import State, start_state

CPU = torch.device("cpu")


def _states(recipe: Recipe, source: DataSource, *, seed: int = 0) -> dict[str, State]:
    return {arm.name: start_state(recipe, arm, seed=seed, source=source, device=CPU) for arm in recipe.arms}


def _batches(recipe: Recipe, source: DataSource, *, seed: int = 0, epoch: int = 0) -> list[Batch]:
    return list(
        source.train_batches(
            seed=seed, epoch=epoch, batch_size=recipe.train.batch_size, device=CPU, channels_last=False
        )
    )


@pytest.mark.parametrize(
    "model",
    [
        {"name": "vanillanet", "width": 0.0625},
        {"name": "resnet", "width": 8, "stem": "cifar"},
        {"name": "resnet_cifar", "depth": 8, "width": 4},
    ],
)
def test_shared_weights_start_bitwise_equal(
    make_recipe: Callable[..., Recipe], model: dict[str, object]
) -> None:
    base = make_recipe()
    recipe = Recipe.model_validate({**base.model_dump(), "model": model})
    starts = {
        arm.name: dict(build_model(recipe, arm, seed=5, num_classes=4, channels=3).named_parameters())
        for arm in recipe.arms
    }
    for one, other in itertools.combinations(starts, 2):
        shared = starts[one].keys() & starts[other].keys()
        assert len(shared) >= 20
        for name in shared:
            assert torch.equal(starts[one][name], starts[other][name]), (one, other, name)
    # series and lslu share the depthwise weights too, which relu does not have.
    extra = (starts["series"].keys() & starts["lslu"].keys()) - starts["relu"].keys()
    assert any(name.endswith(".weight") for name in extra)


def test_another_seed_starts_elsewhere(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    first, second = (
        dict(build_model(recipe, recipe.arms[0], seed=seed, num_classes=4, channels=3).named_parameters())
        for seed in (0, 1)
    )
    convolutions = [name for name in first if first[name].ndim == 4]
    assert convolutions
    assert not any(torch.equal(first[name], second[name]) for name in convolutions)


def test_batches_do_not_depend_on_what_was_drawn_before(
    make_recipe: Callable[..., Recipe], open_source: Callable[[Recipe], DataSource]
) -> None:
    recipe = make_recipe()
    source = open_source(recipe)
    torch.manual_seed(1)
    first = _batches(recipe, source, epoch=1)
    torch.manual_seed(2)
    torch.rand(100)
    second = _batches(recipe, source, epoch=1)
    assert len(first) == len(second) == source.steps_per_epoch(recipe.train.batch_size)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)
    assert not torch.equal(first[0].images, _batches(recipe, source, epoch=2)[0].images)


def test_every_arm_sees_the_same_images_and_drops_the_same_units(
    make_recipe: Callable[..., Recipe],
    open_source: Callable[[Recipe], DataSource],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop itself is watched: what enters the model and which units its dropout lets through, step by step."""
    from actbench.training import loop

    recipe = make_recipe(train={"epochs": 1})
    source = open_source(recipe)
    seen: dict[str, list[Tensor]] = {}
    masks: dict[str, list[Tensor]] = {}
    for arm in recipe.arms:
        state = start_state(recipe, arm, seed=3, source=source, device=CPU)
        seen[arm.name], masks[arm.name] = [], []
        dropout = next(module for module in state.model.modules() if isinstance(module, nn.Dropout))
        dropout.register_forward_pre_hook(lambda _m, inputs: torch.ones_like(inputs[0]))
        dropout.register_forward_hook(
            lambda module, _i, output, name=arm.name: (
                masks[name].append(output.clone()) if module.training else None
            )
        )

        def watched(state: State, batch: Batch, *rest: object, name: str = arm.name) -> float:
            seen[name].append(batch.images.clone())
            return update(state, batch, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "update", watched)
        list(loop.train_epochs(state, recipe, arm, seed=3, source=source, device=CPU))
    steps = source.steps_per_epoch(recipe.train.batch_size)
    for arm in recipe.arms:
        assert len(seen[arm.name]) == len(masks[arm.name]) == steps
        assert all(map(torch.equal, seen[arm.name], seen["relu"]))
        assert all(map(torch.equal, masks[arm.name], masks["relu"]))
    assert len({mask.sum().item() for mask in masks["relu"]}) > 1, (
        "dropout must drop, and differ from step to step"
    )


@pytest.mark.parametrize("channels_last", [False, True])
def test_frozen_lslu_makes_the_updates_of_series(
    make_recipe: Callable[..., Recipe], open_source: Callable[[Recipe], DataSource], channels_last: bool
) -> None:
    """With theta = 1 and omega = 0 held, LSLU is the series activation: five updates agree bitwise."""
    recipe = make_recipe(train={"channels_last": channels_last, "ema": {"horizon": 0.5}})
    source = open_source(recipe)
    states = _states(recipe, source)
    for step, batch in enumerate(_batches(recipe, source)[:5]):
        losses = set()
        for name in ("series", "frozen"):
            torch.manual_seed(stream_seed(0, "step", step))
            losses.add(update(states[name], batch, recipe.train, CPU))
        assert len(losses) == 1
        series, frozen = (dict(states[name].model.named_parameters()) for name in ("series", "frozen"))
        assert series.keys() < frozen.keys()
        for name in series:
            assert torch.equal(series[name], frozen[name]), (step, name)


def test_sites_of_the_stem_alone_leave_the_rest_to_fill(make_recipe: Callable[..., Recipe]) -> None:
    arms = [{"name": "lslu", "activation": "lslu", "sites": "stem", "fill": "silu"}]
    recipe = Recipe.model_validate(
        {**make_recipe().model_dump(), "model": {"name": "resnet", "width": 8}, "arms": arms}
    )
    model = build_model(recipe, recipe.arms[0], seed=0, num_classes=4, channels=3)
    kinds = [type(module).__name__ for module in model.modules()]
    assert (kinds.count("LSLU"), kinds.count("SiLU"), kinds.count("ReLU")) == (1, 16, 0)
