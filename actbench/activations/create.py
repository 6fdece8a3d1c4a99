"""Activations by name, with their options checked by the catalogue. Imports torch only when one is made."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING

from pydantic import ValidationError

from actbench.activations.catalog import ENTRIES, ActivationEntry
from actbench.activations.plugins import failure_of, find_entry
from actbench.errors import ActbenchError, Problem

if TYPE_CHECKING:
    from torch import nn


class _LazyClasses(Mapping[str, "type[nn.Module]"]):
    """Activation name -> its class, imported when it is asked for."""

    def __getitem__(self, name: str) -> "type[nn.Module]":
        module, _, class_name = ENTRIES[name].target.partition(":")
        found: type[nn.Module] = attrgetter(class_name)(import_module(module))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


ACTIVATIONS: Mapping[str, "type[nn.Module]"] = _LazyClasses()


def create_activation(
    name: str, num_channels: int, *, channel_dim: int = 1, **options: object
) -> "nn.Module":
    """A fresh activation for inputs with `num_channels` along `channel_dim` (-1 for token layouts).

    Raises ActbenchError for an unknown name, for options that are unknown, of the wrong type or out of range
    (all of them at once), and for a number of channels that is no positive integer.
    """
    entry = find_entry(name)
    if entry is None:
        raise ActbenchError(f"unknown activation {name!r}", hints=_name_hints(name, ENTRIES))
    try:
        checked = entry.options.model_validate(options, strict=True)
    except ValidationError as error:
        raise _options_error(entry, error) from None
    given = {"num_channels": num_channels, "channel_dim": channel_dim}
    if channel_dim != 1 and entry.arguments == ("num_channels",):
        raise ActbenchError(
            f"{name!r} takes num_channels and no channel_dim: it has its channels at dimension 1, not {channel_dim}"
        )
    arguments = {argument: given[argument] for argument in entry.arguments}
    try:
        return ACTIVATIONS[name](**arguments, **checked.model_dump())
    except Exception as error:
        if entry.plugin is None or isinstance(error, ActbenchError):
            raise
        raise failure_of(entry, error) from error  # a user's code may raise anything


def _options_error(entry: ActivationEntry, error: ValidationError) -> ActbenchError:
    problems = []
    for mistake in error.errors():
        option = str(mistake["loc"][0])
        if mistake["type"] == "extra_forbidden":
            message = f"unknown option {option!r} of activation {entry.name!r}"
            hints = _name_hints(option, entry.options.model_fields)
        else:
            message = (
                f"option {option!r} of activation {entry.name!r}: {mistake['msg']}, got {mistake['input']!r}"
            )
            hints = ()
        problems.append(Problem(message=message, key=f"options.{option}", hints=hints))
    combined = ActbenchError(problems[0].message)
    combined.problems = tuple(problems)
    return combined


def _name_hints(name: str, known: Iterable[str]) -> tuple[str, ...]:
    names = sorted(known)
    hints = (f"known: {', '.join(names) or 'none'}",)
    near = get_close_matches(name, names, n=1)
    return (*hints, f"did you mean {near[0]!r}?") if near else hints
