"""The base of everything typed that YAML and JSON carry. Imports nothing of ours."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable mapping with known keys only; NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Options(Frozen):
    """Options of one activation, model or data set, as its catalogue types them."""


class NoOptions(Options):
    """For what has nothing to choose."""


OptionValue = bool | int | float | str | None | tuple[bool | int | float | str, ...]
"""What an option can be, whatever declares it."""


class UntypedOptions(Options):
    """Options of an activation that is not at hand, as a record or a recipe gives them."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, OptionValue]


def as_json(facts: BaseModel, exclude: set[str] | None = None) -> bytes:
    """Its JSON, without what is as by default."""
    return facts.__pydantic_serializer__.to_json(facts, exclude=exclude, exclude_defaults=True)
