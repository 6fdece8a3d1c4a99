"""A model from its recipe's options."""

from importlib import import_module

from actbench.models.catalog import ENTRIES, ModelOptions
from actbench.models.network import ActivationFactory, Network


def create_model(
    options: ModelOptions, *, num_classes: int, in_channels: int, act: ActivationFactory
) -> Network:
    """Builds the model that the options name, with `act(num_channels)` called once per activation site.

    A model of tokens calls `act(num_channels, channel_dim=-1)`: see TokenActivationFactory.
    """
    module, _, name = ENTRIES[options.name].target.partition(":")
    model_class = getattr(import_module(module), name)
    model: Network = model_class(
        act, num_classes=num_classes, in_channels=in_channels, **options.model_dump(exclude={"name"})
    )
    return model
