"""Another activation at every call of one, in anyone's network.

A site is a call in a module's own forward: of an activation module (`self.relu(x)`) or of a function (`F.relu(x)`,
`x.relu_()`). A module that is called several times in a forward is several sites. A block that the network itself
calls several times shares its weights, and its sites with them. The gate of a squeeze-and-excite block (its sigmoid)
and all of a detector but its backbone's body are no sites unless they are named: by a glob that matches nothing else.

A site is named by the path of the module called, with _1, _2 for its further calls, or by the path of the calling
module and the function's name. Where every activation module is called once, modules are exchanged and nothing
else; only a forward with functional or repeated calls is rewritten (`call_rewriting.py`), in place, so that the
names of all other weights stay as they are. In-place activations become out-of-place ones; whoever read the
overwritten value reads the activation's output. A module in place right behind a site is set out of place too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from actbench.errors import ActbenchError, Problem
from actbench.models.call_channels import Channels, channels_into
from actbench.models.call_finding import Call, Found, find_calls
from actbench.models.call_inplace import writers_into
from actbench.models.call_kinds import call_input, kinds_named, module_kind
from actbench.models.call_rewriting import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSite:
    name: str
    """Path of the site's module in the model."""
    kind: str
    """The activation called there before."""
    num_channels: int
    channel_dim: Literal[1, -1]


def replace_calls(
    model: nn.Module,
    make: Callable[[CallSite], nn.Module],
    *,
    from_: str | Sequence[str],
    sites: Literal["all"] | Sequence[str] = "all",
    example_input: object = None,
    channel_dim: Literal[1, -1] | None = None,
) -> tuple[CallSite, ...]:
    """Puts `make(site)` at every chosen call of the activations named by `from_`, in place.

    `sites` are "all" or globs over site names. With `example_input` (a tensor or a tuple of arguments) the model is
    run on it in eval mode: for channels that no layer before a site tells, and to prove that a rewritten forward
    computes what the model did. `channel_dim` overrides the dimension read off the layers. Raises ActbenchError, and
    leaves the model as it was, where a chosen module cannot be traced, channels stay unknown, or nothing matches.
    """
    if module_kind(model):
        raise ActbenchError("the model is itself an activation: there is nothing around it that calls one")
    found = find_calls(model, kinds_named(from_))
    calls = _chosen(found, sites, from_)
    _refuse_variables(calls)
    if example_input is None:
        _refuse_aliases(calls)
    channels = {call.name: channels_into(call.owner, call_input(call.node), found.flow) for call in calls}
    writers = [w for call in calls for w in writers_into(call.owner, call.node, found.flow)]
    before = None if example_input is None else _run(model, example_input)
    with _installed(calls) as probes:
        if example_input is not None:
            _require_equal(before, _run(model, example_input))
        chosen = tuple(_site(call, channels[call.name], probes[call.name], channel_dim) for call in calls)
        made = [_fitted(make(site), call, model) for site, call in zip(chosen, calls, strict=True)]
        if len({id(module) for module in made}) < len(made):
            raise ActbenchError("the factory returned one module for several sites; each needs its own")
        for call, module in zip(calls, made, strict=True):
            call.owner.set_submodule(call.target, module)
    for writer in writers:
        vars(writer)["inplace"] = False
    return chosen


class _Probe(nn.Module):
    """Stands at a site until its activation is made: computes what was there and keeps the shape that it saw."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original
        self.shapes: set[torch.Size] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.add(x.shape)
        y: Tensor = self.original(x)
        return y


def _chosen(found: Found, sites: Literal["all"] | Sequence[str], from_: str | Sequence[str]) -> list[Call]:
    ordinary = [call.name for call in found.calls if not call.is_aside]
    ordinary += [name for blocked in found.blocked if not blocked.is_aside for name in blocked.candidates]
    known = [call.name for call in found.calls] + [name for b in found.blocked for name in b.candidates]
    if sites == "all":
        names = set(ordinary)
    else:
        names = set()
        for pattern in (sites,) if isinstance(sites, str) else sites:
            matched = {name for name in ordinary if fnmatchcase(name, pattern)}
            matched = matched or {name for name in known if fnmatchcase(name, pattern)}
            if not matched:
                raise ActbenchError(
                    f"no activation site matches {pattern!r}", hints=[f"sites: {', '.join(known) or 'none'}"]
                )
            names |= matched
    problems = [
        Problem(
            message=f"{repr(blocked.path) if blocked.path else 'the model'} calls {_words(from_)}, but its forward "
            f"cannot be traced: {blocked.reason}",
            where=blocked.call or blocked.reason.where,
            hints=(
                *(
                    [f"tracing stopped at {blocked.reason.where}"]
                    if blocked.call and blocked.reason.where
                    else ()
                ),
                f"leave it out with sites=[...], or give its activations modules of their own: "
                f"{', '.join(blocked.candidates)}",
            ),
        )
        for blocked in found.blocked
        if names & set(blocked.candidates)
    ]
    _raise(problems)
    calls = [call for call in found.calls if call.name in names]
    if not calls:
        aside = [call.name for call in found.calls]
        hints = (
            [f"only in gates or detector heads, to be named in sites: {', '.join(aside)}"] if aside else []
        )
        raise ActbenchError(f"the model calls {_words(from_)} nowhere", hints=hints)
    return calls


def _refuse_variables(calls: list[Call]) -> None:
    _raise(
        [
            Problem(
                message=f"{call.name}: the activation takes a variable beside its input, which would be lost"
            )
            for call in calls
            if call_input(call.node) is None
        ]
    )


def _refuse_aliases(calls: list[Call]) -> None:
    _raise(
        [
            Problem(
                message=f"{call.name} is in place, and {call.alias}: out of place that would be another value",
                hints=("give example_input: the model is then run before and after, and must be equal",),
            )
            for call in calls
            if call.alias
        ]
    )


def _site(call: Call, known: Channels | None, probe: _Probe, asked: Literal[1, -1] | None) -> CallSite:
    shapes = probe.shapes
    dim = asked or (known.dim if known else None)
    if dim is None and all(len(shape) != 3 for shape in shapes):
        dim = 1
    if known and dim == known.dim:
        counts = {known.number}
    elif not shapes:
        raise ActbenchError(
            f"cannot tell how many channels reach {call.name}",
            hints=["give example_input, a batch that the model takes and that reaches this site"],
        )
    elif dim is None:
        raise ActbenchError(
            f"{call.name} gets an input of shape {tuple(*shapes)}: channels first, or last?",
            hints=["say channel_dim=1 for (N, C, L) or channel_dim=-1 for (N, T, C)"],
        )
    elif any(len(shape) < 2 for shape in shapes):
        raise ActbenchError(f"{call.name} gets an input of one dimension: no channels to tell apart")
    else:
        counts = {shape[dim] for shape in shapes}
    if len(counts | {shape[dim] for shape in shapes}) > 1:
        seen = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ActbenchError(f"{call.name}: no one number of channels along dimension {dim} of {seen}")
    return CallSite(name=call.name, kind=call.kind, num_channels=counts.pop(), channel_dim=dim)


def _fitted(module: nn.Module, call: Call, model: nn.Module) -> nn.Module:
    """On the device, in the dtype and in the mode of the model around the site, the nearest parameters first."""
    if not isinstance(module, nn.Module):
        raise ActbenchError(f"the factory made {module!r} for {call.name}, which is no nn.Module")
    around = [p for part in (call.owner, model) for p in part.parameters() if p.is_floating_point()]
    beside = around[0] if around else None
    return (module if beside is None else module.to(beside.device, beside.dtype)).train(call.owner.training)


@contextmanager
def _installed(calls: list[Call]) -> Iterator[dict[str, _Probe]]:
    """Probes at all sites, their owners' forwards rewritten to call them; taken back if the block raises."""
    children = {
        id(holder): (holder, dict(holder._modules)) for call in calls for holder in call.owner.modules()
    }
    classes = {id(call.owner): (call.owner, type(call.owner)) for call in calls}
    try:
        probes = {call.name: _Probe(call.original) for call in calls}
        for owner, _ in classes.values():
            own = [call for call in calls if call.owner is owner]
            for call in own:
                owner.set_submodule(call.target, probes[call.name])
            if not all(call.stands_alone for call in own):
                rewrite(owner, own)
        yield probes
    except BaseException:
        for owner, cls in classes.values():
            owner.__class__ = cls
        for holder, kept in children.values():
            holder._modules.clear()
            holder._modules.update(kept)
        raise


def _run(model: nn.Module, example_input: object) -> list[object]:
    """All leaves of what the model returns in eval mode; the same random numbers each time, no gradients."""
    inputs = example_input if isinstance(example_input, tuple) else (example_input,)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            # Cloned, because a model may begin in place.
            fresh = tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)
            return tree_leaves(model(*fresh))
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ActbenchError(f"the model cannot be run on example_input: {error}") from error
    finally:
        for module, training in modes:
            module.training = training


def _require_equal(before: list[object] | None, after: list[object]) -> None:
    assert before is not None
    same = len(before) == len(after) and all(
        torch.equal(a.nan_to_num(), b.nan_to_num())
        if isinstance(a, Tensor) and isinstance(b, Tensor)
        else a == b
        for a, b in zip(before, after, strict=True)
    )
    if not same:
        raise ActbenchError(
            "with its calls told apart, but no activation exchanged yet, the model computes something else on "
            "example_input; nothing was swapped",
            hints=[
                "its forward depends on what a graph cannot hold, or reads what an activation overwrote in place",
                "swap inside the parts where this does not happen: replace one submodule after another",
            ],
        )


def _words(from_: str | Sequence[str]) -> str:
    return from_ if isinstance(from_, str) else " or ".join(from_)


def _raise(problems: list[Problem]) -> None:
    if problems:
        error = ActbenchError(problems[0].message)
        error.problems = tuple(problems)
        raise error
