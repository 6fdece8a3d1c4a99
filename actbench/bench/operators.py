"""Kernels by themselves: an activation's operator with its tables ready, beside a copy of the same bytes.

Forward and backward are the operator alone, as the module calls it; `module` is the whole activation both ways, its
tables made anew. Of tensors as large as the input 2, 3 and 5 have to be moved, and the copy beside moves as many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from actbench.bench.activations import Inputs, Measured, Setting, prepare
from actbench.bench.timing import Case, Spread, clock_for, time_cases
from actbench.errors import ActbenchError

TENSORS = {"forward": 2, "backward": 3, "module": 5}
_REFERENCES = ("relu", "silu")
_FLUSH_BYTES = 1 << 28
"""More than a GPU's cache, which is written over before each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    activation: str
    way: str
    time_s: Spread
    bytes_per_s: float
    """By the median time, of the bytes that have to be moved."""
    of_copy: Spread
    """How many times our time the copy takes: the share of its bandwidth."""
    over_relu: Spread
    over_silu: Spread


def measure_operators(names: Sequence[str], setting: Setting, *, rounds: int) -> list[OperatorRow]:
    """ReLU, SiLU and these, each way of all once in every round.

    Raises ActbenchError for an activation that no kernel computes here.
    """
    inputs = Inputs(setting)
    x = inputs.x().detach()
    cases = _copies(x)
    flush = _flush(setting.device)
    wanted = [*_REFERENCES, *(name for name in names if name not in _REFERENCES)]
    for name in wanted:
        made = prepare(name, {}, inputs)
        operator = _operator(made)
        cases[name, "forward"] = Case(f"{name} forward", partial(operator.forward, x), flush)
        cases[name, "backward"] = Case(f"{name} backward", partial(operator.backward, made.grad, x), flush)
        cases[name, "module"] = Case(f"{name} module", made.both, _after(made.forget, flush))
    clock = clock_for(setting.device, threads=torch.get_num_threads())
    times = time_cases(list(cases.values()), clock=clock, rounds=rounds)

    def row(name: str, way: str) -> OperatorRow:
        case = f"{name} {way}"
        time_s = times.spread(case)
        return OperatorRow(
            activation=name,
            way=way,
            time_s=time_s,
            bytes_per_s=TENSORS[way] * x.nbytes / time_s.median,
            of_copy=times.ratio(f"copy {way}", case),
            over_relu=times.ratio(case, f"relu {way}"),
            over_silu=times.ratio(case, f"silu {way}"),
        )

    return [row(name, way) for name in ("copy", *wanted) for way in TENSORS]


class _Operator(NamedTuple):
    forward: Callable[[Tensor], object]
    backward: Callable[[Tensor, Tensor], object]
    """From the gradient above and x to that of x, and what is summed for the parameters."""


def _operator(made: Measured) -> _Operator:
    aten = torch.ops.aten
    if made.name == "relu":
        return _Operator(aten.relu, lambda g, x: aten.threshold_backward(g, x, 0))
    if made.name == "silu":
        return _Operator(aten.silu, aten.silu_backward)
    with _Calls() as calls:
        made.infer()
    ours = [(op, arguments) for op, arguments in calls.found if op.namespace == "actbench"]
    if len(ours) != 1:
        raise ActbenchError(
            f"{made.name} is computed by {made.backend} here: there is no one kernel of it to measure",
            hints=[
                "kernels need a C++ compiler on a CPU, on a GPU triton; ACTBENCH_KERNELS=0 turns them off"
            ],
        )
    ((op, (_, *arguments)),) = ours
    tables = [each.detach() if isinstance(each, Tensor) else each for each in arguments]
    namespace, name = op.name().split("::")
    backward = getattr(getattr(torch.ops, namespace), f"{name}_backward")
    return _Operator(lambda x: op(x, *tables), lambda g, x: backward(g, x, *tables))


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down which operators are called, and with what."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[tuple[Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        self.found.append((func, args))
        return func(*args, **(kwargs or {}))


def _copies(x: Tensor) -> dict[tuple[str, str], Case]:
    """Of as many bytes as 2, 3 and 5 tensors have, by torch's own kernel."""
    made = {}
    for way, tensors in TENSORS.items():
        source = torch.randn(x.numel() * tensors // 2, device=x.device).to(x.dtype)
        made["copy", way] = Case(f"copy {way}", partial(torch.empty_like(source).copy_, source))
    return made


def _flush(device: torch.device) -> Callable[[], object] | None:
    if device.type != "cuda":
        return None
    return torch.empty(_FLUSH_BYTES, dtype=torch.int8, device=device).zero_


def _after(first: Callable[[], object], second: Callable[[], object] | None) -> Callable[[], None]:
    def both() -> None:
        first()
        if second is not None:
            second()

    return both
