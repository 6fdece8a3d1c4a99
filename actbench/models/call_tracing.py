"""One module's own forward as a graph, with every submodule a leaf: which calls it makes itself, in which order.

Tracing one level at a time leaves dropout, normalisation and everything else a module of its own as it is, and a
model whose top cannot be traced is no obstacle. What torch.fx would silently freeze or drop in the traced forward
is refused here, because a rewritten forward must be the same function for every input and in both modes:
branches on `self.training` (used as a value it stays live), tensors made in forward, context managers,
attributes set in forward, and arguments other than their defaults.
"""

import dis
import inspect
import itertools
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import fx, nn

from actbench.models.call_kinds import FUNCTION_NAMES, FUNCTIONS


class UntraceableError(Exception):
    """Why a module's forward has no graph, with the source's file:line where it can be had."""

    def __init__(self, reason: str, where: str | None) -> None:
        super().__init__(reason)
        self.where = where


class _OneLevel(fx.Tracer):
    # Buffers as proxies: a forward that counts batches would otherwise count while it is traced.
    proxy_buffer_attributes = True

    def __init__(self, *, live_training: bool) -> None:
        super().__init__()
        self.live_training = live_training

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return True

    def create_args_for_root(self, *args: Any, **kwargs: Any) -> Any:
        made = super().create_args_for_root(*args, **kwargs)
        if self.live_training:
            vars(self.root)["training"] = self.create_proxy("get_attr", "training", (), {})
        return made


def own_graph(module: nn.Module, given: frozenset[str], *, training: bool) -> fx.Graph:
    """The graph of a module's own forward in one mode. Leaves the module as it was. Raises UntraceableError.

    Of the arguments with a default those in `given` are variables; the others are taken at their defaults.
    """
    return _traced(module, given, training=training, live_training=False)


def lasting_graph(module: nn.Module, given: frozenset[str]) -> fx.Graph:
    """A graph that can stand in for a module's forward: for every input, in both modes.

    Raises UntraceableError for whatever a graph would leave out, or fix for ever.
    """
    graph, other = (
        _traced(module, given, training=training, live_training=True) for training in (False, True)
    )
    if graph.python_code("self").src != other.python_code("self").src:
        raise UntraceableError("its forward depends on whether a submodule is in training mode", None)
    for node in graph.nodes:
        if node.op == "get_attr" and "_tensor_constant" in str(node.target):
            raise UntraceableError("its forward makes a tensor, which tracing would freeze", None)
    for code in own_code(module):
        for step in dis.get_instructions(code):
            if step.opname in ("BEFORE_WITH", "LOAD_SPECIAL"):
                raise UntraceableError(
                    "its forward has a `with` block, which tracing would drop", _line(code, step)
                )
            if step.opname == "STORE_ATTR":
                raise UntraceableError(
                    f"its forward sets the attribute {step.argval!r}, which tracing would drop",
                    _line(code, step),
                )
    return graph


def reads_training(module: nn.Module) -> bool:
    """Whether a module's code names `training`, so that its two modes may call different things."""
    return any("training" in code.co_names for code in own_code(module))


def given_arguments(module: nn.Module, call: fx.Node) -> frozenset[str]:
    """Names of a module's arguments that a call gives a variable for."""
    parameters = list(inspect.signature(inspect.unwrap(type(module).forward)).parameters)[1:]
    given = {**dict(zip(parameters, call.args, strict=False)), **call.kwargs}
    return frozenset(name for name, value in given.items() if isinstance(value, fx.Node))


def _traced(module: nn.Module, given: frozenset[str], *, training: bool, live_training: bool) -> fx.Graph:
    """With `live_training` a read of `self.training` stays one, in the graph."""
    if "forward" in vars(module):
        raise UntraceableError("its forward was replaced on the instance", None)
    if type(module).forward is nn.Sequential.forward:
        return _chain(module)
    tracer = _OneLevel(live_training=live_training)
    with _undisturbed(module, training=training), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            defaults = {name: value for name, value in _defaults(module).items() if name not in given}
            graph = tracer.trace(module, concrete_args=defaults)
        except Exception as error:  # tracing runs the module's own code, which may raise anything
            raise UntraceableError(_reason(error), _place(error)) from error
    for node in list(graph.nodes):
        if node.op == "placeholder":
            _restore_argument(node, module, given)
        if node.op == "get_attr" and node.target == "training" and not node.users:
            graph.erase_node(node)
    return graph


def functional_mention(module: nn.Module, kinds: frozenset[str]) -> str | None:
    """file:line where the code of a module that cannot be traced names a function of these kinds; None if nowhere."""
    for key, value in vars(module).items():
        if callable(value) and not isinstance(value, nn.Module) and _kind_of(value) in kinds:
            return f"{type(module).__name__}.{key}"
    for code in own_code(module):
        own = False
        for step in dis.get_instructions(code):
            name = step.argval
            named = isinstance(name, str) and step.opname.startswith("LOAD_")
            if named and FUNCTION_NAMES.get(name) in kinds and not (own and name in module._modules):
                return _line(code, step)
            own = step.opname == "LOAD_FAST" and name == "self"
    return None


def attribute_mention(module: nn.Module, names: set[str]) -> str | None:
    """file:line where a module's code names one of these attributes; None if nowhere."""
    for code in own_code(module):
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in names:
                return _line(code, step)
    return None


def own_code(module: nn.Module) -> Iterator[CodeType]:
    """The code of `forward` and of everything it names among the class's methods and its module's functions."""
    cls, seen = type(module), set()
    waiting: list[object] = [cls.forward]
    while waiting:
        named = waiting.pop()
        function = inspect.unwrap(named) if callable(named) else None
        if not isinstance(function, FunctionType) or function.__code__ in seen:
            continue
        seen.add(function.__code__)
        yield function.__code__
        for name in function.__code__.co_names:
            found = inspect.getattr_static(cls, name, None)
            if found is not None and name not in vars(nn.Module):
                waiting.append(getattr(found, "__func__", found))
            elif isinstance(outer := function.__globals__.get(name), FunctionType):
                waiting.append(outer)


def _kind_of(value: object) -> str | None:
    try:
        return FUNCTIONS.get(value)  # type: ignore[call-overload, no-any-return]
    except TypeError:  # not hashable, so none of the functions
        return None


def _chain(module: nn.Module) -> fx.Graph:
    """A Sequential's graph, each child by its own key even where one module stands under several."""
    graph = fx.Graph()
    value = graph.placeholder("input")
    for key in module._modules:
        value = graph.call_module(key, (value,))
    graph.output(value)
    return graph


@contextmanager
def _undisturbed(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Sets the training flag below `module` while it is traced, and takes back what its forward does to attributes."""
    kept = [(each, dict(vars(each))) for each in module.modules()]
    for each, _ in kept:
        vars(each)["training"] = training
    try:
        yield
    finally:
        for each, attributes in kept:
            vars(each).clear()
            vars(each).update(attributes)


def _defaults(module: nn.Module) -> dict[str, object]:
    """Arguments with a constant default: traced at that value, which the graph then insists on."""
    parameters = inspect.signature(inspect.unwrap(type(module).forward)).parameters
    return {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.default is None or type(parameter.default) in (bool, int, float, str)
    }


def _restore_argument(node: fx.Node, module: nn.Module, given: frozenset[str]) -> None:
    """torch.fx appends _1 to the name of an argument traced at its default, which would break keyword calls.

    An argument that was traced as given must be given, where Python's order of arguments allows to say so.
    """
    name, defaults = str(node.target).removesuffix("_1"), _defaults(module)
    if name in defaults and name not in given:
        node.target = name
    before = itertools.takewhile(lambda other: other is not node, node.graph.find_nodes(op="placeholder"))
    if node.target in given and not any(other.args for other in before):
        node.args = ()


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _place(error: BaseException) -> str | None:
    """The last line of code outside torch that the error passed through."""
    inside = torch.__path__[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(inside)]
    own = [frame for frame in frames if frame.filename != __file__]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else None


def _line(code: CodeType, step: dis.Instruction) -> str:
    line = step.positions.lineno if step.positions else None
    return f"{code.co_filename}:{line or code.co_firstlineno}"
