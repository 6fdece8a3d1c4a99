"""What a class's constructor says of its options: names, types and defaults become a typed options class.

`class MyAct(nn.Module): def __init__(self, num_channels: int, *, beta: float = 1.0)` has one option, `beta`. The
parameters `num_channels` and `channel_dim` are given by whoever makes the activation, every other one is an option.
"""

import inspect
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from actbench.frozen import NoOptions, Options

GIVEN = ("num_channels", "channel_dim")
"""What the maker of an activation gives, where the constructor asks for it."""
_TYPES = "int, float, bool, str, a Literal of these, tuple[..., ...] of these, or any of them | None"
_SCALARS = (int, float, bool, str)


class _DeclaredOptions(Options):
    """A default must fit its own declaration; an int where a float is declared becomes one."""

    model_config = ConfigDict(validate_default=True, protected_namespaces=())


class Signature(NamedTuple):
    """How a class is made."""

    arguments: tuple[str, ...]
    """Those of `num_channels` and `channel_dim` that its constructor takes."""
    options: type[Options]


def read_signature(made: type) -> Signature:
    """The constructor of a module's class. Raises TypeError saying all that is not understood."""
    parameters = list(_parameters(made))
    wrong = [text for parameter in parameters if (text := _wrong(parameter))]
    hints, unresolved = _hints(made)
    fields: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        if name in GIVEN or _wrong(parameter):
            continue
        if unresolved:
            wrong.append(unresolved)
            break
        if not _is_supported(hints[name]):
            wrong.append(f"option {name!r}: its type is none of {_TYPES}")
        else:
            fields[name] = (hints[name], parameter.default)
    if wrong:
        raise TypeError("; ".join(wrong))
    try:
        checked = _options_class(made, fields).model_validate({}, strict=True)
    except ValidationError as error:
        mistakes = (f"option {m['loc'][0]!r}: default {m['input']!r}: {m['msg']}" for m in error.errors())
        raise TypeError("; ".join(mistakes)) from None
    # A default of 1 where a float is declared is 1.0 from here on, in listings and records too.
    fields = {key: (declared, getattr(checked, key)) for key, (declared, _) in fields.items()}
    arguments = tuple(name for name in GIVEN if name in {parameter.name for parameter in parameters})
    return Signature(arguments, _options_class(made, fields) if fields else NoOptions)


def _options_class(made: type, fields: dict[str, Any]) -> type[Options]:
    return create_model(f"{made.__name__}PluginOptions", __base__=_DeclaredOptions, **fields)


def _parameters(made: type) -> Iterator[inspect.Parameter]:
    signature = inspect.signature(made)
    parameters = list(signature.parameters.values())
    if [p.kind for p in parameters] == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
        return  # a class without a constructor shows that of nn.Module, which takes nothing
    yield from parameters


def _wrong(parameter: inspect.Parameter) -> str | None:
    """What is wrong with a parameter, its type apart."""
    name, empty = parameter.name, inspect.Parameter.empty
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return f"{parameter} hides its options: name each of them"
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        return f"{name!r} cannot be given by name"
    if name in GIVEN:
        return None
    if parameter.default is empty:
        number = "" if parameter.annotation is not empty else ", or `num_channels` if it is their number"
        return f"option {name!r} has no default: write `{name}: float = ...`{number}"
    if parameter.annotation is empty:
        return f"option {name!r} has no type: write `{name}: float = {parameter.default!r}`"
    if name.startswith("_") or hasattr(Options, name):
        return f"{name!r} cannot be an option's name"
    return None


def _hints(made: type) -> tuple[dict[str, Any], str | None]:
    """The constructor's types, or why they cannot be told."""
    constructor = made.__init__  # type: ignore[misc]
    try:
        return get_type_hints(constructor, include_extras=True), None
    except NameError as error:
        return {}, f"a type of its constructor is not defined: {error}"


def _is_supported(annotation: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return True
    if origin is Annotated:
        return _is_supported(arguments[0])
    if origin is Literal:
        return all(isinstance(value, _SCALARS) for value in arguments)
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is Ellipsis and _is_supported(arguments[0])
    if origin in (Union, types.UnionType):
        rest = [argument for argument in arguments if argument is not type(None)]
        return len(rest) == 1 and _is_supported(rest[0])
    return False
