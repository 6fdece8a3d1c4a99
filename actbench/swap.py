"""Activations of someone else's model exchanged, call by call.

import actbench, torchvision
model = torchvision.models.resnet18()
swapped = actbench.swap_activations(model, "pwlu", from_="relu", intervals=8)
swapped.sites     # ("relu", "layer1.0.relu", "layer1.0.relu_1", ...): 17 instances, one per call
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from torch import nn

from actbench.activations.create import create_activation
from actbench.errors import ActbenchError
from actbench.models.call_sites import CallSite, replace_calls


class SwapResult(NamedTuple):
    model: nn.Module
    """The model given, changed in place."""
    sites: tuple[str, ...]
    """Module paths of the new activations."""


def swap_activations(
    model: nn.Module,
    to: str | Callable[[int], nn.Module],
    *,
    from_: str | Sequence[str],
    example_input: object = None,
    sites: Literal["all"] | Sequence[str] = "all",
    channel_dim: Literal[1, -1] | None = None,
    **options: object,
) -> SwapResult:
    """Puts an activation of its own at every call of those named by `from_` ("relu", "silu", "hardswish", ...).

    `to` is a name of the catalogue, with its options, or a factory `to(num_channels)`. Channels come from the layers
    before a call, else from `example_input`, with which the model is also run before and after, to prove that a
    rewritten forward is the old one. Gates (sigmoids) of squeeze-and-excite blocks, and of a detector all but its
    backbone's body, are left unless `sites` (globs over site names) names them. Raises ActbenchError, and leaves the
    model as it was, for wrong options and wherever a call cannot be exchanged for certain.
    """
    if isinstance(to, str):
        create_activation(
            to, 1, channel_dim=1, **options
        )  # a wrong name or option is known before the model is looked into
    elif options:
        raise ActbenchError(
            f"options belong to an activation named from the catalogue, not to a factory: {', '.join(options)}"
        )

    def make(site: CallSite) -> nn.Module:
        made = (
            create_activation(to, site.num_channels, channel_dim=site.channel_dim, **options)
            if isinstance(to, str)
            else to(site.num_channels)
        )
        if getattr(made, "is_gated", False):
            raise ActbenchError(
                f"{type(made).__name__} is gated: it takes twice the channels that stand at {site.name!r}",
                hints=("build the model with a layer of twice the width before each site",),
            )
        return made

    replaced = replace_calls(
        model, make, from_=from_, sites=sites, example_input=example_input, channel_dim=channel_dim
    )
    return SwapResult(model, tuple(site.name for site in replaced))
