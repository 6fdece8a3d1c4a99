"""What an activation keeps for backward, and how much memory forward and backward take at their height."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile

from actbench.training.cost import Storages


def kept_bytes(module: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes that one forward pass keeps for backward, every storage once, the module's own tensors left out.

    The input counts where it is kept, and so does the output: in a network they are the neighbours' as well.
    """
    own, kept = Storages(), Storages()
    for tensor in (*module.parameters(), *module.buffers()):
        own.add(tensor)

    def keep(tensor: Tensor) -> Tensor:
        if tensor not in own:
            kept.add(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return kept.nbytes


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most bytes that the call has allocated at one time, what was there before it left out."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _no_word_of_the_profiler(), profile(use_kineto=False, profile_memory=True) as profiler:
        call()
    results = profiler.kineto_results
    assert results is not None
    changes = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    height = peak = 0
    for _, change in sorted(changes, key=lambda found: found[0]):
        height += change
        peak = max(peak, height)
    return peak


@contextmanager
def _no_word_of_the_profiler() -> Iterator[None]:
    """PyTorch's profiler tells on standard error that it starts, and that there is no GPU, past any setting."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
