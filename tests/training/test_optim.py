"""Groups hold every parameter once, decay spares what it should, and the learning rate follows its closed form."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from actbench.data.source import DataSource
from actbench.recipe.schema import ArmTrain, Recipe, TrainSettings
from actbench.training.optim import (
    forget,
    learning_rate,
    load_optimizer_state,
    make_optimizer,
    parameter_groups,
    set_learning_rate,
)
from actbench.training.state import start_state


def _settings(**values: object) -> TrainSettings:
    return TrainSettings.model_validate({"epochs": 10, "lr": 0.1, **values})


def test_every_trainable_parameter_is_in_exactly_one_group(
    make_recipe: Callable[..., Recipe], open_source: Callable[[Recipe], DataSource]
) -> None:
    recipe = make_recipe()
    for arm in recipe.arms:
        state = start_state(recipe, arm, seed=0, source=open_source(recipe), device=torch.device("cpu"))
        held = [id(p) for group in state.optimizer.param_groups for p in group["params"]]
        trainable = {id(p) for p in state.model.parameters() if p.requires_grad}
        assert len(held) == len(set(held))
        assert set(held) == trainable
        told = [name for group in state.groups for name in group.tensors]
        assert sorted(told) == sorted(n for n, p in state.model.named_parameters() if p.requires_grad)


def test_decay_spares_vectors_and_takes_depthwise_weights(
    make_recipe: Callable[..., Recipe], open_source: Callable[[Recipe], DataSource]
) -> None:
    recipe = make_recipe()
    arm = recipe.arm("lslu")
    state = start_state(recipe, arm, seed=0, source=open_source(recipe), device=torch.device("cpu"))
    decay = {name: group.weight_decay for group in state.groups for name in group.tensors}
    for name, parameter in state.model.named_parameters():
        assert decay[name] == (0.05 if parameter.ndim > 1 else 0.0), name
    assert any(name.endswith("alphas") for name in decay)
    assert {group.activation for group in state.groups} == {True, False}


def test_the_arms_factors_reach_its_own_parameters_alone() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.PReLU())
    arm = ArmTrain(lr_factor=0.5, weight_decay_factor=0.0)
    groups = parameter_groups(model, {"1": model[1]}, _settings(weight_decay=0.1), arm)
    optimizer = make_optimizer(groups.groups, _settings())
    set_learning_rate(optimizer, 0.2)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(model[1].weight)] == pytest.approx(0.1)
    assert rates[id(model[0].weight)] == pytest.approx(0.2)


def test_an_activation_may_say_its_own_decay() -> None:
    class Declares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.ones(3))

        def param_groups(self) -> list[dict[str, object]]:
            return [{"params": [self.a], "weight_decay": 0.3, "lr_factor": 2.0}]

    model = nn.Sequential(Declares())
    records = parameter_groups(
        model, {"0": model[0]}, _settings(weight_decay=0.1), ArmTrain(lr_factor=3.0)
    ).records
    assert [(group.weight_decay, group.lr_factor, group.tensors) for group in records] == [
        (0.3, 6.0, ("0.a",))
    ]


def test_cosine_with_warmup_has_its_closed_form() -> None:
    settings = _settings(warmup_epochs=2, min_lr=0.01)
    steps = 5
    assert [learning_rate(settings, step, steps) for step in (0, 4, 9)] == pytest.approx([0.01, 0.05, 0.1])
    assert learning_rate(settings, 10, steps) == pytest.approx(0.1)
    assert learning_rate(settings, 30, steps) == pytest.approx(0.01 + 0.09 * 0.5)  # half of the 40 steps left
    last = 0.01 + 0.09 * 0.5 * (1 + math.cos(math.pi * 39 / 40))
    assert learning_rate(settings, 49, steps) == pytest.approx(last)


def test_linear_falls_evenly_to_the_last_step() -> None:
    settings = _settings(schedule="linear", warmup_epochs=2, min_lr=0.02)
    rates = [learning_rate(settings, step, 5) for step in (0, 9, 10, 30, 49)]
    assert rates == pytest.approx([0.01, 0.1, 0.1, 0.06, 0.02 + 0.08 / 40])
    bare = _settings(schedule="linear")
    assert learning_rate(bare, 0, 5) == 0.1
    assert learning_rate(bare, 49, 5) == pytest.approx(0.1 / 50)


def test_step_schedule_drops_at_its_milestones() -> None:
    settings = _settings(schedule="step", milestones=[0.5, 0.75], gamma=0.1)
    rates = [learning_rate(settings, step, 4) for step in (0, 19, 20, 29, 30, 39)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_exponential_schedule_drops_every_so_many_epochs() -> None:
    settings = _settings(schedule="exponential", gamma=0.5, decay_every=2.4, warmup_epochs=1)
    # 5 steps an epoch: drops at steps 12, 24, 36, counted from the start, warm-up included
    rates = [learning_rate(settings, step, 5) for step in (0, 4, 5, 11, 12, 23, 24, 36)]
    assert rates == pytest.approx([0.02, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.0125])
    floor = _settings(schedule="exponential", gamma=0.5, decay_every=1.0, min_lr=0.03)
    assert learning_rate(floor, 49, 5) == 0.03
    # 0.1 * 3 is a little above 0.3: a drop falls on its own step all the same
    tenths = _settings(schedule="exponential", gamma=0.5, decay_every=0.1)
    assert learning_rate(tenths, 3, 10) == pytest.approx(0.0125)


def test_rmsprop_has_its_closed_form() -> None:
    """v = 0.9 v + 0.1 g^2; u = 0.5 u + g / (sqrt(v) + eps); w = w - lr u. With g = w: two steps by hand."""
    weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    groups: list[dict[str, object]] = [{"params": [weight], "lr_factor": 1.0, "weight_decay": 0.0}]
    optimizer = make_optimizer(groups, _settings(optimizer="rmsprop", momentum=0.5, eps=0.1, rms_decay=0.9))
    want, v, u = 2.0, 0.0, 0.0
    for _ in range(2):
        v, gradient = 0.9 * v + 0.1 * want**2, want
        u = 0.5 * u + gradient / (math.sqrt(v) + 0.1)
        want -= 0.1 * u
        optimizer.zero_grad()
        torch.autograd.backward(weight.square().sum() / 2)
        optimizer.step()
    assert weight.item() == pytest.approx(want, rel=1e-12)


def test_constant_schedule_and_a_warmup_longer_than_the_run() -> None:
    assert learning_rate(_settings(schedule="constant"), 39, 4) == 0.1
    settings = _settings(epochs=1, warmup_epochs=5)
    assert [learning_rate(settings, step, 2) for step in (0, 1)] == pytest.approx([0.05, 0.1])


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adamw", "lamb"])
def test_each_optimiser_goes_downhill(name: str) -> None:
    weight = nn.Parameter(torch.tensor([[3.0, -2.0]]))
    groups: list[dict[str, object]] = [{"params": [weight], "lr_factor": 1.0, "weight_decay": 0.0}]
    optimizer = make_optimizer(groups, _settings(optimizer=name, lr=0.05, nesterov=True))
    before = weight.square().sum().item()
    for _ in range(5):
        optimizer.zero_grad()
        torch.autograd.backward(weight.square().sum())
        optimizer.step()
    assert weight.square().sum().item() < before


def test_forget_drops_the_state_of_those_parameters_alone() -> None:
    kept, dropped = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups: list[dict[str, object]] = [{"params": [kept, dropped], "lr_factor": 1.0, "weight_decay": 0.0}]
    optimizer = make_optimizer(groups, _settings(optimizer="adamw"))
    torch.autograd.backward(kept.sum() + dropped.sum())
    optimizer.step()
    forget(optimizer, (dropped,))
    assert set(optimizer.state) == {kept}


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_gpus_form_of_an_optimiser_is_the_plain_one(name: str) -> None:
    """One kernel for all tensors, which a CPU has too: steps, a parameter begun anew, a state saved by the other form.

    In double precision, where twelve steps differ by their rounding alone.
    """
    torch.manual_seed(0)
    start = [torch.randn(5, 3, dtype=torch.float64), torch.randn(4, dtype=torch.float64)]
    settings = _settings(optimizer=name, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)
    forms = []
    for device in ("cpu", "cuda"):
        parameters = [nn.Parameter(values.clone()) for values in start]
        groups: list[dict[str, object]] = [{"params": parameters, "lr_factor": 1.0, "weight_decay": 0.1}]
        forms.append((parameters, make_optimizer(groups, settings, torch.device(device))))
    (plain, by_loop), (fused, by_kernel) = forms
    assert [form.param_groups[0]["fused"] for form in (by_loop, by_kernel)] == [None, True]
    for step in range(12):
        gradients = [torch.randn_like(values) for values in start]
        for parameters, optimizer in forms:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.clone()
            if step == 4:
                forget(optimizer, (parameters[0],))
            optimizer.step()
        if step == 8:
            load_optimizer_state(by_kernel, copy.deepcopy(by_loop.state_dict()))
        for mine, theirs in zip(fused, plain, strict=True):
            assert torch.allclose(mine, theirs, rtol=1e-12, atol=1e-12), step
    assert by_kernel.param_groups[0]["fused"] is True


def test_a_learning_rate_on_the_device_is_set_in_place() -> None:
    parameter = nn.Parameter(torch.ones(2))
    groups: list[dict[str, object]] = [{"params": [parameter], "lr_factor": 0.5, "lr": torch.tensor(1.0)}]
    optimizer = torch.optim.SGD(groups, lr=1.0, fused=True)
    lr = optimizer.param_groups[0]["lr"]
    set_learning_rate(optimizer, 0.1)
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.05)
    load_optimizer_state(optimizer, copy.deepcopy(torch.optim.SGD([parameter], lr=3.0).state_dict()))
    assert isinstance(optimizer.param_groups[0]["lr"], torch.Tensor)
