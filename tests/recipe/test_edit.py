"""Changes to a recipe's text."""

import pytest

from actbench.recipe.edit import replace_scalar, scalar_text

TEXT = """\
# größe 😀
title: name
data: {name: digits}
list: [name, x]
more: []
name:   'demo'   # kept
base: below  # too
"""


def test_one_scalar_changes_and_all_else_stays() -> None:
    assert replace_scalar(TEXT, "name", "other") == TEXT.replace("'demo'", "other")
    assert replace_scalar(TEXT, "base", '"../x"') == TEXT.replace("below", '"../x"')


def test_text_of_a_scalar() -> None:
    assert (scalar_text(TEXT, "name"), scalar_text(TEXT, "base")) == ("demo", "below")
    assert scalar_text(TEXT, "digits") is None
    assert scalar_text(TEXT, "data") is None


def test_missing_key_is_an_error() -> None:
    with pytest.raises(KeyError):
        replace_scalar(TEXT, "nowhere", "x")
