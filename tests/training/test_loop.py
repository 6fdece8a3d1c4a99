"""The loop against the loop of a textbook, written out: the same losses and weights to the last bit on a CPU."""

import statistics
from collections.abc import Callable

import pytest
import torch
from torch import nn

from actbench.data.source import DataSource
from actbench.recipe.schema import Recipe
from actbench.streams import stream_seed
from actbench.training.loop import train_epochs
from actbench.training.losses import training_loss
from actbench.training.optim import learning_rate
from actbench.training.state import State, start_state

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]


def _digits(make_recipe: MakeRecipe, optimizer: str) -> Recipe:
    plain = make_recipe(
        train={
            "optimizer": optimizer,
            "batch_size": 16,
            "accumulation": 2,
            "clip_norm": 0.5,
            "warmup_epochs": 1,
            "label_smoothing": 0.1,
            "ema": {"decay": 0.9},
        }
    ).model_dump(exclude_defaults=True)
    model = {"name": "cnn", "stages": [[4], [8]], "batch_norm": True, "dropout": 0.2}
    return Recipe.model_validate({**plain, "data": {"name": "digits"}, "limit": 100, "model": model})


def _plain_optimizer(state: State, recipe: Recipe) -> torch.optim.Optimizer:
    """PyTorch's own, tensor by tensor; decay spares vectors."""
    settings = recipe.train
    parameters = list(state.model.parameters())
    groups = [
        {"params": [p for p in parameters if (p.ndim > 1) is is_matrix], "weight_decay": decay}
        for is_matrix, decay in ((True, settings.weight_decay), (False, 0.0))
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, foreach=False)
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=betas, eps=settings.eps, foreach=False)


def _textbook(state: State, recipe: Recipe, source: DataSource) -> list[list[float]]:
    settings, model = recipe.train, state.model
    assert state.ema is not None
    average = state.ema.model.state_dict()
    optimizer = _plain_optimizer(state, recipe)
    steps = source.steps_per_epoch(settings.batch_size)
    losses: list[list[float]] = []
    for epoch in range(settings.epochs):
        losses.append([])
        model.train()
        batches = source.train_batches(
            seed=0, epoch=epoch, batch_size=settings.batch_size, device=CPU, channels_last=False
        )
        for place, (images, targets) in enumerate(batches):
            step = epoch * steps + place
            torch.manual_seed(stream_seed(0, "step", step))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, step, steps)
            optimizer.zero_grad()
            total = 0.0
            for x, y in zip(images.chunk(2), targets.chunk(2), strict=True):
                loss = training_loss(model(x), y, settings) * (len(x) / len(images))
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, 1 - 0.9)
            losses[-1].append(total)
    return losses


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_same_seed_same_history(make_recipe: MakeRecipe, open_source: Open, optimizer: str) -> None:
    """Digits, dropout, mixing, two parts to a batch, clipping, warm-up, an average of the weights."""
    recipe = _digits(make_recipe, optimizer)
    source = open_source(recipe)
    ours, plain = (
        start_state(recipe, recipe.arm("swish"), seed=0, source=source, device=CPU) for _ in range(2)
    )
    epochs = list(train_epochs(ours, recipe, recipe.arm("swish"), seed=0, source=source, device=CPU))
    expected = _textbook(plain, recipe, source)
    assert [epoch.train_loss for epoch in epochs] == list(map(statistics.fmean, expected))
    assert len(expected[0]) > 2
    assert ours.ema is not None
    assert plain.ema is not None
    for mine, theirs in ((ours.model, plain.model), (ours.ema.model, plain.ema.model)):
        for name, value in theirs.state_dict().items():
            if value.is_floating_point():
                assert torch.equal(mine.state_dict()[name], value), name
