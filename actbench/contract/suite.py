"""All checks, in the order in which a table shows them, and what runs them."""

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from actbench.contract import copies, gradcheck, interface, layouts, learning, programs, values
from actbench.contract.result import (
    CheckFailedError,
    CheckResult,
    NotApplicableError,
    NotDeclaredError,
    Status,
)
from actbench.contract.subject import Subject

DEFAULT_SHAPE = (2, 16, 6, 6)
"""Images: channels that groups of 2, 4 and 8 divide, and sides that hold a 5x5 window and its border."""
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_LONGEST = 240


class Check(NamedTuple):
    name: str
    meaning: str
    run: Callable[[Subject], str]
    """Returns what was seen where all is well; raises one of result.py's exceptions otherwise."""


CHECKS = (
    Check("shape", "the output has the shape of the input", interface.shape),
    Check("dtype", "output and gradient have the dtype of the input", interface.dtype),
    Check("input untouched", "forward and backward write nothing into the input", interface.input_untouched),
    Check("empty batch", "no examples in, none out", interface.empty_batch),
    Check("own places", "a declared pointwise function mixes no places", interface.own_places),
    Check("fresh parameters", "instances share nothing and start alike", copies.fresh_parameters),
    Check("gradcheck", "gradients are those of the function", gradcheck.gradcheck),
    Check("finite", "finite wherever the exact result is", values.finite),
    Check("infinities", "the declared limits at -inf and +inf", values.infinities),
    Check("nan", "NaN stays NaN", values.nan),
    Check("memory layout", "any order of memory gives the same", layouts.memory_layout),
    Check("state_dict", "a stored state is the whole state", copies.state_dict),
    Check("deepcopy", "a deep copy computes the same and shares nothing", copies.deepcopy),
    Check("autocast", "runs under bfloat16 autocast, near float32", programs.autocast),
    Check("compile", "compiles to one graph that computes the same", programs.compiled),
    Check("export", "the exported program computes the same", programs.export),
    Check("parameters learn", "every active parameter gets a gradient", learning.parameters_learn),
    Check("parameter groups", "no parameter stands in two groups", learning.parameter_groups),
    Check("deploy", "the deploy form computes the same", copies.deploy),
)


def run_checks(
    make: Callable[[int], nn.Module], *, shape: tuple[int, ...] = DEFAULT_SHAPE, channel_dim: int = 1
) -> tuple[CheckResult, ...]:
    """The results of all checks on modules that `make(num_channels)` gives for outputs of that shape.

    What a module declares (see activations.base) is read from it; a bare nn.Module needs to declare nothing. Torch's
    generators are left as they were.
    """
    subject = Subject(make=make, shape=shape, channel_dim=channel_dim)
    results: list[CheckResult] = []
    with torch.random.fork_rng(devices=[]):
        for check in CHECKS:
            # What gives no output of the right shape would fail all the rest for that one reason.
            is_hopeless = bool(results) and results[0].status == "fail"
            results.append(_not_run(check) if is_hopeless else _run(check, subject))
    return tuple(results)


def _not_run(check: Check) -> CheckResult:
    detail = "not run, as the first check failed"
    return CheckResult(name=check.name, meaning=check.meaning, status="not applicable", detail=detail)


def _run(check: Check, subject: Subject) -> CheckResult:
    status: Status
    try:
        status, detail = "pass", check.run(subject)
    except CheckFailedError as failure:
        status, detail = "fail", str(failure)
    except NotApplicableError as reason:
        status, detail = "not applicable", str(reason)
    except NotDeclaredError as reason:
        status, detail = "not declared", str(reason)
    except Exception as error:
        # Whatever someone else's module may raise is its fault and no traceback of ours.
        status, detail = "fail", _told(error)
    return CheckResult(name=check.name, meaning=check.meaning, status=status, detail=detail)


def _told(error: Exception) -> str:
    """The error's type and first line, without addresses, which no two runs have in common."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return _ADDRESS.sub("0x...", text)[:_LONGEST]
