"""How the layers of a recipe are laid over one another, and where each value says it comes from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.activations.catalog import LSLUOptions, SwishOptions
from actbench.errors import ActbenchError, RecipeError
from actbench.frozen import NoOptions
from actbench.recipe.find import packaged_recipes
from actbench.recipe.load import LoadedRecipe, load_profiles, load_recipe
from actbench.recipe.schema import PROFILES, Recipe

Write = Callable[..., Path]


def only(loaded: LoadedRecipe) -> Recipe:
    (recipe,) = loaded.recipes
    return recipe


def test_lite_is_the_profile_unless_told(write: Write) -> None:
    loaded = load_recipe(write())
    assert (loaded.profile, only(loaded).profile, only(loaded).train.epochs) == ("lite", "lite", 2)
    assert only(load_recipe("demo.yaml", profile="paper")).train.epochs == 4
    assert loaded.path == Path("demo.yaml")


def test_unknown_profile_is_refused(write: Write) -> None:
    with pytest.raises(ActbenchError, match="unknown profile 'light'") as caught:
        load_recipe(write(), profile="light")  # type: ignore[arg-type]
    assert "did you mean 'lite'?" in str(caught.value)


def test_values_have_their_types(write: Write) -> None:
    recipe = only(load_recipe(write()))
    assert recipe.train.lr == 0.001
    assert recipe.seeds == (0, 1, 2)
    assert recipe.arm("lslu").options == LSLUOptions(n=3)
    assert recipe.arm("swish").options == SwishOptions()
    assert recipe.arm("relu").options == NoOptions()
    assert recipe.train.ema is not None
    assert recipe.variant is None


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        ("7", (7,)),
        ("0..4", (0, 1, 2, 3, 4)),
        ("3..3", (3,)),
        ("0,2, 4", (0, 2, 4)),
        ("[5, 1]", (5, 1)),
        ("'0..1'", (0, 1)),
    ],
)
def test_forms_of_seeds(written: str, seeds: tuple[int, ...], recipe_text: str, write: Write) -> None:
    path = write(recipe_text.replace("0..2", written))
    assert only(load_recipe(path)).seeds == seeds
    assert only(load_recipe(path, overrides=["seeds=8..9"])).seeds == (8, 9)
    assert only(load_recipe(path, seeds="4,6")).seeds == (4, 6)
    with pytest.raises(RecipeError, match="seeds are given twice"):
        load_recipe(path, overrides=["seeds=8..9"], seeds="4,6")


def test_yaml_traps_are_healed_by_the_declared_type(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("title: A demo", "title: no").replace("{n: 3}", "{n: 3}\n  fill: elu")
    recipe = only(load_recipe(write(text)))
    assert recipe.title == "no"
    assert (
        only(load_recipe("demo.yaml", overrides=["title=a: b # c", "train.nesterov=True"])).title
        == "a: b # c"
    )


def test_mappings_merge_deep_and_scalars_are_replaced(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("train: {epochs: 2}", "train: {epochs: 2, ema: {horizon: 0.5}}")
    train = only(load_recipe(write(text))).train
    assert train.ema is not None
    assert (train.epochs, train.batch_size, train.ema.horizon) == (2, 64, 0.5)


def test_null_takes_an_optional_block_away(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("train: {epochs: 2}", "train: {ema: null, early_stopping: ~}")
    recipe = only(load_recipe(write(text)))
    assert recipe.train.ema is None
    assert recipe.train.early_stopping is None
    assert only(load_recipe("demo.yaml", profile="paper", overrides=["train.ema=null"])).train.ema is None


def test_another_model_replaces_the_block_whole(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("train: {epochs: 2}", "model: {name: resnet, depth: 34}")
    model = only(load_recipe(write(text))).model
    assert model.model_dump() == {
        "name": "resnet",
        "depth": 34,
        "width": 64,
        "stem": "imagenet",
        "dropout": 0.0,
        "widths": None,
    }
    text = recipe_text.replace("train: {epochs: 2}", "model: {name: vanillanet, depth: 6}")
    assert only(load_recipe(write(text))).model.model_dump()["decay_epochs"] == 4


def test_order_of_overrides_that_change_the_data_does_not_matter(write: Write) -> None:
    for overrides in (["data.name=synthetic", "data.size=16"], ["data.size=16", "data.name=synthetic"]):
        data = only(load_recipe(write(), overrides=[*overrides, "model.stem_stride=2"])).data
        assert data.model_dump()["size"] == 16


def test_later_override_wins(write: Write) -> None:
    assert only(load_recipe(write(), overrides=["train.lr=1", "train.lr=2"])).train.lr == 2


def test_arms_merge_by_name(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace(
        "    train: {epochs: 2}",
        "    arms:\n"
        "    - {name: lslu, options: {freeze: true}}\n"
        "    - {name: gelu, activation: gelu}\n"
        "    drop_arms: [swish]",
    )
    loaded = load_profiles(write(text))
    assert [arm.name for arm in only(loaded["lite"]).arms] == ["relu", "lslu", "gelu"]
    assert only(loaded["lite"]).arm("lslu").options == LSLUOptions(n=3, freeze=True)
    assert [arm.name for arm in only(loaded["paper"]).arms] == ["relu", "swish", "lslu"]


def test_another_activation_drops_the_old_options(write: Write) -> None:
    recipe = only(load_recipe(write(), overrides=["arms.lslu.activation=gelu"]))
    assert recipe.arm("lslu").activation == "gelu"
    assert "n" not in recipe.arm("lslu").options.model_dump()
    both = ["arms.lslu.activation=elu", "arms.lslu.options.alpha=2"]
    for overrides in (both, both[::-1]):
        recipe = only(load_recipe("demo.yaml", overrides=overrides))
        assert recipe.arm("lslu").options.model_dump() == {"alpha": 2.0}
    kept = only(load_recipe("demo.yaml", overrides=["arms.lslu.activation=lslu"]))
    assert kept.arm("lslu").options == LSLUOptions(n=3)


def test_arm_with_dots_in_its_name_can_be_overridden(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("name: lslu\n", "name: lslu.v2\n").replace("name: swish,", "name: lslu,")
    recipe = only(load_recipe(write(text), overrides=["arms.lslu.v2.options.n=5", "arms.lslu.fill=elu"]))
    assert recipe.arm("lslu.v2").options == LSLUOptions(n=5)
    assert recipe.arm("lslu").fill == "elu"


def test_base_lies_below_the_recipe_and_both_below_the_profile(recipe_text: str, write: Write) -> None:
    write(recipe_text, "below/demo.yaml")
    path = write(
        "base: below/demo.yaml\nname: child\ntrain: {lr: 0.5, epochs: 9}\n"
        "arms: [{name: elu, activation: elu}]\nprofiles: {smoke: {train: {epochs: 1}}}\n",
        "child.yaml",
    )
    loaded = load_profiles(path)
    lite, smoke = only(loaded["lite"]), only(loaded["smoke"])
    assert (lite.name, lite.train.lr, lite.train.epochs, lite.train.batch_size) == ("child", 0.5, 2, 64)
    assert (smoke.train.epochs, smoke.data.name, smoke.seeds) == (1, "synthetic", (0,))
    assert [arm.name for arm in lite.arms] == ["relu", "swish", "lslu", "elu"]
    origins = loaded["smoke"].origins[0]
    assert origins["train.lr"] == "child.yaml:3"
    assert origins["train.batch_size"] == "base below/demo.yaml:22"
    assert origins["train.epochs"] == "profile smoke (child.yaml:5)"
    assert origins["seeds"] == "profile smoke (below/demo.yaml:37)"
    assert origins["train.gamma"] == "default"


def test_bases_chain_and_a_circle_of_them_is_refused(recipe_text: str, write: Write) -> None:
    write(recipe_text)
    write("base: demo\nname: middle\ntitle: M\n", "middle.yaml")
    path = write("base: middle\nname: top\n", "top.yaml")
    assert only(load_recipe(path)).title == "M"
    write(recipe_text.replace("task:", "base: top\ntask:"))
    with pytest.raises(RecipeError, match=r"in a circle: top -> middle -> demo -> top \(base\)"):
        load_recipe(path)


def test_mistake_in_a_base_is_told_in_its_own_file(recipe_text: str, write: Write) -> None:
    write(recipe_text.replace("lr: 1e-3", "lr: fast"))
    with pytest.raises(RecipeError) as caught:
        load_recipe(write("base: demo\nname: child\n", "child.yaml"))
    assert [problem.where for problem in caught.value.problems] == ["demo.yaml:23"]


def test_each_variant_gives_a_recipe(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace(
        "profiles:",
        "variants:\n- {name: none, set: [model.dropout=0.0]}\n"
        "- name: much\n  set: [model.dropout=0.5, arms.lslu.options.n=5]\nprofiles:",
    )
    loaded = load_recipe(write(text), overrides=["train.lr=0.25"])
    assert [recipe.variant for recipe in loaded.recipes] == ["none", "much"]
    assert [recipe.model.model_dump()["dropout"] for recipe in loaded.recipes] == [0.0, 0.5]
    assert [recipe.train.lr for recipe in loaded.recipes] == [0.25, 0.25]
    assert loaded.recipes[1].arm("lslu").options == LSLUOptions(n=5)
    assert loaded.origins[1]["model.dropout"] == "variant (demo.yaml:34)"
    assert loaded.origins[1]["train.lr"] == "command line"


def test_profile_may_have_variants_of_its_own(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("  paper: {}", "  paper: {variants: [{name: a, set: [train.lr=1]}]}")
    loaded = load_profiles(write(text))
    assert [recipe.variant for recipe in loaded["paper"].recipes] == ["a"]
    assert [recipe.variant for recipe in loaded["lite"].recipes] == [None]


def test_overrides_and_limit_touch_the_chosen_profile_alone(recipe_text: str, write: Write) -> None:
    # The arm of the override exists under one profile only, which must not make the others wrong.
    text = recipe_text.replace("  paper: {}", "  paper: {arms: [{name: elu, activation: elu}]}")
    path = write(text)
    recipe = only(load_recipe(path, profile="paper", overrides=["arms.elu.options.alpha=2"], limit=64))
    assert recipe.limit == 64
    assert recipe.arm("elu").options.model_dump() == {"alpha": 2.0}
    with pytest.raises(RecipeError, match="unknown arm 'elu'"):
        load_recipe(path, overrides=["arms.elu.options.alpha=2"])


def test_limit_and_seeds_of_the_command_line_are_checked(write: Write) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(), limit=1, seeds="3..1")
    told = {(problem.where, problem.key) for problem in caught.value.problems}
    assert told == {("command line", "--limit"), ("command line", "--seeds")}


def test_unknown_arms_are_told_with_the_known_ones(write: Write) -> None:
    assert only(load_recipe(write(), arms=["relu"])).arms[1].name == "swish"
    with pytest.raises(RecipeError) as caught:
        load_recipe("demo.yaml", arms=["relu", "lslv", "x"])
    assert [problem.message for problem in caught.value.problems] == ["unknown arm 'lslv'", "unknown arm 'x'"]
    assert caught.value.problems[0].hints == ("known: relu, swish, lslu", "did you mean 'lslu'?")


def test_mistake_of_one_profile_is_told_whichever_is_chosen_and_says_so(
    recipe_text: str, write: Write
) -> None:
    path = write(recipe_text.replace("    seeds: 0\n", "    train: {lr: 1e-9}\n"))
    for profile in PROFILES:
        with pytest.raises(RecipeError) as caught:
            load_recipe(path, profile=profile)
        (problem,) = caught.value.problems
        assert problem.message == "min_lr 1e-05 is above lr 1e-09"
        assert (problem.where, problem.hints) == ("demo.yaml:24", ("under the profile smoke",))


def test_mistake_of_another_profile_is_passed_over_where_results_are_read(
    recipe_text: str, write: Write
) -> None:
    path = write(recipe_text.replace("    seeds: 0\n", "    train: {lr: 1e-9}\n"))
    assert only(load_recipe(path, whole=False)) == only(load_recipe(write(recipe_text)))
    write(recipe_text.replace("    seeds: 0\n", "    train: {lr: 1e-9}\n"))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, profile="smoke", whole=False)
    assert caught.value.problems[0].hints == ("under the profile smoke",)


def test_every_leaf_has_an_origin(write: Write) -> None:
    loaded = load_recipe(write(), overrides=["arms.lslu.options.n=5"], seeds="1")
    origins = loaded.origins[0]
    assert origins["arms.lslu.options.n"] == "command line"
    assert origins["arms.lslu.activation"] == "demo.yaml:18"
    assert origins["arms.lslu.train.lr_factor"] == "default"
    assert origins["seeds"] == "command line"
    assert origins["profile"] == "default"
    assert load_recipe("demo.yaml", profile="lite").origins[0]["profile"] == "command line"
    assert origins["train.epochs"] == "profile lite (demo.yaml:34)"


@pytest.mark.parametrize("name", packaged_recipes())
def test_shipped_recipes_load_under_every_profile_and_survive_json(name: str) -> None:
    for loaded in load_profiles(packaged_recipes()[name]).values():
        for recipe in loaded.recipes:
            assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_an_arm_of_another_profile_is_found_there(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("  paper: {}", "  paper: {arms: [{name: gelu, activation: gelu}]}")
    with pytest.raises(RecipeError, match="unknown arm 'gelu'") as caught:
        load_recipe(write(text), arms=["gelu"])
    assert "profile paper has it: --profile paper" in str(caught.value)
    load_recipe("demo.yaml", profile="paper", arms=["gelu"])


def test_a_bad_seed_is_told_once(write: Write) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(), seeds="-1")
    assert str(caught.value) == "command line: must be at least 0 (--seeds)"
