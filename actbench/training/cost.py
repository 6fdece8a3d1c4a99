"""What an arm costs: parameters, multiply-accumulates, declared pointwise work, and bytes kept for backward."""

import copy
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from actbench.models.network import FramesInput
from actbench.recipe.schema import Recipe
from actbench.record import Cost
from actbench.training.losses import training_loss
from actbench.training.precision import autocast
from actbench.training.state import State

_PROBE_IMAGES = 4
_WARMUP_EPOCHS = 1


def measure_cost(
    state: State, recipe: Recipe, *, channels: int, num_classes: int, batch_images: int, device: torch.device
) -> Cost:
    """Counts that need no timing on a copy of the model, times from the run's history; the run is not disturbed.

    Of a detector the counts are those of its features: body and pyramid. Of a model of sentences they are those of a
    sentence as long as the recipe lets one be.
    """
    model = copy.deepcopy(state.model)
    sites = {name: model.get_submodule(name) for name in state.sites}
    images = probe(recipe, channels).to(device)
    targets = torch.arange(_PROBE_IMAGES, device=device) % num_classes
    macs, pointwise, undeclared = forward_work(model, sites, images)
    kept = _kept_bytes(model, sites, recipe, images, targets, device)
    counted = state.history[_WARMUP_EPOCHS:] or state.history
    step_time = statistics.median(entry.step_time_s for entry in counted) if counted else None
    cpu_times = [entry.step_cpu_s for entry in counted if entry.step_cpu_s is not None]
    return Cost(
        parameters=sum(p.numel() for p in state.model.parameters()),
        activation_parameters=sum(
            {id(p): p.numel() for site in state.sites.values() for p in site.parameters()}.values()
        ),
        macs=macs,
        pointwise_ops=pointwise,
        undeclared_sites=undeclared,
        kept_bytes=kept.network,
        activation_kept_bytes=kept.sites,
        activation_kept_output_bytes=kept.outputs,
        activation_elements=kept.elements,
        step_time_s=step_time,
        step_cpu_s=statistics.median(cpu_times) if cpu_times else None,
        images_per_s=batch_images / step_time if step_time else None,
        peak_memory_bytes=_peak_memory(device),
    )


def probe(recipe: Recipe, channels: int) -> Tensor:
    """A few examples of the right shape, of no meaning."""
    generator = torch.Generator().manual_seed(0)
    if recipe.task == "text":
        shape = (_PROBE_IMAGES, recipe.input.tokens.max_length)
        return torch.randint(1, channels, shape, generator=generator)
    size = recipe.input.size
    images = torch.randn(_PROBE_IMAGES, channels, size, size, generator=generator)
    return images.to(
        memory_format=torch.channels_last if recipe.train.channels_last else torch.contiguous_format
    )


def forward_work(model: nn.Module, sites: dict[str, nn.Module], images: Tensor) -> tuple[int, int, int]:
    """MACs and declared pointwise operations of one image, in evaluation mode; sites that declare none."""
    operations = 0.0
    undeclared = sum(not hasattr(site, "operations_per_element") for site in sites.values())

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal operations
        operations += getattr(module, "operations_per_element", 0.0) * output.numel()

    hooks = [site.register_forward_hook(count) for site in sites.values()]
    # The form that attention takes on a CPU has no formula in PyTorch's counter; elsewhere it is counted.
    overlooked = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=overlooked) as counter:
        if isinstance(model, FramesInput):
            model.features(images)
        else:
            model(images)
    for hook in hooks:
        hook.remove()
    macs = counter.get_total_flops() // (2 * len(images))
    return macs, round(operations / len(images)), undeclared


class _Kept(NamedTuple):
    """Of one image."""

    network: int
    sites: int
    outputs: int
    elements: int


def _attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_args: object, **_kwargs: object
) -> int:
    """Of scaled_dot_product_attention, from the shapes of what it takes: query times key, the result times value."""
    *batch, queries, size = query
    return 2 * math.prod(batch) * queries * key[-2] * (size + value[-1])


class Storages:
    """Distinct storages; holding them keeps their addresses from being used again."""

    def __init__(self) -> None:
        self._by_address: dict[int, torch.UntypedStorage] = {}

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._by_address[storage.data_ptr()] = storage

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._by_address

    @property
    def nbytes(self) -> int:
        return sum(storage.nbytes() for storage in self._by_address.values())


class _SiteKept:
    """What one activation's forward passes keep; tells `inside` which site is at work.

    Of one that runs together with the batch normalisation before it, that input is `given`: it is kept anyway. A hook
    would have them run one by one, so those that do are watched in a pass of their own, by `watch_calls`.
    """

    def __init__(self, site: nn.Module, inside: list["_SiteKept"]) -> None:
        self.kept, self.outputs, self.given, self.elements = Storages(), Storages(), Storages(), 0
        self._inside = inside
        self._offer: Callable[..., Tensor | None] | None = getattr(site, "after_batch_norm", None)
        # In training it may have, of batches larger than this one.
        self._takes_norm: bool = getattr(site, "took_norm_along", False)
        if self._offer is not None:
            site.after_batch_norm = self._together  # type: ignore[assignment]

    def watch_calls(self, site: nn.Module) -> None:
        site.register_forward_pre_hook(self._enter)
        site.register_forward_hook(self._leave)

    def _together(self, norm: nn.Module, x: Tensor) -> Tensor | None:
        assert self._offer is not None
        self._inside.append(self)
        self.given.add(x)
        y = self._offer(norm, x, of_any_size=True) if self._takes_norm else None
        self._inside.pop()
        if y is not None:
            self.elements += y.numel()
        return y

    def _enter(self, _module: nn.Module, _inputs: object) -> None:
        self._inside.append(self)

    def _leave(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self._inside.pop()
        self.elements += output.numel()
        if output in self.kept:
            self.outputs.add(output)


def _kept_bytes(
    model: nn.Module,
    sites: dict[str, nn.Module],
    recipe: Recipe,
    images: Tensor,
    targets: Tensor,
    device: torch.device,
) -> _Kept:
    """Bytes of tensors kept for backward per image, every storage once, the parameters themselves left out.

    The model is changed; it is nobody else's.
    """
    inside: list[_SiteKept] = []
    each = [_SiteKept(site, inside) for site in sites.values()]
    network = _watch_training(model, recipe, images, targets, device, inside)
    for kept, site in zip(each, sites.values(), strict=True):
        if kept.elements:
            del site.after_batch_norm  # counted; from here on the class's own
        else:
            kept.watch_calls(site)
    if not all(kept.elements for kept in each):
        _watch_training(model, recipe, images, targets, device, inside)
    return _Kept(
        network=network.nbytes // len(images),
        sites=sum(site.kept.nbytes for site in each) // len(images),
        outputs=sum(site.outputs.nbytes for site in each) // len(images),
        elements=sum(site.elements for site in each) // len(images),
    )


def _watch_training(
    model: nn.Module,
    recipe: Recipe,
    images: Tensor,
    targets: Tensor,
    device: torch.device,
    inside: list[_SiteKept],
) -> Storages:
    """What a forward pass keeps; the site at work is told too."""
    own = Storages()
    for tensor in (*model.parameters(), *model.buffers()):
        own.add(tensor)
    network = Storages()

    def keep(tensor: Tensor) -> Tensor:
        if tensor not in own:
            network.add(tensor)
            if inside and tensor not in inside[-1].given:
                inside[-1].kept.add(tensor)
        return tensor

    model.train()
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        autocast(device, recipe.train.amp),
    ):
        if isinstance(model, FramesInput):
            model.features(images)
        else:
            training_loss(model(images), targets, recipe.train)
    return network


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not sys.platform.startswith("linux"):
        return None  # elsewhere the system counts in other units, or not at all
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
