"""Activations that learn in phases, moved on before each epoch: in this package's loop or in anyone's."""

from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from actbench.activations.base import PhaseChange
from actbench.training.optim import forget

_WRAPPERS = (AveragedModel, nn.DataParallel, nn.parallel.DistributedDataParallel)


def begin_epoch(
    model: nn.Module, epoch: int, optimizer: Optimizer | None = None, average: nn.Module | None = None
) -> dict[str, PhaseChange]:
    """Calls `begin_epoch(epoch)` of every module that has one; what changed, by the module's name.

    `optimizer` forgets what it knew of parameters whose values were set anew, and `average`, a copy of the model
    that holds a moving average of its weights, follows each module into its phase. Where a change says
    `graph_changed`, make DistributedDataParallel and the like anew around the model. Call it before each epoch, from
    0, on all ranks; models may be wrapped.
    """
    changes: dict[str, PhaseChange] = {}
    for name, module in _unwrapped(model).named_modules():
        begin = getattr(module, "begin_epoch", None)
        change = begin(epoch) if callable(begin) else None
        if isinstance(change, PhaseChange):
            changes[name] = change
            if optimizer is not None:
                forget(optimizer, change.reset)
            if average is not None:
                _follow(_unwrapped(average).get_submodule(name), module, change.reset)
    return changes


def _follow(average: nn.Module, module: nn.Module, reset: tuple[nn.Parameter, ...]) -> None:
    """Copies the parameters that the phase has set, and what is no average at all.

    Through `load_state_dict`, by which a module learns of its phase.
    """
    chosen = {name for name, value in module.named_parameters() if any(value is p for p in reset)}
    mine, theirs = average.state_dict(), module.state_dict()
    kept = {name for name, value in mine.items() if value.is_floating_point()} - chosen
    average.load_state_dict({name: mine[name] if name in kept else theirs[name] for name in mine})


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model inside torch.compile, AveragedModel, DataParallel or DistributedDataParallel."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, _WRAPPERS):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner
