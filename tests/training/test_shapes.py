"""Learnt curves: measured where there are any, right, on training images alone, and without a trace in the run."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.activations.pwlu import PWLU
from actbench.activations.swish import Swish
from actbench.data.source import DataSource
from actbench.recipe.plan import make_plan
from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord, RunRecord, SiteShape
from actbench.store import Store
from actbench.training import loop, shapes
from actbench.training.run import execute
from actbench.training.shapes import measure_shapes, measured_epochs
from actbench.training.state import State, start_state

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]

ARMS = [
    {"name": "relu", "activation": "relu"},
    {"name": "swish", "activation": "swish"},
    {"name": "lslu", "activation": "lslu"},
    {"name": "pwlu", "activation": "pwlu", "options": {"phase_epochs": 1}},
    {"name": "layer", "activation": "pwlu", "options": {"phase_epochs": 0, "sharing": "layer"}},
]


def _run(
    recipe: Recipe,
    open_source: Open,
    folder: Path,
    arm: str,
    on_epoch: Callable[[EpochRecord], None] = lambda _epoch: None,
) -> RunRecord:
    source, store = open_source(recipe), Store(folder)
    planned = make_plan([recipe], {0: source.fingerprint}, store, arms=[arm]).runs[0]
    record = execute(planned, source=source, store=store, device=CPU, on_epoch=on_epoch)
    assert store.read(planned.path) == record
    return record


def _state(recipe: Recipe, open_source: Open, arm: str) -> tuple[State, DataSource]:
    source = open_source(recipe)
    return start_state(recipe, recipe.arm(arm), seed=0, source=source, device=CPU), source


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (1, {0}),
        (2, {0, 1}),
        (6, set(range(6))),
        (15, {0, 3, 6, 8, 11, 14}),
        (300, {0, 60, 120, 179, 239, 299}),
    ],
)
def test_at_most_six_epochs_the_first_and_the_last_among_them(epochs: int, expected: set[int]) -> None:
    assert measured_epochs(epochs) == expected


def test_a_record_holds_each_sites_curve(make_recipe: MakeRecipe, open_source: Open, tmp_path: Path) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 3})
    record = _run(recipe, open_source, tmp_path, "pwlu")
    sites = ["stem.act", "stages.0.act", "stages.1.act", "stages.2.act"]
    assert [[shape.site for shape in epoch.shapes] for epoch in record.history] == [sites] * 3
    first, last = record.history[0].shapes[1], record.history[-1].shapes[1]
    assert first.lower == first.upper == (), "phase one is ReLU in every channel"
    assert first.mean == pytest.approx([max(x, 0) for x in first.grid()], rel=6e-4), "four digits"
    assert last.mean != first.mean
    assert all(low <= high for low, high in zip(last.lower, last.upper, strict=True))
    assert last.lower != last.upper
    assert len(last.channels) == shapes.SINGLE_CHANNELS
    assert not record.history[1].shapes[1].channels, "single channels are kept once"
    assert 0.9 < sum(last.density) <= 1 + 32 * 5e-5


@pytest.mark.parametrize("arm", ["relu", "lslu"])
def test_what_has_no_curve_to_learn_has_none(
    arm: str, make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    record = _run(make_recipe(arms=ARMS, train={"epochs": 1}), open_source, tmp_path, arm)
    assert record.history[0].shapes == ()


def test_curve_quantiles_and_density_worked_out_beside(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 1})
    state, source = _state(recipe, open_source, "swish")
    site = state.sites["stem.act"]
    assert isinstance(site, Swish)
    with torch.no_grad():
        site.beta.copy_(torch.linspace(0, 2, len(site.beta)))
    seen: list[torch.Tensor] = []
    hook = site.register_forward_pre_hook(lambda _site, inputs: seen.append(inputs[0].clone()))
    (shape, *_) = measure_shapes(state, recipe, source, CPU)
    hook.remove()
    x = seen[0].double()
    assert len(x) == 16, "no more images than evaluation takes at once"
    assert shape.input_mean == pytest.approx(x.mean().item(), rel=1e-3, abs=1e-6)
    assert shape.input_std == pytest.approx(x.std(correction=0).item(), rel=1e-3)
    assert (shape.right - shape.left) / 8 == pytest.approx(shape.input_std, rel=1e-3)
    grid = torch.tensor(shape.grid(), dtype=torch.float64)
    curves = grid[:, None] * torch.sigmoid(site.beta.double() * grid[:, None])
    for stored, exact in (
        (shape.mean, curves.mean(dim=1)),
        (shape.lower, curves.quantile(0.1, dim=1)),
        (shape.upper, curves.quantile(0.9, dim=1)),
        (shape.channels[0], curves[:, 0]),
        (shape.channels[len(site.beta) - 1], curves[:, -1]),
    ):
        assert stored == pytest.approx(exact.tolist(), rel=6e-4, abs=1e-6)
    inside = [((x >= a) & (x < b)).double().mean().item() for a, b in pairwise(grid)]
    # Rounding to four decimals, and elements within float32's rounding of a cell's edge.
    assert shape.density == pytest.approx(inside, abs=1e-4 + 1 / x.numel())


def test_channels_that_share_a_curve_store_it_once(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 1})
    for shape in measure_shapes(*_state(recipe, open_source, "layer")[:1], recipe, open_source(recipe), CPU):
        assert (shape.lower, shape.upper, shape.channels) == ((), (), {})


def test_only_training_images_are_looked_at(
    make_recipe: MakeRecipe, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 1})
    state, source = _state(recipe, open_source, "pwlu")

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("neither validation nor test images are asked for")

    monkeypatch.setattr(type(source), "eval_batches", forbidden)
    assert measure_shapes(state, recipe, source, CPU)


def test_measuring_leaves_no_trace(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 1})
    state, source = _state(recipe, open_source, "pwlu")
    for site in state.sites.values():
        assert isinstance(site, PWLU)
        site.begin_epoch(0)  # statistics would be gathered in training mode
    state.model.train()
    frozen = state.model.get_submodule("stages.1")
    frozen.eval()
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    modes = [module.training for module in state.model.modules()]
    generator = torch.get_rng_state()
    assert measure_shapes(state, recipe, source, CPU)
    assert [module.training for module in state.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, before[name]) for name, value in state.model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in state.model.modules())


def test_a_run_ends_bitwise_as_without_the_measurement(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 3})
    measured = _run(recipe, open_source, tmp_path / "with", "pwlu")
    monkeypatch.setattr(loop, "measure_shapes", lambda *_: ())
    plain = _run(recipe, open_source, tmp_path / "without", "pwlu")
    assert measured.history[-1].shapes
    assert measured.results == plain.results
    assert [e.train_loss for e in measured.history] == [e.train_loss for e in plain.history]
    assert [e.activations for e in measured.history] == [e.activations for e in plain.history]


def test_a_resumed_run_has_the_curves_of_an_undisturbed_one(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 3})

    def stop(epoch: EpochRecord) -> None:
        if epoch.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(recipe, open_source, tmp_path, "pwlu", stop)
    resumed = _run(recipe, open_source, tmp_path, "pwlu")
    assert resumed.provenance.resumed == 1
    undisturbed = _run(recipe, open_source, tmp_path / "undisturbed", "pwlu")
    assert [e.shapes for e in resumed.history] == [e.shapes for e in undisturbed.history]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda site: site.heights.data.fill_(torch.inf),
        lambda site: site.register_forward_pre_hook(lambda _site, x: (x[0] * torch.nan,)),
    ],
    ids=["parameters", "input"],
)
def test_what_is_not_finite_is_left_out(
    break_it: Callable[[Any], object], make_recipe: MakeRecipe, open_source: Open
) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 1})
    state, source = _state(recipe, open_source, "layer")
    break_it(state.sites["stem.act"])
    assert measure_shapes(state, recipe, source, CPU) == ()


def test_an_input_that_never_varies_has_a_curve(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = make_recipe(arms=ARMS, train={"epochs": 1})
    state, source = _state(recipe, open_source, "swish")
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.zero_()
    for shape in measure_shapes(state, recipe, source, CPU):
        assert (shape.input_std, shape.left, shape.right) == (0.0, -1.0, 1.0)
        assert sum(shape.density) == 1.0


def test_numbers_stand_in_one_line_and_come_back_equal() -> None:
    numbers = tuple(-0.123456789 + i / 7 for i in range(33))
    shape = SiteShape(
        site="a", input_mean=0.1, input_std=1.0, left=-3.9, right=4.1, density=numbers[:32], mean=numbers,
        channels={3: numbers},
    )  # fmt: skip
    text = shape.model_dump_json(indent=1)
    assert '"mean": "-0.1235 0.0194 ' in text
    assert SiteShape.model_validate_json(text) == shape
    assert shape.grid()[0] == -3.9
    assert shape.grid()[-1] == pytest.approx(4.1, rel=1e-12)
    with pytest.raises(ValueError, match="finite number"):
        SiteShape.model_validate_json(text.replace("-0.1235", "nan", 1))
