"""Defaults that are objects themselves are made unchecked, which makes the start shorter: checks give the same."""

from collections.abc import Iterator

import pytest

from actbench.frozen import Frozen
from actbench.models.catalog import PUBLISHED_CNNS, CNNOptions
from actbench.recipe.schema import Recipe  # with all that a recipe is made of


def _models(base: type[Frozen]) -> Iterator[type[Frozen]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _defaults() -> dict[str, Frozen]:
    return {
        f"{model.__name__}.{name}": field.default
        for model in _models(Frozen)
        for name, field in model.model_fields.items()
        if isinstance(field.default, Frozen)
    }


def test_defaults_are_what_checks_would_give() -> None:
    found = _defaults()
    assert {
        f"{Recipe.__name__}.evaluation",
        "Arm.train",
        "Arm.options",
        "InputSettings.tokens",
    } <= found.keys()
    for default in found.values():
        checked = type(default)()
        assert default == checked
        assert default.model_dump_json() == checked.model_dump_json()
        assert default.model_fields_set == checked.model_fields_set
        assert default.model_extra == checked.model_extra


@pytest.mark.parametrize("name", PUBLISHED_CNNS)
def test_published_networks_are_what_checks_would_give(name: str) -> None:
    options = PUBLISHED_CNNS[name]
    checked = CNNOptions.model_validate(options.model_dump())
    assert options == checked
    assert options.model_dump_json() == checked.model_dump_json()
