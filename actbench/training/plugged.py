"""A user's own activation, looked at before anything is spent on it. Everything it does not declare has a default."""

import copy
from collections.abc import Iterable
from itertools import product

import torch
from torch import Tensor, nn

from actbench.activations.create import create_activation
from actbench.activations.plugins import failure_of, find_entry
from actbench.errors import ActbenchError
from actbench.recipe.schema import Arm

_INPUTS = {1: (2, 8, 6, 6), -1: (2, 6, 8)}
"""Where channels are -> the shape on which an activation is tried: images, or tokens; of eight channels."""


def check_plugins(arm: Arm) -> None:
    """Raises ActbenchError unless each plug-in of the arm is here, in the state that the arm was made with."""
    for name, source in arm.plugins.items():
        entry = find_entry(name)
        if entry is None or entry.plugin is None:
            raise ActbenchError(
                f"arm {arm.name!r}: activation {name!r} comes from {source.label}, which is not loaded",
                hints=[f"give --plugin {source.file}" if source.file else f"install {source.package}"],
            )
        if entry.plugin.sha256 != source.sha256:
            raise ActbenchError(
                f"arm {arm.name!r}: {entry.plugin.label} is not what the run was made with (source "
                f"{entry.plugin.sha256[:8]}, the run's {source.sha256[:8]})",
                hints=["give --plugin with the file as it was, or train the arm again"],
            )


def try_plugins(arm: Arm, channel_dims: Iterable[int]) -> None:
    """Makes each plug-in's activation as the arm has it, for channels at these dimensions, and runs it once.

    ActbenchError tells its line that fails.
    """
    chosen = {arm.fill: arm.fill_options, arm.activation: arm.options}
    for name, channel_dim in product(arm.plugins, channel_dims):
        entry = find_entry(name)
        assert entry is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x = torch.randn(_INPUTS[channel_dim])
            made = create_activation(
                name, x.shape[channel_dim], channel_dim=channel_dim, **chosen[name].model_dump()
            )
        try:
            _try(name, made, x)
        except Exception as error:
            if isinstance(error, ActbenchError):
                raise
            raise failure_of(entry, error) from error


def _try(name: str, made: nn.Module, x: Tensor) -> None:
    """One step and a copy, as training needs them."""
    y = made(x.requires_grad_() * 1)  # no leaf: an activation may work in place
    if not isinstance(y, Tensor) or y.shape != x.shape:
        found = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"{name} of an input of shape {tuple(x.shape)} gives {found}, not that shape")
    if not y.requires_grad:
        raise TypeError(f"{name} lets no gradient through")
    y.sum().backward()  # type: ignore[no-untyped-call]
    copy.deepcopy(made).load_state_dict(made.state_dict())
