"""What activations in place do to others: who reads a value that a call overwrote, and who overwrites its output."""

import operator
from collections.abc import Iterator

import torch
from torch import fx, nn

from actbench.models.call_channels import Flow
from actbench.models.call_kinds import module_is_inplace

_VIEW_METHODS = ["view", "reshape", "flatten", "chunk", "split"]
_VIEW_METHODS += ["transpose", "permute", "narrow", "squeeze", "unsqueeze"]
_VIEWS = {
    *_VIEW_METHODS,
    *(getattr(torch, name) for name in _VIEW_METHODS if name != "view"),
    operator.getitem,
}


def readers_after(node: fx.Node, value: fx.Node) -> list[fx.Node]:
    """The nodes that read a value after `node` ran."""
    order = {each: place for place, each in enumerate(node.graph.nodes)}
    return [user for user in value.users if order[user] > order[node]]


def read_elsewhere(
    owner: nn.Module, node: fx.Node, source: fx.Node, flow: Flow, depth: int = 0
) -> str | None:
    """Where else a value overwritten in place is read: through a view here, or by the caller that passed it."""
    value = source
    while value.target in _VIEWS and isinstance(value.args[0], fx.Node):
        value = value.args[0]
        if readers_after(node, value):
            return f"{value.name!r}, of which its input is a view, is read again"
    if value.op != "placeholder" or depth > 50:
        return None
    for caller in flow.callers.get(id(owner), []):
        for passed in caller.node.all_input_nodes:
            if readers_after(caller.node, passed):
                return f"its input is read again in {type(caller.owner).__name__}, which passed it"
            found = read_elsewhere(caller.owner, caller.node, passed, flow, depth + 1)
            if found:
                return found
    return None


def writers_into(owner: nn.Module, node: fx.Node, flow: Flow, depth: int = 0) -> Iterator[nn.Module]:
    """Modules in place (a dropout, say) that write into a value.

    An activation that needs its output for the gradient, as ReLU does, could not stand before them.
    """
    for user in node.users if depth < 50 else ():
        if user.op == "output":
            for caller in flow.callers.get(id(owner), []):
                yield from writers_into(caller.owner, caller.node, flow, depth + 1)
        elif user.op == "call_module":
            module = owner.get_submodule(str(user.target))
            if module_is_inplace(module):
                yield module
            elif isinstance(module, nn.Identity | nn.Flatten):
                yield from writers_into(owner, user, flow, depth + 1)
            elif id(module) in flow.graphs:
                for inner in flow.graphs[id(module)].nodes:
                    if inner.op == "placeholder":
                        yield from writers_into(module, inner, flow, depth + 1)
        elif user.target in _VIEWS:
            yield from writers_into(owner, user, flow, depth + 1)
