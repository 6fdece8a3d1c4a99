"""Instances and their copies: none shares what another learns, and what was learnt arrives whole."""

import copy
import io

import torch
from torch import Tensor, nn

from actbench.contract.closeness import require_close, require_same
from actbench.contract.result import CheckFailedError, NotApplicableError, NotDeclaredError
from actbench.contract.subject import Subject, call

_DEPLOYED = 1e-5
"""A normalisation folded into a convolution rounds its weights once more, behind at most 121 products."""


def fresh_parameters(subject: Subject) -> str:
    """Two instances share no storage, and the same seed starts them alike."""
    first, second = subject.fresh(), subject.fresh()
    mine, others = _state(first), _state(second)
    if not mine:
        raise NotApplicableError("no parameters and no buffers")
    _require_apart("two instances", mine, others)
    for name, value in mine.items():
        require_same(f"{name} of a second instance under the same seed", others[name], value)
    return f"{len(mine)} parameters and buffers of its own"


def state_dict(subject: Subject) -> str:
    """A state stored and loaded into a new instance makes the same outputs, and needs no code to be read."""
    module, restored = subject.learnt(), subject.fresh().eval()
    stored = io.BytesIO()
    torch.save(module.state_dict(), stored)
    stored.seek(0)
    restored.load_state_dict(torch.load(stored, weights_only=True))
    for x in (subject.input(), 4 * subject.input(1)):
        require_same("output of the restored module", call(restored, x), call(module, x))
    return f"{len(module.state_dict())} entries restored, outputs equal"


def deepcopy(subject: Subject) -> str:
    """A deep copy of a module that has been called makes the same outputs and shares no storage."""
    module = subject.learnt()
    call(module, subject.input())
    copied = copy.deepcopy(module)
    if _state(copied).keys() != _state(module).keys():
        raise CheckFailedError("the copy has other parameters and buffers")
    _require_apart("a module and its copy", _state(module), _state(copied))
    for x in (subject.input(), 4 * subject.input(1)):
        require_same("output of the copy", call(copied, x), call(module, x))
    return "outputs equal, no shared storage"


def deploy(subject: Subject) -> str:
    """`deploy` leaves the eval output as it was, and has nothing left to do the second time."""
    module = subject.learnt()
    if not callable(getattr(module, "deploy", None)):
        raise NotDeclaredError("no deploy")
    inputs = (subject.input(), 4 * subject.input(1))
    expected = [call(module, x) for x in inputs]
    worst = 0.0
    for time in ("once", "twice"):
        module = module.deploy()  # type: ignore[operator]
        if not isinstance(module, nn.Module):
            raise CheckFailedError(f"deploy returned a {type(module).__name__}, not a module")
        for x, y in zip(inputs, expected, strict=True):
            what = f"output deployed {time}"
            worst = max(worst, require_close(what, call(module.eval(), x), y, tolerance=_DEPLOYED))
    return f"outputs equal to {worst:.1g} of the largest"


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _require_apart(whose: str, mine: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    storages = {value.untyped_storage().data_ptr() for value in others.values() if value.numel()}
    shared = [name for name, v in mine.items() if v.numel() and v.untyped_storage().data_ptr() in storages]
    if shared:
        raise CheckFailedError(f"{whose} share {', '.join(shared)}")
