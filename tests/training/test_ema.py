"""The average follows its recurrence, and its horizon follows the length of the run."""

import pytest
import torch
from torch import nn

from actbench.recipe.schema import EMASettings
from actbench.training.ema import EMA


def test_recurrence_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    ema = EMA(model, EMASettings(decay=0.9), total_steps=100)
    nn.init.constant_(model.weight, 2.0)
    ema.update(model)
    ema.update(model)
    assert ema.model.weight.item() == pytest.approx(0.81 * 1.0 + 0.19 * 2.0)


def test_a_horizon_is_a_share_of_all_steps() -> None:
    assert EMA(nn.Linear(1, 1), EMASettings(horizon=0.1), total_steps=1000).decay == pytest.approx(
        1 - 1 / 100
    )
    assert EMA(nn.Linear(1, 1), EMASettings(horizon=0.1), total_steps=5).decay == 0.0


def test_buffers_are_averaged_and_counts_copied() -> None:
    model = nn.BatchNorm1d(2)
    ema = EMA(model, EMASettings(decay=0.5), total_steps=10)
    model.train()
    model(torch.tensor([[1.0, 3.0], [3.0, 5.0]]))
    ema.update(model)
    assert model.running_mean is not None
    assert ema.model.running_mean is not None
    assert torch.allclose(ema.model.running_mean, model.running_mean / 2)
    assert ema.model.num_batches_tracked == 1
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
