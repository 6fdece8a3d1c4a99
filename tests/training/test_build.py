"""The built network is the published one: parameters, sites, start and deploy form with the real activations."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from actbench.models.catalog import ENTRIES as MODELS
from actbench.models.network import ActivationFactory, Network
from actbench.recipe.schema import Arm, Recipe
from actbench.training.build import activation_sites, build_model, check_sites, set_deep_lambda


def _recipe(model: dict[str, object], arm: dict[str, object]) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "counts",
            "profile": "paper",
            "data": {"name": "synthetic"},
            "model": {"name": "vanillanet", **model},
            "arms": [{"name": "arm", **arm}],
            "train": {"epochs": 1, "lr": 0.1},
        }
    )


def _parameters(recipe: Recipe, num_classes: int) -> int:
    model = build_model(recipe, recipe.arms[0], seed=0, num_classes=num_classes, channels=3)
    return sum(parameter.numel() for parameter in model.parameters())


# Upstream's LSLU stores theta and omega with one entry per channel, of which it uses the first n; the others never
# get a gradient. VanillaNet-5 has sites of 512, 1024, 2048 and 4096 channels.
DEAD_ENTRIES = {n: 2 * (512 + 1024 + 2048 + 4096 - 4 * n) for n in range(1, 8)}


@pytest.mark.parametrize(
    ("activation", "num_classes", "millions"),
    [
        ("series", 10, "17.2699"),
        ("lslu", 10, "17.2853"),
        ("series", 100, "17.6488"),
        ("lslu", 100, "17.6642"),
    ],
)
def test_vanillanet_5_has_the_published_parameters(activation: str, num_classes: int, millions: str) -> None:
    count = _parameters(_recipe({}, {"activation": activation}), num_classes)
    dead = DEAD_ENTRIES[3] if activation == "lslu" else 0
    assert f"{(count + dead) / 1e6:.4f}" == millions


@pytest.mark.parametrize(("n", "millions"), [(1, "17.357"), (4, "17.910"), (7, "19.016")])
def test_parameters_grow_with_n_as_published(n: int, millions: str) -> None:
    count = _parameters(_recipe({}, {"activation": "lslu", "options": {"n": n}}), 100)
    assert f"{(count + DEAD_ENTRIES[n]) / 1e6:.3f}" == millions


def test_native_is_the_architectures_own_activation() -> None:
    native, series = (
        build_model(recipe, recipe.arms[0], seed=0, num_classes=10, channels=3)
        for recipe in (_recipe({"width": 0.0625}, {"activation": name}) for name in ("native", "series"))
    )
    assert [type(site) for site in activation_sites(native).values()] == [
        type(site) for site in activation_sites(series).values()
    ]
    assert all(map(torch.equal, native.state_dict().values(), series.state_dict().values()))


@pytest.mark.parametrize("activation", ["relu", "swish", "series", "lslu", "lslu_parallel"])
def test_the_whole_network_deploys_to_the_same_answers(activation: str) -> None:
    """In float64 with theta, omega and all BN statistics moved off their start, negative values included."""
    recipe = _recipe({"width": 0.03125, "decay_epochs": 1}, {"activation": activation})
    model = build_model(recipe, recipe.arms[0], seed=1, num_classes=7, channels=3).double()
    set_deep_lambda(model, recipe.arms[0], epoch=1)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1:
                value.add_(0.3 * torch.randn(value.shape, generator=generator, dtype=torch.float64))
            if name.endswith("alphas"):
                value[0] = -value[0].abs()
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64))
    images = torch.randn(5, 3, 32, 32, generator=generator, dtype=torch.float64)
    model.eval()
    with torch.no_grad():
        trained = model(images)
        deployed = model.deploy()(images)
    assert trained.std() > 0
    # About 10 layers of sums of at most 128 products in float64, unit-sized: 10 * 128 * 2e-16 leaves room to 1e-11.
    assert torch.allclose(trained, deployed, rtol=1e-11, atol=1e-11)


def test_sites_can_be_globs_and_must_match_something() -> None:
    recipe = _recipe({"width": 0.0625}, {"activation": "swish", "sites": ["stages.[01].*"], "fill": "gelu"})
    model = build_model(recipe, recipe.arms[0], seed=0, num_classes=10, channels=3)
    kinds = {name: type(site).__name__ for name, site in activation_sites(model).items()}
    assert kinds == {
        "stem.act": "GELU",
        "stages.0.act": "Swish",
        "stages.1.act": "Swish",
        "stages.2.act": "GELU",
    }
    check_sites(recipe)
    wrong = recipe.arms[0].model_copy(update={"sites": ("block*",)})
    with pytest.raises(Exception, match=r"no activation site matches 'block\*'") as caught:
        check_sites(recipe.model_copy(update={"arms": (wrong,)}))
    assert "stages.0.act" in str(caught.value)


def test_native_keeps_what_each_site_of_an_architecture_has() -> None:
    recipe = _recipe({"name": "torchvision", "arch": "mobilenet_v3_large"}, {"activation": "native"})
    model = build_model(recipe, recipe.arms[0], seed=0, num_classes=10, channels=3)
    kinds = [type(site).__name__ for site in activation_sites(model).values()]
    assert (kinds.count("Hardswish"), kinds.count("ReLU"), len(kinds)) == (21, 19, 40)
    stem = _recipe(
        {"name": "torchvision", "arch": "mobilenet_v2", "width": 0.1},
        {"activation": "swish", "sites": "stem", "fill": "native"},
    )
    model = build_model(stem, stem.arms[0], seed=0, num_classes=10, channels=3)
    kinds = [type(site).__name__ for site in activation_sites(model).values()]
    assert (kinds[0], set(kinds[1:])) == ("Swish", {"ReLU6"})


def test_arms_share_every_weight_of_a_network_made_elsewhere() -> None:
    made = [
        build_model(recipe, recipe.arms[0], seed=3, num_classes=10, channels=3)
        for recipe in (
            _recipe({"name": "torchvision", "arch": "mobilenet_v2", "width": 0.1}, {"activation": activation})
            for activation in ("relu", "pwlu")
        )
    ]
    one, two = (dict(model.named_parameters()) for model in made)
    assert set(one) < set(two)
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_an_arm_can_hold_lambda() -> None:
    recipe = _recipe({"width": 0.0625, "decay_epochs": 4}, {"activation": "relu"})
    held = Arm.model_validate({"name": "held", "activation": "relu", "train": {"deep_lambda": 1.0}})
    model = build_model(recipe, recipe.arms[0], seed=0, num_classes=10, channels=3)
    assert [set_deep_lambda(model, recipe.arms[0], epoch=epoch) for epoch in (0, 1, 4, 9)] == [
        0.0,
        0.25,
        1.0,
        1.0,
    ]
    assert [set_deep_lambda(model, held, epoch=epoch) for epoch in (0, 9)] == [1.0, 1.0]


class OneBlock(Network):
    """One feed-forward block, whose first layer is of twice the width where the site asks for it."""

    def __init__(
        self, act: ActivationFactory, *, num_classes: int, in_channels: int, **_options: object
    ) -> None:
        super().__init__()
        self.act = act(6)
        self.fc1 = nn.Linear(in_channels, 12 if self.act.is_gated else 6)
        self.fc2 = nn.Linear(6, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.act(self.fc1(x.mean((2, 3)))))
        return y

    def sites(self) -> tuple[str, ...]:
        return ("act",)

    def stem_sites(self) -> tuple[str, ...]:
        return self.sites()

    def draw_initial(self, _module: nn.Module, _key: str, values: Tensor, generator: torch.Generator) -> None:
        values.normal_(generator=generator)

    def merge_convolutions(self) -> None:
        pass


def test_a_gated_activation_gets_a_layer_of_twice_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(MODELS["resnet_cifar"], target=f"{__name__}:OneBlock", takes_gated=True)
    monkeypatch.setitem(MODELS, "resnet_cifar", entry)
    for activation, width in (("swiglu", 12), ("relu2", 6)):
        recipe = _recipe({"name": "resnet_cifar"}, {"activation": activation})
        check_sites(recipe)
        model = build_model(recipe, recipe.arms[0], seed=0, num_classes=10, channels=3)
        assert model.get_submodule("fc1").out_features == width
        assert model(torch.randn(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(ValidationError, match=r"arms\[0\].sites: must be all for 'swiglu': it is gated"):
        _recipe({"name": "resnet_cifar"}, {"activation": "swiglu", "sites": "stem"})
