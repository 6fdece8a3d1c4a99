"""On a GPU: an epoch waits for nothing, and a captured update is the update."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.data.source import Batch, DataSource, DetectionBatch
from actbench.errors import DivergedError
from actbench.recipe.schema import Recipe
from actbench.training import loop
from actbench.training.graphs import WARM_UPDATES, Graphs
from actbench.training.state import State, start_state
from actbench.training.unwatched import train_unwatched

pytestmark = pytest.mark.gpu
GPU = torch.device("cuda")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
ALL = {"ema": {"horizon": 0.3}, "accumulation": 2, "clip_norm": 0.5}


@pytest.fixture(autouse=True)
def _same_kernels() -> Iterator[None]:
    """Convolutions by the same kernels every time, so that two ways to call them can be compared."""
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = False


def _losses(recipe: Recipe, source: DataSource, arm: str = "relu") -> tuple[list[float], State]:
    state = start_state(recipe, recipe.arm(arm), seed=0, source=source, device=GPU)
    epochs = loop.train_epochs(state, recipe, recipe.arm(arm), seed=0, source=source, device=GPU)
    return [epoch.train_loss for epoch in epochs], state


@pytest.mark.parametrize("capture", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw"])
def test_no_update_waits_for_the_device(
    make_recipe: MakeRecipe, open_source: Open, optimizer: str, capture: bool
) -> None:
    """PyTorch raises at every copy to the host and every wait, from the first batch to the last but one update."""
    recipe = make_recipe(train={**ALL, "optimizer": optimizer, "capture": capture, "amp": "bf16"})
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=GPU)
    graphs = Graphs(state, recipe.train, GPU)
    batch = next(source.train_batches(seed=0, epoch=0, batch_size=8, device=GPU, channels_last=False))
    steps, taken = 12, 0

    def step(given: Batch | DetectionBatch) -> Tensor:
        nonlocal taken
        # The capture itself waits, once; what is replayed afterwards must not.
        torch.cuda.set_sync_debug_mode("default" if capture and taken <= WARM_UPDATES else "error")
        loss = graphs.step(given)
        taken += 1
        if taken == steps:
            torch.cuda.set_sync_debug_mode("default")
        return loss

    try:
        updates = train_unwatched(
            state, recipe, step, iter([batch] * steps), seed=0, epoch=0, steps=steps, device=GPU
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert updates is not None
    assert len(set(updates.losses)) > steps / 2, "each update has a loss of its own"
    assert min(updates.step_times) > 0


@pytest.mark.parametrize("arm", ["relu", "swish", "series", "lslu"])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw"])
def test_a_captured_run_is_the_plain_one(
    make_recipe: MakeRecipe, open_source: Open, optimizer: str, arm: str
) -> None:
    """Dropout and mixing of every step, three values of lambda, learning rates of a schedule: the same losses."""
    # RMSprop begins with ten times the sign of each gradient, which turns with the gradient's last bit.
    lr, rel = (1e-4, 1e-2) if optimizer == "rmsprop" else (1e-3, 2e-3)
    train = {**ALL, "optimizer": optimizer, "epochs": 3, "lr": lr}
    model = {"decay_epochs": 2}
    plain, captured = (make_recipe(train={**train, "capture": it}, model=model) for it in (False, True))
    source = open_source(plain)
    expected, eager = _losses(plain, source, arm)
    found, replayed = _losses(captured, source, arm)
    # Sums by atomic additions have no fixed order; everything else is the same kernels on the same numbers.
    assert found == pytest.approx(expected, rel=rel)
    assert eager.ema is not None
    assert replayed.ema is not None
    for name, value in eager.model.state_dict().items() if optimizer != "rmsprop" else ():
        assert torch.allclose(
            replayed.model.state_dict()[name].float(), value.float(), rtol=0.05, atol=5e-3
        ), name
    for state in (eager, replayed):
        assert not any(value.isnan().any() for value in state.ema.model.state_dict().values())  # type: ignore[union-attr]


def test_a_captured_run_follows_phases(make_recipe: MakeRecipe, open_source: Open) -> None:
    arms = [{"name": "pwlu", "activation": "pwlu", "options": {"phase_epochs": 1}}]
    plain, captured = (
        make_recipe(arms=arms, train={"epochs": 3, "lr": 1e-3, "capture": it}) for it in (False, True)
    )
    source = open_source(plain)
    expected, _ = _losses(plain, source, "pwlu")
    found, _ = _losses(captured, source, "pwlu")
    assert found == pytest.approx(expected, rel=2e-3)


def test_dropout_of_a_replayed_step_is_that_of_its_seed(make_recipe: MakeRecipe, open_source: Open) -> None:
    """A learning rate of nearly nothing: losses differ by dropout alone, and repeat with the seed of the step."""
    recipe = make_recipe(
        input={"mixup": 0.0}, train={"optimizer": "sgd", "lr": 1e-30, "capture": True, "momentum": 0.0}
    )
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=GPU)
    state.model.train()
    graphs = Graphs(state, recipe.train, GPU)
    batch = next(source.train_batches(seed=0, epoch=0, batch_size=8, device=GPU, channels_last=False))
    found: list[float] = []
    for seed in (1, 2, 3, 1, 2, 3, 1):
        torch.manual_seed(seed)
        found.append(graphs.step(batch).item())
    assert len(set(found[:3])) == 3
    assert found[3:] == pytest.approx([*found[:3], found[0]], rel=1e-5)


@pytest.mark.parametrize("capture", [False, True])
def test_a_divergence_is_told_with_step_and_layer(
    make_recipe: MakeRecipe, open_source: Open, capture: bool
) -> None:
    plain = {"epochs": 2, "optimizer": "sgd", "lr": 1e30}
    told: list[Any] = []
    for train, device in ((plain, torch.device("cpu")), ({**plain, "capture": capture}, GPU)):
        recipe = make_recipe(train=train)
        source = open_source(recipe)
        state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=device)
        with pytest.raises(DivergedError) as raised:
            list(loop.train_epochs(state, recipe, recipe.arms[0], seed=0, source=source, device=device))
        told.append((raised.value.epoch, raised.value.step, raised.value.layer))
        assert not any(weight.isnan().any() for weight in state.model.parameters())
    assert told[0] == told[1]
