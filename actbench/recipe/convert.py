"""From a located tree to a frozen typed object, by the declared types of its fields; every mistake is told.

Objects are made from the inside out: each mapping's values are read, then pydantic checks ranges and what
several fields have to do with one another, and `wording.py` says it in our words. A field whose value could
not be read is left to fail silently, so that no mistake is told twice and none hides another.
"""

import types
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import ValidationError

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.activations.plugin_source import PluginSource
from actbench.errors import Problem, RecipeError
from actbench.frozen import Frozen, NoOptions, UntypedOptions
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Mapping, Node, Scalar, Sequence, join, read_tree
from actbench.recipe.scalars import (
    BAD,
    read_boolean,
    read_by_looks,
    read_choice,
    read_integer,
    read_number,
    read_seeds,
    read_text,
    wrong_kind,
)
from actbench.recipe.schema import Arm, Recipe
from actbench.recipe.tune_settings import TuneSettings
from actbench.recipe.wording import reworded

Model = TypeVar("Model", bound=Frozen)
Reader = Callable[[Node, list[Problem]], Any]

_SCALARS: dict[object, Reader] = {int: read_integer, float: read_number, bool: read_boolean, str: read_text}


def convert(node: Node, model: type[Model], problems: list[Problem]) -> Model | None:
    """The typed object; None where a mistake, now among `problems`, leaves none."""
    value = _read_model(node, model, problems)
    return None if value is BAD else cast(Model, value)


def read_typed(path: Path, model: type[Model]) -> Model:
    """Any other YAML file of ours, such as a paper's, checked like a recipe; RecipeError tells all."""
    problems: list[Problem] = []
    node = read_tree(path, shown(path), problems)
    value = None if node is None else convert(node, model, problems)
    if problems or value is None:
        raise RecipeError(problems)
    return value


def shown(path: Path) -> str:
    """The path as a message shows it: relative where it lies below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _read_model(node: Node, model: type[Frozen], problems: list[Problem]) -> Any:
    if not isinstance(node, Mapping):
        return wrong_kind(node, "a mapping", problems)
    readers = _field_readers(model)
    for key, value in node.entries.items():
        if key not in readers:
            problems.append(value.problem(f"unknown key {key!r}", *name_hints(key, readers)))
    values: dict[str, Any] = {}
    for name, (required, reader) in readers.items():
        if name in node.entries:
            values[name] = reader(node.entries[name], problems)
        elif required:
            problems.append(node.problem(f"missing key {name!r}", key=join(node.key, name)))
            values[name] = BAD
    if model is Arm:
        values = _with_options(values, node, problems)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        unread = {name for name, value in values.items() if value is BAD}
        problems.extend(reworded(error, node, model, unread))
        return BAD


@cache
def _field_readers(model: type[Frozen]) -> dict[str, tuple[bool, Reader]]:
    """For each field whether it must be given, and what reads it."""
    readers: dict[str, tuple[bool, Reader]] = {}
    for name, field in model.model_fields.items():
        if (model, name) in _NOT_WRITTEN:
            continue
        reader = _SPECIAL.get((model, name)) or _reader(cast(Any, field.annotation), name)
        readers[name] = (field.is_required(), reader)
    return readers


@cache
def _reader(annotation: Any, name: str) -> Reader:
    """What reads a value of that type; `name` is the field's, for messages."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _reader(args[0], name)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin is Literal:
        return lambda node, problems: read_choice(node, args, problems)
    if origin in (tuple, list):
        return partial(_read_list, kind=origin, item=_reader(args[0], name))
    if origin in (Union, types.UnionType):
        return _union_reader(args, name)
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return lambda node, problems: _read_model(node, annotation, problems)
    raise TypeError(f"field {name!r} declares a type that no reader knows: {annotation!r}")


def _union_reader(members: tuple[Any, ...], name: str) -> Reader:
    optional = type(None) in members
    rest = tuple(member for member in members if member is not type(None))
    if len(rest) == 1:
        inner = _reader(rest[0], name)
    elif all(isinstance(member, type) and issubclass(member, Frozen) for member in rest):
        inner = partial(_read_named, models={_name_of(member): member for member in rest}, noun=name)
    else:
        inner = partial(_read_either, readers=tuple((_kind_of(m), _reader(m, name)) for m in rest))
    if not optional:
        return inner
    return lambda node, problems: None if isinstance(node, Scalar) and node.is_null else inner(node, problems)


def _kind_of(annotation: Any) -> type[Node]:
    """Which kind of node a member of a union takes."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind_of(get_args(annotation)[0])
    if origin in (tuple, list):
        return Sequence
    return Mapping if isinstance(annotation, type) and issubclass(annotation, Frozen) else Scalar


def _name_of(model: type[Frozen]) -> str:
    """The value of the field `name` that tells a model of a union from the others."""
    (name,) = get_args(model.model_fields["name"].annotation)
    return str(name)


def _read_list(node: Node, problems: list[Problem], *, kind: type, item: Reader) -> Any:
    if not isinstance(node, Sequence):
        return wrong_kind(node, "a list", problems)
    values = [item(entry, problems) for entry in node.items]
    return BAD if any(value is BAD for value in values) else kind(values)


def _read_either(node: Node, problems: list[Problem], *, readers: tuple[tuple[type, Reader], ...]) -> Any:
    """The first member of a union that can read the node; where none can, the first one's problem stands."""
    fitting = [reader for kind, reader in readers if isinstance(node, kind)]
    first: list[Problem] = []
    for reader in fitting or [readers[0][1]]:
        tried: list[Problem] = []
        value = reader(node, tried)
        if value is not BAD:
            return value
        first = first or tried
    problems.extend(first)
    return BAD


_NOUNS = {"data": "data set", "name": "name"}


def _read_named(node: Node, problems: list[Problem], *, models: dict[str, type[Frozen]], noun: str) -> Any:
    """A mapping whose `name` says which model of a union it is."""
    if not isinstance(node, Mapping):
        return wrong_kind(node, "a mapping with a name", problems, *name_hints("", models))
    if "name" not in node.entries:
        problems.append(
            node.problem("missing key 'name'", *name_hints("", models), key=join(node.key, "name"))
        )
        return BAD
    name = read_text(node.entries["name"], problems)
    if name is not BAD and name not in models:
        message = f"unknown {_NOUNS.get(noun, noun)} {name!r}"
        problems.append(node.entries["name"].problem(message, *name_hints(name, models)))
        return BAD
    return BAD if name is BAD else _read_model(node, models[name], problems)


def _read_space(node: Node, problems: list[Problem]) -> Any:
    """Settings and the values to try of each; which settings there are is asked elsewhere (`tuned_keys.py`)."""
    if not isinstance(node, Mapping):
        return wrong_kind(node, "a mapping of settings to the values to try", problems)
    values = {
        key: _read_list(item, problems, kind=tuple, item=read_number) for key, item in node.entries.items()
    }
    return BAD if any(value is BAD for value in values.values()) else values


def _keep(node: Node, problems: list[Problem]) -> Any:  # noqa: ARG001
    return node


def _with_options(values: dict[str, Any], node: Mapping, problems: list[Problem]) -> dict[str, Any]:
    """An arm's values with its options read by the classes that its activations have in the catalogue.

    Whether names outside the catalogue may stand here is asked elsewhere (`activation_names.py`).
    """
    typed: dict[str, Any] = {}
    fill = values.get("fill", "relu")
    names = {values["activation"], fill} - {BAD, "native"}
    foreign = names - ACTIVATIONS.keys()
    if foreign:
        loaded = {name: ACTIVATIONS[name].plugin for name in names - foreign}
        known = {name: source for name, source in loaded.items() if source}
        typed["plugins"] = known | {name: PluginSource() for name in foreign}
    for key, name in (("options", values["activation"]), ("fill_options", fill)):
        if key not in values:
            if name in foreign:
                typed[key] = UntypedOptions()
        elif name is BAD:
            typed[key] = BAD  # without a known activation nobody can say what its options may be
        elif name in foreign:
            typed[key] = _read_untyped(node.entries[key], problems)
        else:
            entry = ACTIVATIONS.get(name)
            typed[key] = _read_model(node.entries[key], entry.options if entry else NoOptions, problems)
    return {**values, **typed}


def _read_untyped(node: Node, problems: list[Problem]) -> Any:
    """Options that no class types, each by its looks."""
    if not isinstance(node, Mapping):
        return wrong_kind(node, "a mapping", problems)
    values = {key: read_by_looks(value, problems) for key, value in node.entries.items()}
    return BAD if any(value is BAD for value in values.values()) else UntypedOptions.model_validate(values)


_NOT_WRITTEN = {(Arm, "plugins"), (Arm, "stands_for"), (Arm, "donors"), (Arm, "spare")}
"""Fields that no file holds."""
_SPECIAL: dict[tuple[type[Frozen], str], Reader] = {
    (Recipe, "seeds"): read_seeds,
    (TuneSettings, "seeds"): read_seeds,
    (TuneSettings, "space"): _read_space,
    (Arm, "options"): _keep,
    (Arm, "fill_options"): _keep,
}
