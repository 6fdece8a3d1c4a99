"""Looking at what activation sites give on one batch, with the network left as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@contextmanager
def as_in_training(model: nn.Module) -> Iterator[None]:
    """The network as training has it, but without dropout, and without a trace: batch normalisations take the batch's
    own statistics, and neither their averages nor any activation's remember it."""
    modes = [(module, module.training) for module in model.modules()]
    norms = [module for module in model.modules() if isinstance(module, _BATCH_NORMS)]
    kept = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    model.eval()
    for norm in norms:
        norm.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for buffer, value in kept:
            buffer.copy_(value)
