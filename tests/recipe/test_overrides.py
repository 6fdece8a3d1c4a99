"""What counts as an override; what overrides do is tested with the loader."""

import pytest

from actbench.recipe.overrides import is_override


@pytest.mark.parametrize(
    "text",
    [
        "train.lr=0.1",
        "arms.lslu.options.n=5",
        "seeds=0..4",
        "title=",
        "arms.my-arm.fill=elu",
        "a.b = c",
        "t=a\nb",
    ],
)
def test_override(text: str) -> None:
    assert is_override(text)


@pytest.mark.parametrize(
    "text",
    [
        "demo_digits",
        "recipes/a.yaml",
        "./a=b.yaml",
        "out/x=1/recipe.yaml",
        "=1",
        "1.lr=2",
        "a..b=1",
        ".a=1",
        "a b=1",
    ],
)
def test_no_override(text: str) -> None:
    assert not is_override(text)
