"""Moments at steps 0 and 100: right numbers, and a run that is looked at is the run that is not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.data.source import DataSource
from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord
from actbench.training import loop, moments
from actbench.training.moments import look_at_sites, read_moments
from actbench.training.state import State, start_state

MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
CPU = torch.device("cpu")


class _Straight(nn.Module):
    """Two linear layers with an activation between, as a model whose numbers can be had otherwise."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(3 * 32 * 32, 5), act, nn.Linear(5, 4)
        nn.init.constant_(self.first.bias, 0.1)
        with torch.no_grad():
            self.first.bias[2] = -1e4  # a dead unit

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.act(self.first(images.flatten(1))))  # type: ignore[no-any-return]


def _batches(source: DataSource) -> Iterator[Any]:
    return source.train_batches(seed=0, epoch=0, batch_size=8, device=CPU, channels_last=False)


def test_they_are_those_of_the_loss_that_is_trained(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = make_recipe()
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    model = _Straight(nn.ReLU())
    looked = State(
        model=model,  # type: ignore[arg-type]
        sites={"act": model.act},
        optimizer=state.optimizer,
        groups=[],
        ema=None,
    )
    batch = next(_batches(source))
    (found,) = read_moments(look_at_sites(looked, batch, recipe.train, CPU, step=100))
    images = batch.images.flatten(1)
    hidden = torch.relu(model.first(images)).detach().requires_grad_()
    logits = model.last(hidden)
    soft = batch.targets
    loss = -(soft * torch.log_softmax(logits, 1)).sum(1).mean() if soft.ndim == 2 else None
    assert loss is not None
    (gradient,) = torch.autograd.grad(loss, hidden)
    assert (found.site, found.step, found.dead) == ("act", 100, 0.2)
    # Four digits are kept.
    assert found.mean == pytest.approx(float(hidden.detach().mean()), rel=1e-3)
    assert found.second == pytest.approx(float(hidden.detach().square().mean()), rel=1e-3)
    assert found.gradient == pytest.approx(float(gradient.square().mean()), rel=1e-3)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert look_at_sites(looked, batch, recipe.train, CPU, step=1) == []


def _history(recipe: Recipe, source: DataSource, arm: str) -> tuple[list[EpochRecord], dict[str, Tensor]]:
    state = start_state(recipe, recipe.arm(arm), seed=0, source=source, device=CPU)
    entries = list(loop.train_epochs(state, recipe, recipe.arm(arm), seed=0, source=source, device=CPU))
    return entries, state.model.state_dict()


def test_a_run_ends_bitwise_as_without_and_tells_two_steps(
    make_recipe: MakeRecipe, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, batch normalisation, mixed images and PWLU's statistics: nothing may remember the look."""
    monkeypatch.setattr(moments, "MOMENT_STEPS", (0, 5))
    arms = [{"name": "pwlu", "activation": "pwlu", "options": {"phase_epochs": 1}}]
    recipe = make_recipe(arms=arms, data={"train": 40, "test": 16})
    source = open_source(recipe)
    looked, weights = _history(recipe, source, "pwlu")
    assert [sorted({entry.step for entry in epoch.moments}) for epoch in looked] == [[0], [5]]
    sites = {entry.site for entry in looked[0].moments}
    assert len(looked[0].moments) == len(sites) == 4
    assert all(entry.gradient for entry in looked[0].moments)
    assert EpochRecord.model_validate_json(looked[0].model_dump_json()) == looked[0]
    monkeypatch.setattr(loop, "look_at_sites", lambda *_args, **_options: [])
    plain, others = _history(recipe, source, "pwlu")
    assert [entry.train_loss for entry in plain] == [entry.train_loss for entry in looked]
    assert all(torch.equal(value, weights[name]) for name, value in others.items())
    assert plain[0].moments == ()


def test_a_gradient_that_does_not_come_and_numbers_that_are_not_finite_are_none(
    make_recipe: MakeRecipe, open_source: Open
) -> None:
    recipe = make_recipe()
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    state.model.requires_grad_(False)
    batch = next(_batches(source))
    looks = look_at_sites(state, batch, recipe.train, CPU, step=0)
    assert {entry.gradient for entry in read_moments(looks)} == {None}
    first = next(module for module in state.model.modules() if isinstance(module, nn.Conv2d))
    first.weight.fill_(torch.inf)
    looks = look_at_sites(state, batch, recipe.train, CPU, step=0)
    assert None in {entry.second for entry in read_moments(looks)}
