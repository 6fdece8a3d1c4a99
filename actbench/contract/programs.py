"""The module as torch's other ways of running it see it: autocast, compile, export."""

import warnings

import torch
from torch import nn

from actbench.contract.closeness import require_close, require_same
from actbench.contract.result import CheckFailedError
from actbench.contract.subject import Subject, active, call, gradients

_AUTOCAST = 2.0**-4
"""bfloat16 has 8 bits: 2^-9 for each rounding of input, weight, product or sum, and some thirty of them."""
_AUTOCAST_GRADIENT = 2.0**-2
"""Of the whole gradient's norm: a rounded value may fall on the other side of a kink, where single elements jump."""
_EXPORTED = 1e-5
"""Exported programs hold plain operators, which round otherwise than a compiled kernel."""


def autocast(subject: Subject) -> str:
    """bfloat16 in under autocast: bfloat16 or float32 out, near the float32 result; parameters stay float32."""
    worst = 0.0
    for training in (True, False):
        module, x = subject.learnt(training=training), subject.input(dtype=torch.bfloat16)
        expected, truths = gradients(subject.learnt(training=training), x.float())
        with torch.autocast("cpu", torch.bfloat16):
            y, found = gradients(module, x)
        if y.dtype not in (torch.bfloat16, torch.float32):
            raise CheckFailedError(f"output is {y.dtype}")
        for name, parameter in active(module).items():
            if parameter.dtype != torch.float32 or found[name].dtype != torch.float32:
                raise CheckFailedError(f"{name} is no longer float32")
        worst = max(worst, require_close("output", y, expected, tolerance=_AUTOCAST))
        error = (found["input"].float() - truths["input"]).norm() / truths["input"].norm()
        if not error <= _AUTOCAST_GRADIENT:
            raise CheckFailedError(f"gradient of the input is off by {error:.2g} of its norm")
    return f"{str(y.dtype).removeprefix('torch.')} out, off by at most {worst:.1g} of the largest"


def compiled(subject: Subject) -> str:
    """torch.compile(fullgraph=True, backend="eager") takes it whole; output and gradients are the same bitwise."""
    for training in (True, False):
        torch._dynamo.reset()
        program = torch.compile(subject.learnt(training=training), fullgraph=True, backend="eager")
        assert isinstance(program, nn.Module)
        y, found = gradients(subject.learnt(training=training), subject.input())
        with warnings.catch_warnings():
            # Dynamo looks at `.grad` of every input, ours no leaves so that a module may write into them.
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
            other, others = gradients(program, subject.input())
        require_same("output", other, y)
        for name, gradient in found.items():
            require_same(
                f"gradient of {name}", others[f"_orig_mod.{name}" if name != "input" else name], gradient
            )
    return "one graph in training and in eval mode, equal bitwise"


def export(subject: Subject) -> str:
    """torch.export makes a program with the same outputs."""
    module = subject.learnt()
    program = torch.export.export(module, (subject.input(),)).module()
    worst = 0.0
    for x in (subject.input(), 4 * subject.input(1)):
        worst = max(worst, require_close("output", program(x), call(module, x), tolerance=_EXPORTED))
    return f"outputs equal to {worst:.1g} of the largest"
