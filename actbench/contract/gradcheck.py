"""The gradient held against finite differences in float64, at samples that no kink is near.

Where the kinks of an unknown function lie is found from its values. Along a direction, the two one-sided slopes differ
by D(h) = (f(t + h) - 2 f(t) + f(t - h)) / h. A smooth function has D(h) = h f'' + h^3 f'''' / 12 + ..., so in
D(h) - r D(h / r) the first term cancels: at most h^3 M / 12 is left, M the largest fourth derivative, and rounding,
which is 4 u F / h in D(h) for values up to F with an error of u each, and so at most 4 (1 + r^2) u F / h. A kink of
jump J at a distance s h has D(h) = J (1 - s), and leaves J (1 - s) - r J max(1 - r s, 0). That is 0 at s = 1 / (1 + r),
which is 1 / 3 for r = 2 and 1 / 5 for r = 4: with both, one of them is at least J / 3 wherever s <= 1 / 2.
"""

import re

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call

from actbench.contract.result import CheckFailedError, NotApplicableError
from actbench.contract.subject import Subject, active, call

_STEP = 2e-5
"""h: half of it, within which kinks are found, is ten of gradcheck's steps."""
_GRADCHECK_STEP = 1e-6
_ABSOLUTE, _RELATIVE = 1e-8, 1e-4
"""Far above what is left: 1e-12 times a third derivative by the step, 1e-9 F by rounding. torch's own are so wide for
many inputs that an error of 2 % on one side of 0 passes."""
_VALUE_ERROR = 16 * 2.0**-53
"""Of one value, relative to the largest: some sixteen roundings behind each other."""
_FOURTH_DERIVATIVE = 1e4
"""Sharper bends than this count as kinks."""
_DRAWS = 60
_INSPECTED = 128
"""Input elements looked at one by one, once a gradient is known to be wrong."""
_SCALES = (1.0, 4.0)


def gradcheck(subject: Subject) -> str:
    """Autograd's gradients of the input and of active parameters are the function's own."""
    if subject.has_surrogate_gradient:
        raise NotApplicableError("declared surrogate_gradient: backward is no derivative by design")
    left_out = 0
    for training in (True, False):
        module = subject.learnt(torch.float64, training=training)
        for scale in _SCALES:
            x, kinked = _smooth_sample(subject, module, scale)
            left_out += kinked
            _require_gradient(module, x)
    return f"{2 * len(_SCALES)} samples of {x.numel()} inputs in float64, {left_out} more left out near kinks"


def _require_gradient(module: nn.Module, x: Tensor) -> None:
    inputs = (x.requires_grad_(), *active(module).values())
    try:
        torch.autograd.gradcheck(
            lambda x, *_: call(module, x),
            inputs,
            eps=_GRADCHECK_STEP,
            atol=_ABSOLUTE,
            rtol=_RELATIVE,
            fast_mode=True,
        )
    except GradcheckError as error:
        names = ["the input", *active(module)]
        found = re.search(r"for output \d+ with respect to input (\d+)", str(error))
        what = f"with respect to {names[int(found[1])]}" if found else str(error).strip().split("\n")[0]
        values = re.search(r"numerical:(\S+)\nanalytical:(\S+)", str(error))
        seen = f": {values[2]} along a random direction, where differences give {values[1]}" if values else ""
        worst = _worst_element(module, x.detach()) if found and int(found[1]) == 0 else ""
        raise CheckFailedError(f"wrong gradient {what}{worst or seen}") from None


def _worst_element(module: nn.Module, x: Tensor) -> str:
    """Where backward of the summed output is farthest from central differences, of the first input elements."""
    leaf = x.clone().requires_grad_()
    (backward,) = torch.autograd.grad(call(module, leaf).sum(), leaf)
    seen = []
    for i in range(min(_INSPECTED, x.numel())):
        step = torch.zeros_like(x).view(-1)
        step[i] = _GRADCHECK_STEP
        step = step.view(x.shape)
        with torch.no_grad():
            rise = (call(module, x + step).sum() - call(module, x - step).sum()).item()
        seen.append((backward.flatten()[i].item(), rise / (2 * _GRADCHECK_STEP), x.flatten()[i].item()))
    mine, theirs, at = max(seen, key=lambda found: abs(found[0] - found[1]))
    if abs(mine - theirs) <= _ABSOLUTE + _RELATIVE * abs(theirs):
        return ""
    return f": {mine:.4g} at x = {at:.4g}, where differences give {theirs:.4g}"


def _smooth_sample(subject: Subject, module: nn.Module, scale: float) -> tuple[Tensor, int]:
    """The first sample without a kink near it, and how many there were before it."""
    for draw in range(_DRAWS):
        x = scale * subject.input(draw, dtype=torch.float64)
        if not _has_kink(module, x, draw):
            return x, draw
    raise CheckFailedError(f"one-sided slopes differ within {_STEP:g} of every one of {_DRAWS} samples")


@torch.no_grad()
def _has_kink(module: nn.Module, x: Tensor, seed: int) -> bool:
    """Whether any output has one along a random direction that moves input and active parameters by at most _STEP."""
    generator = torch.Generator().manual_seed(seed)
    learning = {name: parameter.detach() for name, parameter in active(module).items()}
    directions = {
        name: (2 * torch.rand(value.shape, generator=generator) - 1).to(value.dtype)
        for name, value in {"": x, **learning}.items()
    }

    def at(distance: float) -> Tensor:
        moved = {name: value + distance * directions[name] for name, value in learning.items()}
        torch.manual_seed(0)
        y: Tensor = functional_call(module, moved, (x + distance * directions[""],))
        return y

    middle = at(0.0)

    def bend(step: float) -> Tensor:
        return (at(step) - 2 * middle + at(-step)) / step

    largest = 1 + x.abs().max() + middle.abs().max()
    whole = bend(_STEP)
    for ratio in (2, 4):
        rounding = 4 * (1 + ratio**2) * _VALUE_ERROR * largest / _STEP
        smooth = _STEP**3 * _FOURTH_DERIVATIVE / 12 + rounding
        if ((whole - ratio * bend(_STEP / ratio)).abs() > smooth).any():
            return True
    return False
