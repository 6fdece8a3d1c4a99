"""How large activations and their gradients are as training begins, and how many units are dead.

Before the first update and before the hundredth the batch at hand goes through the network once more, forward and
backward: all arms of a seed have the same batch there. No weight gets a gradient, no random number is drawn and no
average remembers it, so a run that is looked at ends bitwise as one that is not.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from actbench.data.source import Batch, DetectionBatch
from actbench.recipe.schema import TrainSettings
from actbench.record import SiteMoments, rounded
from actbench.training.losses import batch_loss
from actbench.training.site_outputs import as_in_training
from actbench.training.state import State

MOMENT_STEPS = (0, 100)
"""Updates before which they are measured."""


class Look(NamedTuple):
    """One site's moments, still on the device."""

    site: str
    step: int
    numbers: Tensor
    """Mean, mean square, mean square of the gradient (NaN without one), share of dead channels: (4,) float32."""


def look_at_sites(
    state: State, batch: Batch | DetectionBatch, settings: TrainSettings, device: torch.device, *, step: int
) -> list[Look]:
    """At each site, on the first part of the batch; nothing at other steps, and for detectors.

    Nothing is read back: a device that works behind the program goes on doing so.
    """
    if step not in MOMENT_STEPS or isinstance(batch, DetectionBatch):
        return []
    outputs: dict[str, Tensor] = {}

    def keep(name: str, output: object) -> None:
        if isinstance(output, Tensor):
            outputs[name] = output

    hooks = [
        site.register_forward_hook(lambda _site, _inputs, output, name=name: keep(name, output))
        for name, site in state.sites.items()
    ]
    try:
        with as_in_training(state.model):
            part = next(batch.parts(settings.accumulation))
            loss = batch_loss(state.model, part, settings, device)
            # Sites behind which nothing learns, as in a network that is frozen from there on, have no gradient.
            named = {name: y for name, y in outputs.items() if y.requires_grad}
            found = torch.autograd.grad(loss, list(named.values()), allow_unused=True) if named else ()
    finally:
        for hook in hooks:
            hook.remove()
    gradients = dict(zip(named, found, strict=True))
    return [
        Look(name, step, _numbers(output.detach(), gradients.get(name), state.sites[name]))
        for name, output in outputs.items()
    ]


def read_moments(looks: Sequence[Look]) -> tuple[SiteMoments, ...]:
    """Waits for the device."""
    return tuple(_read(look) for look in looks)


def _numbers(y: Tensor, gradient: Tensor | None, site: nn.Module) -> Tensor:
    wide = y.float()
    channels = wide.movedim(getattr(site, "channel_dim", 1), 0).flatten(1)
    dead = (channels.amax(1) == channels.amin(1)).float().mean()
    came = wide.new_full((), math.nan) if gradient is None else gradient.float().square().mean()
    return torch.stack((wide.mean(), wide.square().mean(), came, dead))


def _read(look: Look) -> SiteMoments:
    mean, second, gradient, dead = look.numbers.tolist()
    return SiteMoments(
        site=look.site,
        step=look.step,
        mean=_kept(mean),
        second=_kept(second),
        gradient=_kept(gradient),
        dead=rounded(dead),
    )


def _kept(number: float) -> float | None:
    return rounded(number) if math.isfinite(number) else None
