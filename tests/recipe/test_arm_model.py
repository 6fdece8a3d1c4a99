"""What one arm may have of its own beside its activation: options of the model, and of what fills its other sites."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from actbench.errors import RecipeError
from actbench.models.catalog import ENTRIES, ArmModel
from actbench.recipe.differences import arm_settings_to_type, differing_arm_settings
from actbench.recipe.hashing import arm_settings, footing_hash, run_hash
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Arm, Recipe

RECIPE = """\
name: demo
data: {name: digits}
input: {size: 32}
model: {name: vit, image_size: 32, patch: 8, width: 16, depth: 2, heads: 2}
arms:
- {name: relu, activation: relu}
- {name: swish, activation: swish}
- name: kat
  activation: swish
  sites: ['*.act']
  fill: gelu
  fill_options: {approximate: tanh}
  model: {feed_forward: kat}
train: {epochs: 1, lr: 1e-3}
profiles: {paper: {}, lite: {}, smoke: {}}
"""


def write(tmp_path: Path, old: str = "", new: str = "") -> Path:
    path = tmp_path / "demo.yaml"
    assert old in RECIPE
    path.write_text(RECIPE.replace(old, new, 1) if old else RECIPE)
    return path


def load(path: Path, *overrides: str) -> Recipe:
    return load_recipe(path, overrides=overrides).recipes[0]


def test_an_arm_has_its_own_options_of_the_model_and_the_others_the_recipes(tmp_path: Path) -> None:
    recipe = load(write(tmp_path))
    models = [recipe.model_of(arm) for arm in recipe.arms]
    assert models[0] is models[1] is recipe.model
    assert models[2] == recipe.model.model_copy(update={"feed_forward": "kat"})
    assert recipe.arm("kat").fill_options.model_dump() == {"approximate": "tanh"}


def test_they_are_the_arms_own_hash_and_leave_the_others_alone(tmp_path: Path) -> None:
    recipe = load(write(tmp_path))
    without = load(write(tmp_path, "  model: {feed_forward: kat}\n"))
    footing = footing_hash(recipe, "f")
    assert footing == footing_hash(without, "f")
    assert "model" not in arm_settings(recipe.arm("relu"))
    for name in ("relu", "swish"):
        assert run_hash(footing, recipe.arm(name), 0) == run_hash(footing, without.arm(name), 0)
    assert run_hash(footing, recipe.arm("kat"), 0) != run_hash(footing, without.arm("kat"), 0)
    assert differing_arm_settings(recipe.arm("kat"), without.arm("kat")) == ["model.feed_forward"]
    assert arm_settings_to_type(recipe.arm("kat"), without) == ["arms.kat.model.feed_forward=kat"]


def test_they_survive_a_record_and_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path)
    arm = load(path).arm("kat")
    assert Arm.model_validate_json(arm.model_dump_json()) == arm
    mimetic = load(path, "arms.kat.model.attention_init=mimetic").arm("kat")
    assert mimetic.model.changes() == {"feed_forward": "kat", "attention_init": "mimetic"}
    # Another fill has other options, as another activation has.
    other = load(path, "arms.kat.fill_options.beta=2", "arms.kat.fill=softplus").arm("kat")
    assert (other.fill, other.fill_options.model_dump()) == ("softplus", {"beta": 2.0})
    assert load(path, "arms.kat.fill=relu").arm("kat").fill_options.model_dump() == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says", "hint"),
    [
        ("{feed_forward: kat}", "{feed_forward: kan}", 13, "model.feed_forward", "unknown value kan", "mlp, kat"),
        ("{feed_forward: kat}", "{feed_foward: kat}", 13, "model.feed_foward", "unknown key", "'feed_forward'?"),
        ("{feed_forward: kat}", "{height: 32}", 13, "model.height", "unknown key 'height'", "w_init"),
        ("{feed_forward: kat}", "{width: 33}", 13, "model", "heads 2 does not divide width 33", ""),
        ("{feed_forward: kat}", "kat", 13, "model", "expected a mapping, got kat", ""),
        ("{approximate: tanh}", "{beta: 1}", 12, "fill_options.beta", "unknown key 'beta'", "approximate"),
        ("  fill: gelu\n", "", 11, "fill_options.approximate", "unknown key 'approximate'", ""),
        ("activation: swish\n  sites: ['*.act']\n  fill: gelu\n  fill_options: {approximate: tanh}\n",
         "activation: swiglu\n", 9, "activation", "'swiglu' is gated, and with feed_forward kat", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    old: str, new: str, line: int, key: str, says: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, old, new))
    problem = caught.value.problems[0]
    assert (problem.where or "").endswith(f"demo.yaml:{line}")
    assert problem.key == f"arms[2].{key}"
    assert says in problem.message
    assert hint in "\n".join(problem.hints)


def test_an_option_that_the_model_lacks_is_told_with_its_line(tmp_path: Path) -> None:
    old = "model: {name: vit, image_size: 32, patch: 8, width: 16, depth: 2, heads: 2}"
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, old, "model: {name: resnet_cifar}"))
    (problem,) = caught.value.problems
    assert problem.message == "the model 'resnet_cifar' has no such option"
    assert (problem.key, (problem.where or "").rpartition(":")[2]) == ("arms[2].model.feed_forward", "13")


def test_a_vit_is_made_for_the_size_of_its_pictures(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, "image_size: 32", "image_size: 24"))
    (problem,) = caught.value.problems
    assert problem.message == "24 is not input.size, which is 32"
    assert problem.key == "model.image_size"


def test_every_option_that_arms_may_change_is_one_of_a_model_and_of_its_type() -> None:
    fields = ArmModel.model_fields
    assert fields
    for name, field in fields.items():
        owners = [
            entry.options.model_fields[name]
            for entry in ENTRIES.values()
            if name in entry.options.model_fields
        ]
        assert owners
        for owner in owners:
            # Models count a width in channels or as a factor.
            assert {*get_args(owner.annotation | None)} <= {*get_args(field.annotation)}  # type: ignore[operator]
            assert field.default is None


def test_no_arm_of_a_detector_or_a_plain_net_is_touched(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    assert all(recipe.model_of(arm) is recipe.model for arm in recipe.arms)
