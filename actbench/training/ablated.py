"""Activations of which something is taken away: frozen, with a donor's shape, or one shape for the whole network."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from actbench.activations.fixed_gain import FixedGain
from actbench.errors import ActbenchError

Sites = Mapping[str, nn.Module]
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def transplant(sites: Sites, weights: Mapping[str, Tensor]) -> None:
    """Gives each site the parameters and buffers that a model of these weights has there, and freezes it."""
    for name, site in sites.items():
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in weights.items()
            if key.startswith(f"{name}.")
        }
        try:
            site.load_state_dict(own)
        except RuntimeError as error:
            raise ActbenchError(f"the donor has another activation at {name}: {error}") from error
    freeze(sites)


def freeze(sites: Sites) -> None:
    """No parameter of theirs learns, and no phase begins. Averages of batch normalisations still follow their input."""
    for site in sites.values():
        site.requires_grad_(False)
        for module in site.modules():
            if callable(getattr(module, "begin_epoch", None)):
                module.begin_epoch = _no_phase  # type: ignore[assignment]


def _no_phase(epoch: int) -> None:
    del epoch


def share(sites: Sites) -> None:
    """Makes parameters and buffers of one name and shape the same tensors at all sites: those of the first.

    Batch normalisations and fixed gains stay each site's own: they follow its input. Done once the model is on its
    device, since moving it gives every module buffers of its own.
    """
    first: dict[tuple[str, torch.Size], Tensor] = {}
    for site in sites.values():
        for prefix, module in site.named_modules():
            if isinstance(module, (*_BATCH_NORMS, FixedGain)):
                continue
            for held in (module._parameters, module._buffers):
                for key, value in held.items():
                    if value is not None:
                        held[key] = first.setdefault((f"{prefix}.{key}", value.shape), value)
