"""Two recipes key by key, each value with its place."""

from pathlib import Path

import pytest

from actbench.recipe.load import load_recipe
from actbench.recipe.side_by_side import RecipeDifference, recipe_differences

RECIPE = """\
name: one
data: {name: digits}
input: {size: 32}
model: {name: vanillanet, width: 0.125, decay_epochs: 1}
arms:
  - {name: relu, activation: relu}
  - {name: lslu, activation: lslu}
train: {epochs: 2, lr: 0.1}
seeds: [0, 1]
profiles: {paper: {}, lite: {}, smoke: {}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text(RECIPE)


def against(text: str) -> tuple[RecipeDifference, ...]:
    Path("two.yaml").write_text(text.replace("name: one", "name: two"))
    return recipe_differences(load_recipe("one.yaml"), load_recipe("two.yaml"))


def test_a_recipe_and_its_copy_differ_in_name_alone() -> None:
    (found,) = against(RECIPE)
    assert found.is_equal_footing
    assert [d.key for d in found.without_effect] == ["name"]
    assert (found.shared, found.arms, found.only_first, found.only_second) == ((), (), (), ())


def test_every_key_has_both_values_and_both_places() -> None:
    (found,) = against(RECIPE.replace("lr: 0.1", "lr: 0.2, nesterov: true").replace("[0, 1]", "[0]"))
    assert not found.is_equal_footing
    told = {d.key: (d.first, d.second, d.first_origin, d.second_origin) for d in found.shared}
    assert told == {
        "train.lr": (0.1, 0.2, "one.yaml:8", "two.yaml:8"),
        "train.nesterov": (False, True, "default", "two.yaml:8"),
    }
    assert {d.key for d in found.without_effect} == {"name", "seeds"}


def test_arms_of_one_name_and_arms_of_one_side() -> None:
    text = RECIPE.replace("activation: lslu}", "activation: lslu, options: {n: 5}}")
    (found,) = against(text.replace("{name: relu, activation: relu}", "{name: gelu, activation: gelu}"))
    assert found.is_equal_footing
    assert [(d.key, d.first, d.second) for d in found.arms] == [("arms.lslu.options.n", 3, 5)]
    assert (found.only_first, found.only_second) == (("relu",), ("gelu",))


def test_a_block_that_only_one_has_is_told_key_by_key() -> None:
    (found,) = against(RECIPE.replace("lr: 0.1}", "lr: 0.1, ema: {decay: 0.9}}"))
    assert [(d.key, d.first_origin, d.second_origin) for d in found.shared] == [
        ("train.ema.decay", None, "two.yaml:8")
    ]


def test_variants_pair_by_name_and_a_single_one_with_all() -> None:
    variants = "variants:\n  - {name: slow, set: [train.lr=0.01]}\n  - {name: fast, set: [train.lr=0.3]}\n"
    assert [pair.variants for pair in against(RECIPE + variants)] == [(None, "slow"), (None, "fast")]
    other = variants.replace("slow", "slower")
    Path("one.yaml").write_text(RECIPE + other)
    assert [pair.variants for pair in against(RECIPE + variants)] == [("fast", "fast")]
