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
from actbench.data.normalization import constant_normalization
from actbench.errors import ActbenchError
from actbench.models.catalog import native_activations
from actbench.models.create import create_model
from actbench.models.network import DeepTraining, FramesInput, Network
from actbench.recipe.schema import Arm, Recipe
from actbench.streams import stream_seed
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
    act = partial(Site, is_gated=arm.is_gated)
    model = create_model(recipe.model, num_classes=num_classes, in_channels=channels, act=act)
    _initialise(model, seed)
    chosen = _chosen_sites(arm, model)
    (native, *_) = native_activations(recipe.model)
    for name, site in activation_sites(model).items():
        assert isinstance(site, Site)
        activation = arm.activation if name in chosen else arm.fill
        options = arm.options.model_dump() if name in chosen and arm.activation != "native" else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "activation", name))
            made = create_activation(
                (model.native_at(name) or native) if activation == "native" else activation,
                site.num_channels,
                channel_dim=site.channel_dim,
                **options,
            )
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, made)
    set_deep_lambda(model, arm, epoch=0)
    if isinstance(model, FramesInput):
        mean, std = constant_normalization(recipe.input, channels)
        model.frame_input(size=recipe.input.size, max_size=recipe.input.max_size, mean=mean, std=std)
    return model


def check_sites(recipe: Recipe) -> None:
    """Raises ActbenchError if an arm's `sites` match no site of the model; builds nothing but its shape."""
    models = {}
    with torch.device("meta"):
        for is_gated in {arm.is_gated for arm in recipe.arms}:
            act = partial(Site, is_gated=is_gated)
            models[is_gated] = create_model(recipe.model, num_classes=2, in_channels=3, act=act)
    for arm in recipe.arms:
        _chosen_sites(arm, models[arm.is_gated])


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


def _initialise(model: Network, seed: int) -> None:
    generator = torch.Generator()
    for name, module, key, parameter in _own_parameters(model):
        generator.manual_seed(stream_seed(seed, "init", name))
        model.init_parameter(module, key, parameter, generator)


def _own_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    for prefix, module in model.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            yield (f"{prefix}.{key}" if prefix else key), module, key, parameter


def _chosen_sites(arm: Arm, model: Network) -> set[str]:
    names = model.sites()
    if arm.sites == "all":
        return set(names)
    if arm.sites == "stem":
        return set(model.stem_sites())
    chosen = {name for name in names if any(fnmatchcase(name, pattern) for pattern in arm.sites)}
    if not chosen:
        raise ActbenchError(
            f"arm {arm.name!r}: no activation site matches {', '.join(map(repr, arm.sites))}",
            hints=[f"sites of this model: {', '.join(names)}"],
        )
    return chosen
