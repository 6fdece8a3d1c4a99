"""A module whose forward is replaced by a graph, while it stays what it was in every other way.

The module object, its class's methods, its parameters, their names and its hooks stay; only the class is exchanged
for a subclass with another `forward`. Copies, pickles and `torch.save` carry the source of that forward along.
"""

import linecache
from collections.abc import Callable
from typing import Any

from torch import fx, nn

from actbench.errors import ActbenchError
from actbench.models.call_finding import Call, function_key
from actbench.models.call_kinds import call_input
from actbench.models.call_tracing import own_code

# torch, inf, device and the like, which every generated source may use, and which no pickle can hold.
_ALWAYS_THERE = dict(fx.Graph().python_code("self").globals)
_CLASSES: dict[tuple[object, ...], type[nn.Module]] = {}


def rewrite(owner: nn.Module, calls: list[Call]) -> None:
    """Lets the owner's forward call its sites' modules, which stand at their places already.

    Changes the calls' graph; the owner's class is what must be kept to take it back.
    """
    graph = calls[0].node.graph
    for call in calls:
        source, later = call_input(call.node), call.later_readers()
        assert source is not None
        if call.node.op == "call_module":
            call.node.target = call.target
            new = call.node
        else:
            with graph.inserting_before(call.node):
                new = graph.call_module(call.target, (source,))
            call.node.replace_all_uses_with(new)
            graph.erase_node(call.node)
        for reader in later:
            reader.replace_input_with(source, new)
    owner.__class__ = _rewritten_class(owner, graph, _left_behind(owner, calls))


def _left_behind(owner: nn.Module, calls: list[Call]) -> tuple[str, ...]:
    """Methods beside forward that name what was swapped: they still call the old activations, or half of them."""
    names = {call.target.partition(".")[0] for call in calls}
    for call in calls:
        names |= (
            {function_key(call.node), f"{function_key(call.node)}_"}
            if call.node.op != "call_module"
            else set()
        )
    cls = type(owner)
    return tuple(
        code.co_name
        for code in own_code(owner)
        if code.co_name != "forward" and hasattr(cls, code.co_name) and names & set(code.co_names)
    )


def _rewritten_class(module: nn.Module, graph: fx.Graph, closed: tuple[str, ...]) -> type[nn.Module]:
    """The module's class with `graph` as its forward.

    The methods named in `closed` contain calls that were swapped inside forward; called alone they would compute
    the old activation, so they raise ActbenchError.
    """
    code = graph.python_code("self")
    used = {name: value for name, value in code.globals.items() if name not in _ALWAYS_THERE}
    cls = type(module)
    # A class that was made here before is no base: nothing could find it again when it is unpickled.
    base, before = getattr(cls, "_rewritten_from", (cls, ()))
    return _make(base, code.src, used, tuple(sorted({*before, *closed})))


def _make(
    base: type[nn.Module], source: str, names: dict[str, Any], closed: tuple[str, ...]
) -> type[nn.Module]:
    key = (base, source, closed, *((name, id(value)) for name, value in sorted(names.items())))
    if key in _CLASSES:
        return _CLASSES[key]
    place = f"<forward of {base.__name__} with its activations swapped, {len(_CLASSES)}>"
    # So that a traceback shows the generated lines.
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    space = {**_ALWAYS_THERE, **names}
    exec(compile(source, place, "exec"), space)

    def reduce(self: nn.Module, _protocol: object) -> tuple[object, ...]:
        state: Callable[[], object] = self.__getstate__
        return _blank, (base, source, names, closed), state()

    made = type(
        base.__name__,
        (base,),
        {
            "__module__": base.__module__,
            "__qualname__": base.__qualname__,
            "__doc__": base.__doc__,
            "__reduce_ex__": reduce,
            "_rewritten_from": (base, closed),
            "forward": space["forward"],
            **{name: _closed(name) for name in closed},
        },
    )
    return _CLASSES.setdefault(key, made)


def _blank(base: type[nn.Module], source: str, names: dict[str, Any], closed: tuple[str, ...]) -> nn.Module:
    """An instance without state, which copying and unpickling fill."""
    cls = _make(base, source, names, closed)
    blank: nn.Module = cls.__new__(cls)
    return blank


def _closed(name: str) -> Any:
    def refuse(self: nn.Module, *_args: object, **_kwargs: object) -> None:
        raise ActbenchError(
            f"{type(self).__name__}.{name} was left behind when activations were swapped inside forward",
            hints=["call the module itself; or swap first what it calls as modules, and leave the rest"],
        )

    return refuse
