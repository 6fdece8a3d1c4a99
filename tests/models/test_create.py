"""The contract that every model keeps, over every entry of the catalogue."""

import copy
import inspect
import subprocess
import sys
from importlib import import_module

import pytest
import torch
import torch._dynamo
from pydantic import TypeAdapter
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.catalog import ENTRIES, ModelOptions
from actbench.models.create import create_model
from actbench.models.network import ActivationFactory, Network
from actbench.models.vanillanet import VanillaNet

_VIT = {"name": "vit", "image_size": 32, "patch": 8, "width": 16, "depth": 2, "heads": 2}
# One small variant of every architecture and of every option that changes the structure.
SMALL = [
    {"name": "vanillanet", "width": 1 / 32},
    {"name": "vanillanet", "width": 1 / 32, "stem_stride": 2, "dropout": 0.1, "decay": "cosine"},
    {"name": "vanillanet", "depth": 8, "width": 1 / 64, "stem_stride": 1},
    {"name": "resnet", "width": 4, "dropout": 0.1},
    {"name": "resnet", "depth": 34, "width": 4, "stem": "cifar"},
    {"name": "resnet", "depth": 50, "width": 4, "stem": "cifar"},
    {"name": "resnet_cifar", "depth": 8, "width": 4},
    {"name": "resnet_cifar", "depth": 20, "width": 4},
    {"name": "resnet_preact", "depth": 20, "width": 4},
    {"name": "cnn", "stages": [[4, 6], [8]], "batch_norm": True, "dropout": 0.1},
    {
        "name": "cnn",
        "stages": [[4], [6]],
        "kernel": 5,
        "padding": "valid",
        "map_side": 5,
        "dense": [9, 7],
    },  # as LeNet
    {"name": "cnn", "stages": [[4]], "pool": "average", "map_side": 2, "dense": [6], "dense_dropout": 0.1},
    {"name": "torchvision", "arch": "mobilenet_v2", "stem": "cifar", "width": 0.1},
    {**_VIT, "drop_path": 0.2, "dropout": 0.1},
    {**_VIT, "feed_forward": "kat", "pool": "mean", "w_init": "variance_preserving"},
]
IDS = ["-".join(str(value) for value in options.values()) for options in SMALL]


class ScaledReLU(nn.Module):
    """An activation with a parameter of its own and a deploy form that is another module."""

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__()
        self.num_channels, self.channel_dim = num_channels, channel_dim
        self.scale = nn.Parameter(torch.full((num_channels, 1, 1), 1.25))

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[self.channel_dim] == self.num_channels
        return torch.relu(x) * beside(self.scale, x, self.channel_dim)

    def deploy(self) -> nn.Module:
        return Deployed(self.scale.detach(), self.channel_dim)


class Deployed(nn.Module):
    def __init__(self, scale: Tensor, channel_dim: int) -> None:
        super().__init__()
        self.scale, self.channel_dim = scale, channel_dim

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x * beside(self.scale, x, self.channel_dim))


def beside(scale: Tensor, x: Tensor, channel_dim: int) -> Tensor:
    return scale.flatten() if channel_dim == -1 else scale.view(-1, *[1] * (x.ndim - 2))


def build(
    options: dict[str, object],
    act: ActivationFactory = ScaledReLU,
    num_classes: int = 7,
    in_channels: int = 3,
) -> Network:
    parsed: ModelOptions = TypeAdapter(ModelOptions).validate_python(options)
    return create_model(parsed, num_classes=num_classes, in_channels=in_channels, act=act)


def at_lambda_one(model: Network) -> Network:
    """Where a model has deep training, as after it."""
    if isinstance(model, VanillaNet):
        model.set_deep_lambda(1.0)
    return model


def randomize(model: nn.Module, seed: int = 0) -> None:
    """Weights near unit gain and BN statistics far from their initial 1 and 0, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(std=fan_in**-0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(std=0.3, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(std=0.3, generator=generator)
                module.running_mean.normal_(std=0.3, generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)


@pytest.fixture(params=SMALL, ids=IDS)
def options(request: pytest.FixtureRequest) -> dict[str, object]:
    small: dict[str, object] = request.param
    return small


def test_every_entry_has_a_small_variant() -> None:
    classifiers = {name for name, entry in ENTRIES.items() if entry.task == "classify"}
    assert {str(options["name"]) for options in SMALL} == classifiers  # detectors have tests of their own


@pytest.mark.parametrize("name", list(ENTRIES))
def test_options_equal_the_constructor_signature(name: str) -> None:
    entry = ENTRIES[name]
    module, _, class_name = entry.target.partition(":")
    parameters = inspect.signature(getattr(import_module(module), class_name)).parameters
    keyword_only = {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert keyword_only.pop("num_classes").default is inspect.Parameter.empty
    # Of text it is the size of the vocabulary, which nothing but the data knows.
    channels = inspect.Parameter.empty if entry.task == "text" else 3
    assert keyword_only.pop("in_channels").default == channels
    assert next(iter(parameters)) == "act"
    fields = {key: f for key, f in entry.options.model_fields.items() if key != "name"}
    assert {key: p.default for key, p in keyword_only.items()} == {
        key: f.default for key, f in fields.items()
    }
    assert {key: p.annotation for key, p in keyword_only.items()} == {
        key: f.annotation for key, f in fields.items()
    }


def test_options_reach_the_model() -> None:
    vanilla = build({"name": "vanillanet", "depth": 6, "width": 0.02, "decay_epochs": 8, "decay": "cosine"})
    assert isinstance(vanilla, VanillaNet)
    assert len(vanilla.sites()) == 5
    assert (vanilla.decay_epochs, vanilla.decay) == (8, "cosine")
    assert len(build({"name": "resnet", "depth": 34, "width": 4}).sites()) == 33
    assert len(build({"name": "resnet_cifar", "depth": 32, "width": 4}).sites()) == 31


def test_package_and_catalogue_load_no_torch() -> None:
    code = "import sys, actbench.models, actbench.models.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("in_channels", [1, 3])
def test_logits_have_one_column_per_class(options: dict[str, object], in_channels: int) -> None:
    model = build(options, in_channels=in_channels)
    x = torch.randn(2, in_channels, 32, 32)
    for mode in (True, False):
        logits = model.train(mode)(x)
        assert logits.shape == (2, 7)
        assert torch.isfinite(logits).all()


def test_every_site_is_its_own_instance_of_the_factory(options: dict[str, object]) -> None:
    made: list[nn.Module] = []

    def act(num_channels: int, channel_dim: int = 1) -> nn.Module:
        made.append(ScaledReLU(num_channels, channel_dim))
        return made[-1]

    model = build(options, act)
    sites = [model.get_submodule(path) for path in model.sites()]
    assert sorted(map(id, sites)) == sorted(map(id, made))
    assert len(set(map(id, sites))) == len(sites)
    assert set(model.stem_sites()) <= set(model.sites())
    assert model.stem_sites() == (() if options["name"] == "vit" else model.sites()[:1])


def test_sites_stand_in_the_order_of_the_data(options: dict[str, object]) -> None:
    model = build(options)
    met: list[str] = []
    for path in model.sites():
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: met.append(path))
    model(torch.randn(2, 3, 32, 32))
    assert tuple(met) == model.sites()


def own_parameters(model: Network) -> list[tuple[str, nn.Module, str, nn.Parameter]]:
    """Parameters outside the activation sites: full name, module, key, parameter."""
    return [
        (f"{path}.{key}", module, key, parameter)
        for path, module in model.named_modules()
        if not any(path == site or path.startswith(site + ".") for site in model.sites())
        for key, parameter in module.named_parameters(recurse=False)
    ]


def initialise(model: Network, seed: int) -> dict[str, Tensor]:
    values = {}
    for index, (name, module, key, parameter) in enumerate(own_parameters(model)):
        model.init_parameter(module, key, parameter, torch.Generator().manual_seed(seed + index))
        values[name] = parameter.detach().clone()
    return values


def test_init_parameter_sets_every_own_parameter_from_the_generator_alone(options: dict[str, object]) -> None:
    first, second = build(options), build(options)
    with torch.no_grad():
        for *_, parameter in own_parameters(first):
            parameter.fill_(float("nan"))  # what init_parameter left out would stay visible
    torch.manual_seed(1)
    one = initialise(first, seed=5)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = initialise(second, seed=5)
    assert torch.equal(state, torch.get_rng_state())
    assert len(one) == len({id(p) for *_, p in own_parameters(first)}) > 0
    for name, value in one.items():
        assert torch.isfinite(value).all(), name
        assert torch.equal(value, two[name]), name
    other = initialise(second, seed=6)
    drawn = [name for name, value in one.items() if value.dim() > 1]
    assert drawn
    assert not any(torch.equal(one[name], other[name]) for name in drawn)


def test_initial_values_do_not_depend_on_memory_format_or_dtype(options: dict[str, object]) -> None:
    one = initialise(build(options), seed=3)
    two = initialise(build(options).to(memory_format=torch.channels_last), seed=3)
    wide = initialise(build(options).double(), seed=3)
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
        assert torch.equal(value.double(), wide[name]), name


def test_init_parameter_refuses_an_activation(options: dict[str, object]) -> None:
    model = build(options)
    site = model.get_submodule(model.sites()[0])
    assert isinstance(site, ScaledReLU)
    with pytest.raises(TypeError, match="ScaledReLU's 'scale'"):
        model.init_parameter(site, "scale", site.scale, torch.Generator())


def test_deploy_changes_no_eval_output_in_float64(options: dict[str, object]) -> None:
    model = at_lambda_one(build(options).double())
    randomize(model)
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model.eval()(x)
        assert model.deploy() is model
        after = model(x)
    assert before.std() > 0.01
    assert (before - after).abs().max() < 1e-10 * before.abs().max()


def test_deployed_form_has_no_batch_norm_and_deployed_sites(options: dict[str, object]) -> None:
    model = at_lambda_one(build(options)).deploy()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert all(isinstance(model.get_submodule(path), Deployed) for path in model.sites())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.training
    assert model.deploy() is model  # a second time does nothing
    with pytest.raises(ActbenchError, match="deployed model cannot be trained"):
        model.train()


def test_deploy_leaves_sites_without_a_deploy_form_alone(options: dict[str, object]) -> None:
    model = at_lambda_one(build(options, lambda *_, **__: nn.SiLU())).deploy()
    assert all(isinstance(model.get_submodule(path), nn.SiLU) for path in model.sites())


def test_a_copy_is_deployed_alone(options: dict[str, object]) -> None:
    model = at_lambda_one(build(options))
    kinds = [type(module) for module in model.modules()]
    copy.deepcopy(model).deploy()
    model.train()
    assert [type(module) for module in model.modules()] == kinds


def test_channels_last_stays_and_changes_only_rounding(options: dict[str, object]) -> None:
    model = build(options).double().eval()
    randomize(model)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    want = model(x)
    model.to(memory_format=torch.channels_last)
    strides = []
    for path in model.sites():
        model.get_submodule(path).register_forward_hook(
            lambda _module, _args, y: strides.append(
                y.ndim < 4 or y.is_contiguous(memory_format=torch.channels_last)
            )
        )
    got = model(x.to(memory_format=torch.channels_last))
    assert len(strides) == len(model.sites())
    assert all(strides)
    assert (got - want).abs().max() < 1e-12 * want.abs().max()


def test_autocast_bf16_trains(options: dict[str, object]) -> None:
    model = build(options)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(torch.randn(4, 3, 32, 32))
    logits.float().square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("index", [1, 2, 3, 5, 6, 8, 10], ids=lambda index: IDS[index])
def test_compiles_as_one_graph(index: int) -> None:
    torch._dynamo.reset()
    model = build(SMALL[index])
    x = torch.randn(2, 3, 32, 32)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.manual_seed(0)
    got = compiled(x)
    torch.manual_seed(0)
    assert torch.equal(got, model(x))
