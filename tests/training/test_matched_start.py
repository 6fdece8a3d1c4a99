"""`init: matched`: whatever an activation's scale, the run is the same; each site begins with ReLU's mean square."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.activations.catalog import ActivationEntry
from actbench.activations.fixed_gain import FixedGain
from actbench.activations.plugins import load_plugin
from actbench.data.source import DataSource
from actbench.recipe.hashing import footing_hash
from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord
from actbench.training.build import activation_sites
from actbench.training.loop import train_epochs
from actbench.training.state import State, start_state

MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
CPU = torch.device("cpu")
SCALED = """
from torch import nn

class Scaled(nn.Module):
    def __init__(self, num_channels: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return self.scale * x.relu()
"""


@pytest.fixture
def scaled(catalogue: dict[str, ActivationEntry], tmp_path: Path) -> list[dict[str, Any]]:
    """ReLU, and c times ReLU for c = 0.5, 1, 2 and one that is no power of two."""
    del catalogue
    file = tmp_path / "scaled.py"
    file.write_text(SCALED)
    load_plugin(file)
    arms = [
        {"name": f"times_{scale}", "activation": "Scaled", "options": {"scale": scale}}
        for scale in (0.5, 1.0, 2.0, 0.3)
    ]
    return [{"name": "relu", "activation": "relu"}, *arms]


def _recipe(make_recipe: MakeRecipe, arms: list[dict[str, Any]], init: str, **blocks: Any) -> Recipe:
    """Without batch normalisation, which would undo any scale by itself."""
    model = {"name": "cnn", "stages": [[6], [8]], "dropout": 0.0}
    whole = make_recipe(arms=arms, data={"train": 80, "test": 16}, **blocks).model_dump()
    del whole["arms"]
    train = {**whole["train"], "optimizer": "sgd", "lr": 0.05}
    return Recipe.model_validate({**whole, "model": model, "train": train, "arms": arms, "init": init})


def _states(recipe: Recipe, source: DataSource) -> dict[str, State]:
    return {arm.name: start_state(recipe, arm, seed=0, source=source, device=CPU) for arm in recipe.arms}


def _trained(recipe: Recipe, source: DataSource) -> dict[str, list[EpochRecord]]:
    return {
        arm.name: list(
            train_epochs(
                start_state(recipe, arm, seed=0, source=source, device=CPU),
                recipe,
                arm,
                seed=0,
                source=source,
                device=CPU,
            )
        )
        for arm in recipe.arms
    }


def _moments(history: list[EpochRecord]) -> dict[str, float | None]:
    return {entry.site: entry.second for entry in history[0].moments if entry.step == 0}


def test_multiples_of_relu_start_alike_and_end_alike(
    make_recipe: MakeRecipe, open_source: Open, scaled: list[dict[str, Any]]
) -> None:
    """Powers of two scale without rounding, so those runs agree to the last bit; 0.3 agrees to rounding."""
    recipe = _recipe(make_recipe, scaled, "matched")
    source = open_source(recipe)
    found = _trained(recipe, source)
    relu = found["relu"]
    assert len(_moments(relu)) == 2
    for scale in (0.5, 1.0, 2.0):
        other = found[f"times_{scale}"]
        assert _moments(other) == _moments(relu)
        assert [entry.train_loss for entry in other] == [entry.train_loss for entry in relu]
        assert [entry.val for entry in other] == [entry.val for entry in relu]
    for one, two in zip(found["times_0.3"], relu, strict=True):
        # Float32 over 2 epochs of 8 updates, whose differences grow by far less than a hundredfold.
        assert math.isclose(one.train_loss, two.train_loss, rel_tol=1e-4)
    shared = _trained(_recipe(make_recipe, scaled, "shared"), source)
    assert shared["times_2.0"][-1].train_loss != pytest.approx(shared["relu"][-1].train_loss, rel=1e-3)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "vanillanet", "width": 0.0625, "dropout": 0.3, "decay_epochs": 1},
        {"name": "resnet_cifar", "depth": 8, "width": 4},
        {"name": "vit", "image_size": 32, "patch": 8, "width": 16, "depth": 2, "heads": 2},
    ],
)
def test_every_arm_starts_with_relus_mean_squares(
    make_recipe: MakeRecipe, open_source: Open, model: dict[str, Any]
) -> None:
    arms = [{"name": name, "activation": name} for name in ("relu", "swish", "gelu", "pwlu", "selu")]
    base = make_recipe().model_dump()
    del base["arms"]
    recipe = Recipe.model_validate({**base, "arms": arms, "model": model, "init": "matched"})
    source = open_source(recipe)
    images = source.first_train_images(16, device=CPU, channels_last=False)
    squares: dict[str, dict[str, float]] = {}
    for arm, state in _states(recipe, source).items():
        seen = squares.setdefault(arm, {})
        before = {name: value.clone() for name, value in state.model.state_dict().items()}
        for name, site in state.sites.items():
            site.register_forward_hook(
                lambda _s, _i, y, name=name, seen=seen: seen.update({name: float(y.square().mean())})
            )
        state.model.eval()
        for module in state.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train()
        with torch.no_grad():
            state.model(images)
        assert all(float(before[f"{name}.gain"]) > 0 for name in state.sites)
        if arm == "relu":
            assert {float(before[f"{name}.gain"]) for name in state.sites} == {1.0}
        if arm == "swish":
            assert all(float(before[f"{name}.gain"]) > 1 for name in state.sites)
    for arm, seen in squares.items():
        # Float32 sums, one rounded gain a site, through at most a dozen layers.
        assert seen == pytest.approx(squares["relu"], rel=1e-4), arm


def test_gains_are_part_of_the_weights_and_of_the_footing_alone(
    make_recipe: MakeRecipe, open_source: Open
) -> None:
    arms = [{"name": "swish", "activation": "swish", "frozen": "start"}]
    base = make_recipe().model_dump()
    del base["arms"]
    plain, matched = (
        Recipe.model_validate({**base, "arms": arms, "init": init}) for init in ("shared", "matched")
    )
    assert footing_hash(plain, "f") != footing_hash(matched, "f")
    source = open_source(matched)
    state = start_state(matched, matched.arms[0], seed=0, source=source, device=CPU)
    assert all(isinstance(site, FixedGain) for site in state.sites.values())
    own = {name for name, _ in state.model.named_parameters()}
    assert {name.replace(".inner.", ".") for name in own} == {
        name
        for name, _ in start_state(
            plain, plain.arms[0], seed=0, source=source, device=CPU
        ).model.named_parameters()
    }
    # A donor brings its gains along.
    taken = {
        name: value + 1 if name.endswith("gain") else value
        for name, value in state.model.state_dict().items()
    }
    taker = start_state(matched, matched.arms[0], seed=1, source=source, device=CPU, donor=taken)
    for name, site in activation_sites(taker.model).items():
        assert torch.equal(site.get_buffer("gain"), taken[f"{name}.gain"])


def test_detectors_have_no_matched_start(make_recipe: MakeRecipe) -> None:
    whole = make_recipe().model_dump()
    whole |= {"data": {"name": "synthetic_shapes"}, "evaluation": {"batch_size": 4}, "init": "matched"}
    detector = {
        "task": "detect",
        "model": {"name": "retinanet"},
        "input": {"normalize": "imagenet", "interpolation": "bilinear"},
    }
    with pytest.raises(ValueError, match="init: matched is not for task detect"):
        Recipe.model_validate({**whole, **detector})
