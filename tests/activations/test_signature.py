"""What a constructor's parameters say of an activation's options."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError
from torch import nn

from actbench.activations.catalog import ENTRIES
from actbench.activations.create import ACTIVATIONS
from actbench.activations.signature import read_signature
from actbench.frozen import NoOptions


def _made(constructor: Callable[..., None]) -> type:
    return type("Made", (nn.Module,), {"__init__": constructor})


class Bare(nn.Module):
    pass


def test_a_class_without_a_constructor_takes_nothing() -> None:
    assert read_signature(Bare) == ((), NoOptions)


def test_every_supported_type_with_its_default() -> None:
    def init(
        self: nn.Module,
        num_channels: int,
        channel_dim: int = 1,
        *,
        slope: float = 1,
        pieces: Annotated[int, Field(ge=2)] = 4,
        on: bool = True,
        label: str = "a",
        mode: Literal["a", "b"] = "b",
        knots: tuple[float, ...] = (0, 1.5),
        cap: float | None = None,
    ) -> None: ...

    arguments, options = read_signature(_made(init))
    assert arguments == ("num_channels", "channel_dim")
    assert options().model_dump() == {
        "slope": 1.0, "pieces": 4, "on": True, "label": "a", "mode": "b", "knots": (0.0, 1.5), "cap": None,
    }  # fmt: skip
    assert isinstance(options().model_dump()["slope"], float)
    for wrong in ({"pieces": 1}, {"pieces": 2.5}, {"mode": "c"}, {"other": 1}, {"slope": float("nan")}):
        with pytest.raises(ValidationError):
            options.model_validate(wrong, strict=True)


@pytest.mark.parametrize("name", [name for name in ENTRIES if ENTRIES[name].plugin is None])
def test_our_own_classes_are_read_as_the_catalogue_writes_them(name: str) -> None:
    """The catalogue is written by hand, so it is an independent answer."""
    arguments, options = read_signature(ACTIVATIONS[name])
    assert arguments == ENTRIES[name].arguments
    assert options().model_dump() == ENTRIES[name].options().model_dump()


def _no_default(self: nn.Module, beta: float) -> None: ...
def _not_even_a_type(self: nn.Module, channels) -> None: ...  # type: ignore[no-untyped-def]
def _no_type(self: nn.Module, beta=1.0) -> None: ...  # type: ignore[no-untyped-def]
def _unsupported(self: nn.Module, beta: dict[str, int] = {}) -> None: ...  # noqa: B006
def _untold(self: nn.Module, beta: "Nowhere" = 1.0) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _misfit(self: nn.Module, beta: int = 2.5) -> None: ...  # type: ignore[assignment]
def _endless(self: nn.Module, beta: float = float("inf")) -> None: ...
def _hidden(self: nn.Module, num_channels: int, **options: Any) -> None: ...
def _by_place(self: nn.Module, beta: float = 1.0, /) -> None: ...
def _taken(self: nn.Module, model_dump: float = 1.0) -> None: ...
def _several(self: nn.Module, a: float, b=1) -> None: ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("constructor", "told"),
    [
        (_no_default, ["option 'beta' has no default: write `beta: float = ...`"]),
        (_not_even_a_type, ["option 'channels' has no default", "or `num_channels` if it is their number"]),
        (_no_type, ["option 'beta' has no type: write `beta: float = 1.0`"]),
        (_unsupported, ["option 'beta': its type is none of int, float"]),
        (_untold, ["not defined", "Nowhere"]),
        (_misfit, ["option 'beta': default 2.5", "valid integer"]),
        (_endless, ["option 'beta': default inf", "finite number"]),
        (_hidden, ["**options", "hides its options"]),
        (_by_place, ["'beta' cannot be given by name"]),
        (_taken, ["'model_dump' cannot be an option's name"]),
        (_several, ["'a' has no default", "'b' has no type"]),
    ],
)
def test_what_is_not_understood_is_said(constructor: Callable[..., None], told: list[str]) -> None:
    with pytest.raises(TypeError) as caught:
        read_signature(_made(constructor))
    assert all(words in str(caught.value) for words in told)
