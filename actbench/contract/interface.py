"""What comes out for what goes in: shape, dtype, the input left alone, empty batches, places kept apart."""

import torch
from torch import Tensor

from actbench.contract.result import CheckFailedError, NotApplicableError
from actbench.contract.subject import Subject, call, gradients

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def shape(subject: Subject) -> str:
    """The output's shape, for the batch given and for a single example."""
    for batch in (subject.shape[0], 1):
        x = subject.input(batch=batch)
        expected = (batch, *subject.shape[1:])
        y = call(subject.fresh(), x)
        if not isinstance(y, Tensor):
            raise CheckFailedError(f"forward returned a {type(y).__name__}, not a tensor")
        if y.shape != expected:
            raise CheckFailedError(f"{tuple(x.shape)} became {tuple(y.shape)} instead of {expected}")
    return f"{subject.input_shape()} becomes {subject.shape}, and so with one example"


def dtype(subject: Subject) -> str:
    """Output and gradient in the dtype of the input, the module in that dtype too."""
    for wanted in _DTYPES:
        x = subject.input(dtype=wanted)
        y, found = gradients(subject.learnt(wanted), x)
        for what, tensor in (("output", y), ("gradient of the input", found["input"])):
            if tensor.dtype != wanted:
                raise CheckFailedError(f"{what} of {_name(wanted)} input is {_name(tensor.dtype)}")
    return ", ".join(_name(wanted) for wanted in _DTYPES)


def _name(wanted: torch.dtype) -> str:
    return str(wanted).removeprefix("torch.")


def input_untouched(subject: Subject) -> str:
    """Forward and backward write nothing into the input, in either mode."""
    for training in (True, False):
        x = subject.input().requires_grad_() * 1  # not a leaf, which autograd guards by itself
        before = x.detach().clone()
        subject.learnt(training=training)(x).sum().backward()
        changed = int((x != before).sum())
        if changed:
            raise CheckFailedError(f"{changed} of {x.numel()} values are others after forward and backward")
    return f"{before.numel()} values as they were after forward and backward"


def empty_batch(subject: Subject) -> str:
    """No examples in, none out, and no gradient from them."""
    y, found = gradients(subject.learnt(), subject.input(batch=0))
    if y.shape != (0, *subject.shape[1:]):
        raise CheckFailedError(f"shape {tuple(y.shape)} instead of {(0, *subject.shape[1:])}")
    for name, gradient in found.items():
        if gradient.any():
            raise CheckFailedError(f"{name} has a gradient from no example")
    return f"shape {tuple(y.shape)}"


def own_places(subject: Subject) -> str:
    """With `is_pointwise`, an output follows the input at its own place and channel, and no other."""
    if not subject.declared("is_pointwise"):
        raise NotApplicableError("declared not pointwise")
    for training in (True, False):
        moved = moved_by_others(subject, training=training)
        if moved:
            mode = "training" if training else "eval"
            raise CheckFailedError(
                f"declared pointwise, but in {mode} mode {moved} outputs moved with inputs at other places"
            )
    return "no output moved with inputs at other places"


def moved_by_others(subject: Subject, *, training: bool) -> int:
    """How many outputs change when half of all inputs do, those at their own places not among them."""
    generator = torch.Generator().manual_seed(0)
    stays = torch.rand(subject.shape, generator=generator) < 0.5
    halves = [stays, stays] if subject.is_gated else [stays]
    x = subject.input()
    other = torch.where(torch.cat(halves, subject.channel_dim), x, subject.input(1))
    module = subject.learnt(training=training)
    return int((call(module, x) != call(module, other))[stays].sum())
