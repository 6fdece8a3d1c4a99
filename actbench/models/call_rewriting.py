"""A module whose forward is replaced by a graph, while it stays what it was in every other way.

The module object, its class's methods, its parameters, their names and its hooks stay; only the class is exchanged
for a subclass with another `forward`. Copies, pickles and `torch.save` carry the source of that forward along.
"""

import linecache
from collections.abc import Callable
from typing import Any

from torch import fx, nn

from actbench.errors import ActbenchError

# torch, inf, device and the like, which every generated source may use, and which no pickle can hold.
_ALWAYS_THERE = dict(fx.Graph().python_code("self").globals)
_CLASSES: dict[tuple[object, ...], type[nn.Module]] = {}


def rewritten_class(module: nn.Module, graph: fx.Graph, closed: tuple[str, ...]) -> type[nn.Module]:
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
