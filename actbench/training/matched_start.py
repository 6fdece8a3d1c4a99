"""`init: matched`: every arm starts with outputs as large as plain ReLUs give in the same network.

One pass of a fixed batch: the first training images in canonical order, prepared as for evaluation, batch
normalisations on the batch's own statistics, no dropout. At each site, in the order of the pass and behind the gains of
those before it, the gain becomes sqrt(m / q), with q the mean square of the activation's output and m that of ReLU's in
a network of the same weights. It is set once, and no rate or decay ever touches it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from actbench.activations.fixed_gain import FixedGain
from actbench.data.source import Source
from actbench.models.network import Network
from actbench.recipe.schema import Recipe
from actbench.training.build import activation_sites
from actbench.training.precision import autocast
from actbench.training.site_outputs import as_in_training

IMAGES = 256
"""Of the batch; fewer where evaluation takes smaller batches, which then says what fits in memory."""


@torch.no_grad()
def match_start(
    model: Network,
    reference: Network,
    recipe: Recipe,
    source: Source,
    device: torch.device,
    *,
    kept: set[str],
) -> None:
    """Sets the gains of the model's sites in place, but for those in `kept`.

    `reference` is the same network with ReLUs, on the same device. Where either gives nothing but zeros, or what is not
    finite, the gain stays 1.
    """
    images = source.first_train_images(
        min(IMAGES, recipe.evaluation.batch_size), device=device, channels_last=recipe.train.channels_last
    )
    wanted: dict[str, Tensor] = {}

    def note(name: str, _site: nn.Module, y: Tensor) -> None:
        wanted[name] = _mean_square(y)

    def fit(name: str, site: nn.Module, y: Tensor) -> Tensor | None:
        assert isinstance(site, FixedGain)
        if name in kept:
            return None
        gain = (wanted[name] / _mean_square(y)).sqrt()
        if not bool(gain.isfinite()) or not bool(gain > 0):
            return None
        site.gain.copy_(gain)
        return site.applied_to(y)

    _pass(reference, images, recipe, note)
    _pass(model, images, recipe, fit)


def _mean_square(y: Tensor) -> Tensor:
    return y.float().square().mean()


def _pass(
    model: Network,
    images: Tensor | list[Tensor],
    recipe: Recipe,
    look: Callable[[str, nn.Module, Tensor], Tensor | None],
) -> None:
    hooks = [
        site.register_forward_hook(lambda site, _inputs, y, name=name: look(name, site, y))
        for name, site in activation_sites(model).items()
    ]
    try:
        with as_in_training(model), autocast(images[0].device, recipe.train.amp):
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
