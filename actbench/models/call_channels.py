"""How many channels reach a call, and along which dimension, read off what produced its input."""

import operator
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from actbench.models.call_kinds import call_kind, module_kind


class Channels(NamedTuple):
    number: int
    dim: Literal[1, -1]
    """1 in images and sequences (N, C, *); -1 where a linear layer made the last dimension."""


class Caller(NamedTuple):
    owner: nn.Module
    node: fx.Node


class Flow(NamedTuple):
    """Who calls whom: the graph of every module that has one, and the places where each module is called."""

    graphs: dict[int, fx.Graph]
    callers: dict[int, list[Caller]]


# Of one tensor input, or of several that have the same channels.
_KEEPING: set[object] = {
    *(operator.add, operator.iadd, operator.mul, operator.imul, operator.sub, operator.truediv),
    *(torch.add, torch.mul, F.dropout, F.dropout2d, F.batch_norm, F.layer_norm, F.group_norm),
}
_KEEPING_METHODS: set[object] = {"add", "add_", "mul", "mul_", "contiguous", "clone", "to", "float"}
_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_KEEPING_MODULES = (nn.Identity, nn.modules.dropout._DropoutNd)


def channels_into(owner: nn.Module, node: fx.Node | None, flow: Flow, depth: int = 0) -> Channels | None:
    """Channels of a value in the owner's graph; None where the graph does not tell, or tells two things."""
    if node is None or depth > 50:
        return None
    if node.op == "placeholder":
        found = {
            channels_into(caller.owner, _argument(caller.node, node), flow, depth + 1)
            for caller in flow.callers.get(id(owner), [])
        }
        return found.pop() if len(found) == 1 else None
    if node.op == "call_module":
        module = owner.get_submodule(str(node.target))
        known = _made_by(module)
        if known or not (module_kind(module) or isinstance(module, (*_KEEPING_MODULES, *_POOLS))):
            return known or _out_of(module, flow, depth + 1)
    elif node.target is F.batch_norm and isinstance(owner, _NormBase):
        return Channels(owner.num_features, 1)
    elif not call_kind(node) and node.target not in _KEEPING | _KEEPING_METHODS:
        return None
    sources = [n for n in node.all_input_nodes if n.op != "get_attr"]
    found = {channels_into(owner, source, flow, depth + 1) for source in sources}
    agreed = found - {None}
    if len(agreed) != 1:
        return None
    (channels,) = agreed
    # One channel may have been broadcast against the many of a source that the graph does not tell.
    return None if channels is None or (channels.number == 1 and None in found) else channels


def _out_of(module: nn.Module, flow: Flow, depth: int) -> Channels | None:
    graph = flow.graphs.get(id(module))
    if graph is None:
        return None
    output = next(node for node in reversed(graph.nodes) if node.op == "output").args[0]
    return channels_into(module, output, flow, depth) if isinstance(output, fx.Node) else None


def _made_by(module: nn.Module) -> Channels | None:
    """Channels that a layer's own shape fixes."""
    if isinstance(module, _ConvNd):
        return Channels(module.out_channels, 1)
    if isinstance(module, nn.Linear):
        return Channels(module.out_features, -1)
    if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm):
        assert isinstance(module, _NormBase)
        return Channels(module.num_features, 1)
    if isinstance(module, nn.GroupNorm):
        return Channels(module.num_channels, 1)
    if type(module) is nn.LayerNorm and len(module.normalized_shape) == 1:
        return Channels(module.normalized_shape[0], -1)
    if type(module).__name__ == "FrozenBatchNorm2d":
        weight = module.get_buffer("weight")
        return Channels(len(weight), 1)
    return None


def _argument(call: fx.Node, placeholder: fx.Node) -> fx.Node | None:
    """What a module's call gives for one of the arguments of the module's own graph."""
    names = [n.target for n in placeholder.graph.nodes if n.op == "placeholder"]
    index = names.index(placeholder.target)
    given = call.args[index] if index < len(call.args) else call.kwargs.get(str(placeholder.target))
    return given if isinstance(given, fx.Node) else None
