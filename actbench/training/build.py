"""A recipe's model with one arm's activation at its sites, and the same start for every arm of a seed.

Every shared weight is drawn from its own stream (seed, "init", parameter name), every site's activation from
(seed, "activation", site). So two arms of a seed agree bitwise in every weight that both have, whatever else they
carry.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial

import torch
from torch import Tensor, nn

from actbench.activations.create import create_activation
from actbench.activations.fixed_gain import FixedGain
from actbench.activations.spare import SpareScalars
from actbench.data.normalization import constant_normalization
from actbench.errors import ActbenchError
from actbench.models.catalog import ModelOptions, native_activations
from actbench.models.create import create_model
from actbench.models.network import DeepTraining, FramesInput, Network
from actbench.recipe.ablated import Spare
from actbench.recipe.schema import Arm, Recipe
from actbench.streams import stream_seed
from actbench.training.ablated import freeze
from actbench.training.plugged import check_plugins


class Site(nn.Module):
    """Holds the place of an activation until the site's name is known.

    A model with feed-forward blocks doubles the layer before it where `is_gated`.
    """

    def __init__(self, num_channels: int, channel_dim: int = 1, *, is_gated: bool = False) -> None:
        super().__init__()
        self.num_channels, self.channel_dim, self.is_gated = num_channels, channel_dim, is_gated

    def forward(self, _x: Tensor) -> Tensor:
        raise AssertionError("a site was left without an activation")


def build_model(recipe: Recipe, arm: Arm, *, seed: int, num_classes: int, channels: int) -> Network:
    """The model on the CPU, initialised for `seed`.

    Raises ActbenchError if the arm's `sites` match no site, or its plug-in is not the one that the arm was made with.
    """
    check_plugins(arm)
    model = _create(recipe.model_of(arm), num_classes, channels, is_gated=arm.is_gated)
    _initialise(model, seed)
    _fill_sites(model, recipe, arm, seed)
    model.init_behind_sites()
    set_deep_lambda(model, arm, epoch=0)
    if isinstance(model, FramesInput):
        mean, std = constant_normalization(recipe.input, channels)
        model.frame_input(size=recipe.input.size, max_size=recipe.input.max_size, mean=mean, std=std)
    return model


def build_shapes(recipe: Recipe, arm: Arm, *, num_classes: int, channels: int) -> Network:
    """The model on the meta device: every parameter's shape and no values."""
    check_plugins(arm)
    with torch.device("meta"):
        model = _create(recipe.model_of(arm), num_classes, channels, is_gated=arm.is_gated)
        _fill_sites(model, recipe, arm, seed=0)
    return model


def _count(spare: Spare, site: Site) -> int:
    """How many learnable scalars the other activation would have at that site."""
    other = create_activation(
        spare.activation, site.num_channels, channel_dim=site.channel_dim, **spare.options.model_dump()
    )
    return sum(parameter.numel() for parameter in other.parameters() if parameter.requires_grad)


def chosen_sites(arm: Arm, model: Network) -> dict[str, nn.Module]:
    """The sites that hold the arm's activation, in the model's order."""
    chosen = _chosen_sites(arm, model)
    return {name: site for name, site in activation_sites(model).items() if name in chosen}


def check_sites(recipe: Recipe) -> None:
    """Raises ActbenchError if an arm's `sites` match no site of the model; builds nothing but its shape."""
    shapes: dict[tuple[ModelOptions, bool], Network] = {}
    for arm in recipe.arms:
        key = (recipe.model_of(arm), arm.is_gated)
        if key not in shapes:
            with torch.device("meta"):
                shapes[key] = _create(key[0], 2, 3, is_gated=arm.is_gated)
        _chosen_sites(arm, shapes[key])


def channel_dims(recipe: Recipe, arm: Arm) -> set[int]:
    """Where the inputs of the arm's sites have their channels: at 1, at -1, or both."""
    with torch.device("meta"):
        model = _create(recipe.model_of(arm), 2, 3, is_gated=arm.is_gated)
    return {site.channel_dim for site in activation_sites(model).values() if isinstance(site, Site)}


def activation_sites(model: Network) -> dict[str, nn.Module]:
    """Site name -> what stands there."""
    return {name: model.get_submodule(name) for name in model.sites()}


def set_deep_lambda(model: Network, arm: Arm, *, epoch: int) -> float | None:
    """Sets the epoch's lambda of deep training and returns it; None for a model without deep training."""
    if not isinstance(model, DeepTraining):
        return None
    value = arm.train.deep_lambda if arm.train.deep_lambda is not None else model.deep_lambda_at(epoch)
    model.set_deep_lambda(value)
    return value


def _create(model: ModelOptions, num_classes: int, channels: int, *, is_gated: bool) -> Network:
    act = partial(Site, is_gated=is_gated)
    return create_model(model, num_classes=num_classes, in_channels=channels, act=act)


def _fill_sites(model: Network, recipe: Recipe, arm: Arm, seed: int) -> None:
    chosen = _chosen_sites(arm, model)
    (native, *_) = native_activations(recipe.model)
    for name, site in activation_sites(model).items():
        assert isinstance(site, Site)
        activation, options = (
            (arm.activation, arm.options) if name in chosen else (arm.fill, arm.fill_options)
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "activation", name))
            made = create_activation(
                (model.native_at(name) or native) if activation == "native" else activation,
                site.num_channels,
                channel_dim=site.channel_dim,
                **options.model_dump(),
            )
            if arm.spare is not None and name in chosen:
                made = SpareScalars(made, _count(arm.spare, site), site.num_channels, site.channel_dim)
        if recipe.init == "matched":
            made = FixedGain(made, site.num_channels, site.channel_dim)
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, made)
    if arm.frozen != "no":
        freeze({name: model.get_submodule(name) for name in chosen})


def _initialise(model: Network, seed: int) -> None:
    generator = torch.Generator()
    for name, module, key, parameter in _own_parameters(model):
        generator.manual_seed(stream_seed(seed, "init", name))
        model.init_parameter(module, key, parameter, generator)
    model.init_jointly(lambda name: torch.Generator().manual_seed(stream_seed(seed, "init", name)))


def _own_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    for prefix, module in model.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            yield (f"{prefix}.{key}" if prefix else key), module, key, parameter


def _chosen_sites(arm: Arm, model: Network) -> set[str]:
    names = model.sites()
    if arm.sites == "all":
        return set(names)
    if arm.sites == "stem":
        if not model.stem_sites():
            raise ActbenchError(f"arm {arm.name!r}: the stem of this model has no activation site")
        return set(model.stem_sites())
    chosen = {name for name in names if any(fnmatchcase(name, pattern) for pattern in arm.sites)}
    if not chosen:
        raise ActbenchError(
            f"arm {arm.name!r}: no activation site matches {', '.join(map(repr, arm.sites))}",
            hints=[f"sites of this model: {', '.join(names)}"],
        )
    return chosen
