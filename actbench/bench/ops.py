"""Activations by themselves: time of forward and backward beside ReLU, SiLU and a copy, and the memory that they take.

Bytes that have to be moved: forward reads the input and writes the output; backward reads the input and the gradient
from above, and writes the input's gradient. What an activation moves beyond these lowers its achieved bytes per second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from actbench.bench.activations import Inputs, Measured, Setting, prepare
from actbench.bench.memory import kept_bytes, peak_bytes
from actbench.bench.timing import Case, Spread, Times, clock_for, time_cases
from actbench.errors import ActbenchError

REFERENCES = ("relu", "silu")
"""Measured in every round, whether asked for or not: the others are told as ratios to them."""
_COPY = "copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one way through: forward alone, or forward and backward with all gradients."""

    time_s: Spread
    over_relu: Spread
    over_silu: Spread
    bytes_per_s: float
    """By the median time."""
    of_copy: float
    """These bytes per second as a share of a copy's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpRow:
    activation: str
    options: Mapping[str, object]
    is_compiled: bool
    backend: str
    forward: Cost
    both: Cost
    kept_bytes_per_element: float
    kept_inputs: float
    """The same in units of the input."""
    peak_bytes_per_element: float
    """Height of forward and backward over what is there before: output, input's gradient and everything beside."""
    operations_per_element: float | None
    keeps_layout: bool
    first_call_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsResult:
    setting: Setting
    threads: int
    rounds: int
    clock: str
    page_faults: int
    copy_time_s: Spread
    copy_bytes_per_s: float
    rows: tuple[OpRow, ...]
    left_out: tuple[str, ...]
    """Why activations are not among the rows, where only those that fit were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    name: str
    options: Mapping[str, object]
    is_optional: bool = False
    """Left out, not refused, where it does not take the shape."""


def measure_ops(
    wanted: Sequence[Wanted],
    setting: Setting,
    *,
    rounds: int,
    with_compiled: bool = False,
    note: Callable[[str], None] = lambda _text: None,
) -> OpsResult:
    """All in one process, each once in every round. Raises ActbenchError for what does not take the shape."""
    inputs = Inputs(setting)
    measured: dict[str, tuple[Wanted, Measured]] = {}
    left_out = []
    for one in _with_references(wanted):
        try:
            for is_compiled in (False, True) if with_compiled else (False,):
                if is_compiled:
                    note(f"compiling {one.name}")
                made = prepare(one.name, one.options, inputs, is_compiled=is_compiled)
                measured[_key(one.name, is_compiled)] = (one, made)
        except ActbenchError as error:
            if not one.is_optional:
                raise
            left_out.append(f"{one.name} is left out: {error.problems[0].message}")
    copied = torch.empty_like(inputs.x(), requires_grad=False)
    source = inputs.x().detach()
    cases = [Case(_COPY, lambda: copied.copy_(source))]
    for key, (_, made) in measured.items():
        cases += [Case(f"{key} forward", made.infer), Case(f"{key} both", made.both, made.forget)]
    threads = torch.get_num_threads()
    clock = clock_for(setting.device, threads=threads)
    times = time_cases(cases, clock=clock, rounds=rounds)
    copy_bytes_per_s = 2 * source.nbytes / times.spread(_COPY).median
    return OpsResult(
        setting=setting,
        threads=threads,
        rounds=rounds,
        clock=clock.words,
        page_faults=times.page_faults,
        copy_time_s=times.spread(_COPY),
        copy_bytes_per_s=copy_bytes_per_s,
        rows=tuple(_row(key, *found, times, copy_bytes_per_s) for key, found in measured.items()),
        left_out=tuple(left_out),
    )


def _with_references(wanted: Sequence[Wanted]) -> list[Wanted]:
    """ReLU and SiLU first; one that is named with options of its own is the reference all the same."""
    named = {one.name: one for one in wanted}
    first = [named.get(name, Wanted(name=name, options={})) for name in REFERENCES]
    return [*first, *(one for name, one in named.items() if name not in REFERENCES)]


def _key(name: str, is_compiled: bool) -> str:
    return f"{name}, compiled" if is_compiled else name


def _row(key: str, one: Wanted, made: Measured, times: Times, copy_bytes_per_s: float) -> OpRow:
    y = made.infer()
    forward_bytes = made.x.nbytes + y.nbytes
    backward_bytes = 2 * made.x.nbytes + y.nbytes
    made.forget()
    kept = kept_bytes(made.module, made.forward)
    peak = peak_bytes(made.both, made.setting.device)
    made.forget()

    def cost(way: str, moved: int) -> Cost:
        case = f"{key} {way}"
        time_s = times.spread(case)
        return Cost(
            time_s=time_s,
            over_relu=times.ratio(case, f"relu {way}"),
            over_silu=times.ratio(case, f"silu {way}"),
            bytes_per_s=moved / time_s.median,
            of_copy=moved / time_s.median / copy_bytes_per_s,
        )

    return OpRow(
        activation=one.name,
        options=one.options,
        is_compiled=made.called is not made.module,
        backend=made.backend,
        forward=cost("forward", forward_bytes),
        both=cost("both", forward_bytes + backward_bytes),
        kept_bytes_per_element=kept / y.numel(),
        kept_inputs=kept / made.x.nbytes,
        peak_bytes_per_element=peak / y.numel(),
        operations_per_element=made.operations,
        keeps_layout=made.keeps_layout,
        first_call_s=made.first_call_s,
    )
