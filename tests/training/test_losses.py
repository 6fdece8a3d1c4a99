"""Both losses against their formulas, on hard and mixed targets."""

import math

import pytest
import torch

from actbench.recipe.schema import TrainSettings
from actbench.training.losses import training_loss


def _settings(loss: str, smoothing: float) -> TrainSettings:
    return TrainSettings.model_validate({"epochs": 1, "lr": 1.0, "loss": loss, "label_smoothing": smoothing})


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)]])
    # softmax is (1/4, 3/4)
    hard = training_loss(logits, torch.tensor([1]), _settings("cross_entropy", 0.0))
    assert hard.item() == pytest.approx(-math.log(0.75))
    smooth = training_loss(logits, torch.tensor([1]), _settings("cross_entropy", 0.2))
    assert smooth.item() == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


def test_bce_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)]])  # sigmoid is (1/2, 3/4)
    loss = training_loss(logits, torch.tensor([1]), _settings("bce", 0.2))
    # targets (0.1, 0.9)
    expected = (-math.log(0.5) + -0.9 * math.log(0.75) - 0.1 * math.log(0.25)) / 2
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["cross_entropy", "bce"])
def test_one_hot_targets_are_hard_targets(name: str) -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 4, 2, 2, 1, 3])
    one_hot = torch.eye(5)[targets]
    settings = _settings(name, 0.1)
    assert training_loss(logits, targets, settings).item() == pytest.approx(
        training_loss(logits, one_hot, settings).item(), rel=1e-6
    )


@pytest.mark.parametrize("name", ["cross_entropy", "bce"])
def test_the_loss_is_linear_in_mixed_targets(name: str) -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    one, other = torch.eye(3)[torch.tensor([0, 1, 2, 0])], torch.eye(3)[torch.tensor([2, 1, 0, 1])]
    settings = _settings(name, 0.1)
    mixed = training_loss(logits, 0.3 * one + 0.7 * other, settings)
    parts = 0.3 * training_loss(logits, one, settings) + 0.7 * training_loss(logits, other, settings)
    assert mixed.item() == pytest.approx(parts.item(), rel=1e-5)


def test_the_loss_is_computed_in_float32() -> None:
    logits = torch.randn(4, 3).bfloat16()
    assert training_loss(logits, torch.tensor([0, 1, 2, 0]), _settings("bce", 0.0)).dtype == torch.float32
