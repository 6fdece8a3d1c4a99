"""An epoch that nobody watches is the watched one, waits for nothing, and tells a divergence as the watched one does.

It is for GPUs; what it does is the same on a CPU, where these tests run it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from actbench.data.source import Batch, DataSource, DetectionBatch
from actbench.errors import DivergedError
from actbench.recipe.schema import Recipe
from actbench.training import loop
from actbench.training.state import State, start_state
from actbench.training.unwatched import goes_unwatched, train_unwatched
from actbench.training.updates import Updates, update_unseen

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
ALL = {"ema": {"horizon": 0.3}, "accumulation": 2, "clip_norm": 0.5}


class _Readings(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the times at which a tensor's value becomes a number of the program's."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def _tensors(state: State) -> dict[str, Tensor]:
    assert state.ema is not None
    moments = {
        f"{place}.{key}": value
        for place, held in enumerate(state.optimizer.state.values())
        for key, value in held.items()
    }
    return {
        **state.model.state_dict(),
        **{f"ema.{key}": value for key, value in state.ema.model.state_dict().items()},
        **moments,
    }


def _unwatched(state: State, recipe: Recipe, source: DataSource, epoch: int = 0) -> Updates | None:
    settings = recipe.train
    batches = source.train_batches(
        seed=0, epoch=epoch, batch_size=settings.batch_size, device=CPU, channels_last=False
    )

    def step(batch: Batch | DetectionBatch) -> Tensor:
        return update_unseen(state, batch, settings, CPU)

    steps = source.steps_per_epoch(settings.batch_size)
    return train_unwatched(state, recipe, step, batches, seed=0, epoch=epoch, steps=steps, device=CPU)


def _train(state: State, recipe: Recipe, source: DataSource) -> list[float]:
    epochs = loop.train_epochs(state, recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    return [epoch.train_loss for epoch in epochs]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_is_the_watched_epoch(
    make_recipe: MakeRecipe, open_source: Open, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """With dropout, mixing, parts of a batch, clipping and an average: to the last bit."""
    recipe = make_recipe(train={**ALL, "optimizer": optimizer, "epochs": 1})
    source = open_source(recipe)
    watched, unwatched = (
        start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU) for _ in range(2)
    )
    losses = _train(watched, recipe, source)
    monkeypatch.setattr(loop, "goes_unwatched", lambda _recipe, _device: True)
    monkeypatch.setattr(loop, "update", None)
    assert _train(unwatched, recipe, source) == losses
    expected, found = _tensors(watched), _tensors(unwatched)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_nothing_is_read_before_its_end(
    make_recipe: MakeRecipe, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the batches' making `actbench.data` has tests of its own."""
    recipe = make_recipe(train={**ALL, "optimizer": "sgd"})
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    made = list(_batches(recipe, source))
    monkeypatch.setattr(source, "train_batches", lambda **_: iter(made))
    with _Readings() as unwatched:
        updates = _unwatched(state, recipe, source)
    assert updates is not None
    assert len(updates.losses) == len(updates.step_times) == len(updates.cpu_times) == 8
    assert min(updates.step_times) > 0
    with _Readings() as watched:
        loop.update(state, made[0], recipe.train, CPU)
    assert (unwatched.count, watched.count) == (0, recipe.train.accumulation), "readings"


def _batches(recipe: Recipe, source: DataSource) -> Any:
    return source.train_batches(
        seed=0, epoch=0, batch_size=recipe.train.batch_size, device=CPU, channels_last=False
    )


def test_a_broken_epoch_leaves_all_as_it_was(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = make_recipe(train=ALL)
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    assert _unwatched(state, recipe, source) is not None
    before = {name: value.clone() for name, value in _tensors(state).items()}
    broken = recipe.model_copy(update={"train": recipe.train.model_copy(update={"lr": 1e30})})
    assert _unwatched(state, broken, source, epoch=1) is None
    after = _tensors(state)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert state.optimizer.param_groups[0]["params"][0] is next(state.model.parameters())


def test_a_divergence_is_told_as_the_watched_epoch_tells_it(
    make_recipe: MakeRecipe, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epoch, step and layer, and the weights as they were before the broken update."""
    recipe = make_recipe(train={**ALL, "optimizer": "sgd", "clip_norm": None, "lr": 1e30})
    source = open_source(recipe)
    states, told = [], []
    for is_unwatched in (False, True):
        monkeypatch.setattr(loop, "goes_unwatched", lambda _recipe, _device, it=is_unwatched: it)
        state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
        with pytest.raises(DivergedError) as raised:
            _train(state, recipe, source)
        states.append(dict(state.model.named_parameters()))
        told.append((raised.value.epoch, raised.value.step, raised.value.layer))
    assert told[0] == told[1]
    assert told[0][1] in range(1, 8), "not at the start, and before the epoch's end"
    assert told[0][2] is not None
    for name, weight in states[0].items():
        # Weights of 1e30 and more can be infinite by their own last update; NaN are they only after a broken one.
        assert not weight.isnan().any()
        assert torch.equal(weight, states[1][name])


def test_only_a_gpu_goes_unwatched(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    assert goes_unwatched(recipe, torch.device("cuda"))
    assert not goes_unwatched(recipe, CPU)
    detector = recipe.model_copy(update={"task": "detect"})
    assert not goes_unwatched(detector, torch.device("cuda"))
