"""Activations that learn in phases, moved on before each epoch: in this package's loop or in anyone's."""

from torch import nn
from torch.optim import Optimizer

from actbench.activations.base import PhaseChange
from actbench.training.optim import forget


def begin_epoch(model: nn.Module, epoch: int, optimizer: Optimizer | None = None) -> dict[str, PhaseChange]:
    """Calls `begin_epoch(epoch)` of every module that has one; what changed, by the module's name.

    `optimizer` forgets what it knew of parameters whose values were set anew; a moving average of the weights must
    copy them. Where a change says `graph_changed`, make DistributedDataParallel and the like anew around the model.
    Call it before each epoch, from 0, on all ranks; `model` may be wrapped.
    """
    changes: dict[str, PhaseChange] = {}
    for name, module in _unwrapped(model).named_modules():
        begin = getattr(module, "begin_epoch", None)
        change = begin(epoch) if callable(begin) else None
        if isinstance(change, PhaseChange):
            changes[name] = change
            if optimizer is not None:
                forget(optimizer, change.reset)
    return changes


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model inside torch.compile, DataParallel or DistributedDataParallel."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner
