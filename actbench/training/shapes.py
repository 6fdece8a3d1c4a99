"""The curves that pointwise activations have learnt, over the input that their sites get.

Measured after a few epochs, in evaluation mode, on one fixed batch: the first training images in canonical order,
prepared as for evaluation. The test set is not looked at, no random number is drawn, and the model is left as it
was, so a run with this measurement ends bitwise as one without it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from actbench.data.source import Source
from actbench.recipe.schema import Recipe
from actbench.record import GRID_POINTS, SiteShape, rounded
from actbench.training.precision import autocast
from actbench.training.state import State

IMAGES = 256
"""Of the batch; fewer where evaluation takes smaller batches, which then says what fits in memory."""
MEASURED_EPOCHS = 6
SINGLE_CHANNELS = 4
REACH = 4.0
"""The grid covers so many deviations of the layer's input on either side of its mean."""
COUNTED_AT_ONCE = 2**22
"""Counts up to 2^24 are exact in float32, in which `histc` keeps them."""


def measured_epochs(epochs: int) -> set[int]:
    """The first, the last, and some evenly between: at most MEASURED_EPOCHS."""
    last, gaps = epochs - 1, MEASURED_EPOCHS - 1
    return {round(i * last / gaps) for i in range(MEASURED_EPOCHS)}


def measure_shapes(
    state: State, recipe: Recipe, source: Source, device: torch.device
) -> tuple[SiteShape, ...]:
    """The curves after the epoch just trained; empty if it is none of those, or no site has a curve to learn."""
    sites = {name: site for name, site in state.sites.items() if _has_a_curve(site)}
    if state.epoch not in measured_epochs(recipe.train.epochs) or not sites:
        return ()
    images = source.first_train_images(
        min(IMAGES, recipe.evaluation.batch_size), device=device, channels_last=recipe.train.channels_last
    )
    is_last = state.epoch + 1 == recipe.train.epochs
    with torch.inference_mode(), _evaluating(state.model):
        inputs = _measure_inputs(state.model, sites, images, amp=recipe.train.amp)
        shapes = [
            _shape(name, sites[name], seen, singles=SINGLE_CHANNELS if is_last else 0)
            for name, seen in inputs.items()
        ]
    return tuple(shape for shape in shapes if shape)


class _Input(NamedTuple):
    """What a site was given."""

    mean: float
    std: float
    left: float
    right: float
    density: list[float]
    channels: int


def _has_a_curve(site: nn.Module) -> bool:
    return getattr(site, "is_pointwise", False) and any(True for _ in site.parameters())


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each module's own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _measure_inputs(
    model: nn.Module, sites: dict[str, nn.Module], images: Tensor | list[Tensor], *, amp: str
) -> dict[str, _Input]:
    """Site -> what it was given, in the order of the forward pass; sites whose input is not finite are left out."""
    found: dict[str, _Input] = {}

    def look(name: str, x: Tensor) -> None:
        std, mean = torch.std_mean(x.float(), correction=0)
        centre, deviation = rounded(mean.item()), rounded(std.item())
        if not bool((mean + std).isfinite()):
            return
        reach = REACH * deviation or 1.0  # an input that never varies still gets a curve
        reach = max(reach, abs(centre) * 1e-2)  # or the digits kept could not tell the ends apart
        left, right = rounded(centre - reach), rounded(centre + reach)
        channels = x.shape[getattr(sites[name], "channel_dim", 1)]
        found[name] = _Input(centre, deviation, left, right, _density(x, left, right), channels)

    hooks = [
        site.register_forward_pre_hook(lambda _site, inputs, name=name: look(name, inputs[0]))
        for name, site in sites.items()
    ]
    try:
        with autocast(images[0].device, amp):
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _density(x: Tensor, left: float, right: float) -> list[float]:
    counts = torch.zeros(GRID_POINTS - 1, dtype=torch.int64)
    for part in torch.split(x.flatten(), COUNTED_AT_ONCE):
        counts += torch.histc(part.float(), bins=GRID_POINTS - 1, min=left, max=right).long().cpu()
    return [round(count / x.numel(), 4) for count in counts.tolist()]


def _shape(name: str, site: nn.Module, seen: _Input, *, singles: int) -> SiteShape | None:
    """None where the curve is not finite: the loop will tell that the run diverged."""
    weight = next(site.parameters())
    grid = torch.linspace(seen.left, seen.right, GRID_POINTS, dtype=torch.float64).to(weight)
    curves: Tensor = site(grid[:, None].expand(GRID_POINTS, seen.channels).contiguous()).cpu().double()
    if not bool(curves.isfinite().all()):
        return None
    differ = bool((curves != curves[:, :1]).any())
    bounds = (
        torch.quantile(curves, curves.new_tensor((0.1, 0.9)), dim=1) if differ else curves.new_zeros(2, 0)
    )
    chosen = torch.linspace(0, seen.channels - 1, min(singles, seen.channels)).round().int() if differ else ()
    return SiteShape(
        site=name,
        input_mean=seen.mean,
        input_std=seen.std,
        left=seen.left,
        right=seen.right,
        density=tuple(seen.density),
        mean=tuple(curves.mean(dim=1).tolist()),
        lower=tuple(bounds[0].tolist()),
        upper=tuple(bounds[1].tolist()),
        channels={int(channel): tuple(curves[:, channel].tolist()) for channel in chosen},
    )
