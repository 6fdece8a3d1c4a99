"""All calls of some kinds of activation in a network, named, and the places that could not be looked into."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import fx, nn

from actbench.models.call_channels import Caller, Flow
from actbench.models.call_inplace import read_elsewhere, readers_after
from actbench.models.call_kinds import (
    FunctionModule,
    call_input,
    call_is_inplace,
    call_kind,
    module_is_inplace,
    module_kind,
    out_of_place,
    stands_aside,
)
from actbench.models.call_tracing import (
    UntraceableError,
    attribute_mention,
    functional_mention,
    given_arguments,
    lasting_graph,
    own_graph,
    reads_training,
)


@dataclass(slots=True, kw_only=True)
class Call:
    """One call of an activation in the graph of the module that makes it."""

    owner: nn.Module
    owner_path: str
    node: fx.Node
    kind: str
    original: nn.Module
    """What is computed there, never in place."""
    is_inplace: bool
    is_aside: bool
    target: str = ""
    """Where the site stands, as a path below the owner; its own name among all calls."""
    alias: str | None = None
    """Why a value overwritten here may be read elsewhere under another name; None if it is not."""

    @property
    def name(self) -> str:
        return f"{self.owner_path}.{self.target}" if self.owner_path else self.target

    @property
    def stands_alone(self) -> bool:
        """Whether an exchange of the module called is all that the site needs."""
        return self.node.op == "call_module" and self.node.target == self.target and not self.later_readers()

    def later_readers(self) -> list[fx.Node]:
        """Nodes that read the input after the call; where the call is in place they see its output."""
        source = call_input(self.node)
        return readers_after(self.node, source) if self.is_inplace and source is not None else []


class Blocked(NamedTuple):
    """A module that cannot be traced although it holds calls of the kinds sought."""

    path: str
    reason: UntraceableError
    call: str | None
    """file:line of a functional call."""
    candidates: tuple[str, ...]
    """Names that its sites could have."""
    is_aside: bool


class Found(NamedTuple):
    calls: list[Call]
    blocked: list[Blocked]
    flow: Flow


def find_calls(model: nn.Module, kinds: frozenset[str]) -> Found:
    """Looks into every module's own forward. The model is as before when this returns."""
    calls: list[Call] = []
    blocked: list[Blocked] = []
    graphs: dict[int, fx.Graph] = {}
    owners: list[tuple[str, nn.Module]] = []
    given: dict[int, set[frozenset[str]]] = {}
    with _told_apart(model, kinds):
        for path, module in model.named_modules():
            if not _has_own_forward(module):
                continue
            try:
                graphs[id(module)] = graph = _graph(module, kinds, given.get(id(module), set()))
            except UntraceableError as reason:
                candidates, mention = _left_in(path, module, kinds)
                if candidates:
                    blocked.append(Blocked(path, reason, mention, candidates, _is_aside(model, path, kinds)))
            else:
                owners.append((path, module))
                for node in graph.find_nodes(op="call_module"):  # callers come before what they call
                    called = module.get_submodule(str(node.target))
                    if _has_own_forward(called) and not isinstance(called, torch.jit.ScriptModule):
                        given.setdefault(id(called), set()).add(given_arguments(called, node))
        _drop_iterated_sequences(owners, graphs)
        for path, module in owners:
            if id(module) in graphs:
                calls += [
                    _call(model, module, path, node, kind)
                    for node in graphs[id(module)].nodes
                    if (kind := _kind_of(node, module)) in kinds and kind
                ]
        flow = _flow(owners, graphs)
        _name(calls)
    for call in calls:
        source = call_input(call.node)
        if call.is_inplace and source is not None:
            call.alias = read_elsewhere(call.owner, call.node, source, flow)
    return Found(calls, blocked, flow)


def _has_own_forward(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule):
        return True
    if module_kind(module) or type(module).forward is nn.Module.forward:
        return False
    is_builtin = type(module).__module__.startswith("torch.nn.modules")
    return not is_builtin or bool(module._modules)


def _graph(module: nn.Module, kinds: frozenset[str], given: set[frozenset[str]]) -> fx.Graph:
    """The module's graph; one that a rewritten forward can be made from, if that is what its calls need.

    `given` are the sets of arguments that its callers give.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise UntraceableError("it is compiled script", None)
    always = frozenset.intersection(*given) if given else frozenset()
    modes = [
        own_graph(module, always, training=training)
        for training in ((False, True) if reads_training(module) else (False,))
    ]
    if not any(_needs_rewriting(module, graph, kinds) for graph in modes):
        # What one mode alone calls is called once in it, and its modules can be exchanged all the same.
        counts = [sum(_kind_of(node, module) in kinds for node in graph.nodes) for graph in modes]
        both = {node.target for graph in modes for node in graph.nodes if _kind_of(node, module) in kinds}
        if len(both) == max(counts):
            return modes[counts.index(max(counts))]
    if len(given) > 1:
        differing = ", ".join(sorted(frozenset.union(*given) - always))
        raise UntraceableError(f"it is called with and without the argument {differing}", None)
    return lasting_graph(module, always)


def _needs_rewriting(module: nn.Module, graph: fx.Graph, kinds: frozenset[str]) -> bool:
    nodes = [node for node in graph.nodes if _kind_of(node, module) in kinds]
    targets = [node.target for node in nodes]
    return (
        any(node.op != "call_module" for node in nodes)
        or len(set(targets)) < len(targets)
        or any(
            _is_inplace(node, module) and source is not None and readers_after(node, source)
            for node in nodes
            for source in [call_input(node)]
        )
    )


def _kind_of(node: fx.Node, owner: nn.Module) -> str | None:
    return module_kind(owner.get_submodule(str(node.target))) if node.op == "call_module" else call_kind(node)


def _is_inplace(node: fx.Node, owner: nn.Module) -> bool:
    if node.op == "call_module":
        return module_is_inplace(owner.get_submodule(str(node.target)))
    return call_is_inplace(node)


def _call(model: nn.Module, owner: nn.Module, path: str, node: fx.Node, kind: str) -> Call:
    if node.op == "call_module":
        stands_at = _joined(path, str(node.target))
        original = out_of_place(owner.get_submodule(str(node.target)))
    else:
        stands_at, original = path, FunctionModule(node)
    return Call(
        owner=owner,
        owner_path=path,
        node=node,
        kind=kind,
        original=original,
        is_inplace=_is_inplace(node, owner),
        is_aside=_is_aside(model, stands_at, frozenset({kind})),
    )


def _name(calls: list[Call]) -> None:
    """Gives every call its own place: a module's first call keeps the module's, further ones stand at the owner."""
    taken: set[str] = set()
    for call in calls:
        is_module = call.node.op == "call_module"
        base = str(call.node.target) if is_module else function_key(call.node)
        key = base.replace(".", "_")
        # A nested place may belong to a Sequential, which would call whatever else is put beside.
        options = [base] if is_module or not hasattr(call.owner, key) else []
        options += [f"{key}_{n}" for n in range(1, len(calls) + 2) if not hasattr(call.owner, f"{key}_{n}")]
        call.target = next(each for each in options if _joined(call.owner_path, each) not in taken)
        taken.add(call.name)


def function_key(node: fx.Node) -> str:
    """The name of a functional call's site: that of the function, without the underscore of in place."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return str(name).removesuffix("_")


def _left_in(path: str, module: nn.Module, kinds: frozenset[str]) -> tuple[tuple[str, ...], str | None]:
    """Sites that an untraceable module may have, by what is registered right below it and what its code names."""
    if isinstance(module, torch.jit.ScriptModule):
        operators = str(module.inlined_graph)
        return tuple(_joined(path, kind) for kind in sorted(kinds) if f"aten::{kind}" in operators), None
    names = [
        _joined(path, key)
        for key, child in module.named_modules()
        if module_kind(child) in kinds and _is_direct(module, key)
    ]
    function = functional_mention(module, kinds)
    if function:
        names += [_joined(path, kind) for kind in sorted(kinds)]
    registered = {name.removeprefix(f"{path}.").partition(".")[0] for name in names}
    return tuple(names), function or attribute_mention(module, registered)


def _is_direct(module: nn.Module, key: str) -> bool:
    """Whether nothing with a forward of its own lies between a module and what is registered below it."""
    parts = key.split(".")
    between = [module.get_submodule(".".join(parts[:end])) for end in range(1, len(parts))]
    return all(type(each).forward is nn.Module.forward for each in between)


@contextmanager
def _told_apart(model: nn.Module, kinds: frozenset[str]) -> Iterator[None]:
    """While the graphs are made, an activation registered at several places is another object at each."""
    seen: set[int] = set()
    shared: list[tuple[dict[str, nn.Module | None], str, nn.Module]] = []
    for holder in list(model.modules()):
        for key, child in holder._modules.items():
            if child is not None and module_kind(child) in kinds:
                if id(child) in seen:
                    shared.append((holder._modules, key, child))
                seen.add(id(child))
    for children, key, child in shared:
        twin = child.__new__(type(child))
        vars(twin).update(vars(child))
        children[key] = twin
    try:
        yield
    finally:
        for children, key, child in shared:
            children[key] = child


def _drop_iterated_sequences(owners: list[tuple[str, nn.Module]], graphs: dict[int, fx.Graph]) -> None:
    """A Sequential whose children another module calls one by one makes no calls itself."""
    called = {
        id(owner.get_submodule(str(node.target)))
        for _, owner in owners
        if type(owner).forward is not nn.Sequential.forward
        for node in graphs[id(owner)].nodes
        if node.op == "call_module"
    }
    for _, owner in owners:
        iterated = any(id(child) in called for child in owner._modules.values())
        if type(owner).forward is nn.Sequential.forward and id(owner) not in called and iterated:
            del graphs[id(owner)]


def _flow(owners: list[tuple[str, nn.Module]], graphs: dict[int, fx.Graph]) -> Flow:
    callers: dict[int, list[Caller]] = {}
    for _, owner in owners:
        for node in graphs[id(owner)].nodes if id(owner) in graphs else ():
            if node.op == "call_module":
                called = owner.get_submodule(str(node.target))
                callers.setdefault(id(called), []).append(Caller(owner, node))
    return Flow(graphs, callers)


def _is_aside(model: nn.Module, path: str, kinds: frozenset[str]) -> bool:
    """Whether a module around that path keeps all these kinds of activation to itself."""
    parts = path.split(".") if path else []
    around = [model.get_submodule(".".join(parts[:end])) for end in range(1, len(parts) + 1)]
    return all(any(stands_aside(module, kind) for module in around) for kind in kinds)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
