from collections.abc import Callable
from typing import Any, Literal

import pytest

from actbench.models.catalog import TORCHVISION_ARCHS
from actbench.papers.matching import data_label, model_label, reported_values, resolved_activation
from actbench.papers.reported import Paper, ReportedRow, ReportedTable, load_paper
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe

MakeRecipe = Callable[..., Recipe]


def values(recipe: Recipe, arm: str, paper: Paper | None = None) -> list[float | None]:
    return [
        r.value for r in reported_values(paper or load_paper("lslu"), recipe, recipe.arm(arm), "absolute")
    ]


def arms(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "arm", "activation": "series", **fields}]


IMAGENET: dict[str, Any] = {"data": {"name": "imagenet"}, "input": {"size": 224}}


def test_a_value_stands_beside_its_model_and_data_alone(make_recipe: MakeRecipe) -> None:
    def of(depth: int, **fields: Any) -> list[float | None]:
        return values(make_recipe(arms=arms(), model={"name": "vanillanet", "depth": depth}, **fields), "arm")

    assert of(7, **IMAGENET) == [77.98]
    assert of(8, **IMAGENET) == [79.13]
    assert of(8, data={"name": "digits"}) == []


def test_native_stands_for_the_architectures_own(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=arms(activation="native"), model={"name": "vanillanet", "depth": 7}, **IMAGENET)
    assert values(recipe, "arm") == [77.98]


@pytest.mark.parametrize("fields", [{"options": {"n": 5}}, {"train": {"lr_factor": 0.1}}, {"sites": "stem"}])
def test_a_value_does_not_stand_beside_another_setting_of_the_arm(
    fields: dict[str, Any], make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(arms=arms(**fields), model={"name": "vanillanet", "depth": 7}, **IMAGENET)
    assert values(recipe, "arm") == []


def test_an_unread_value_stands_beside_every_n_and_no_other_change(make_recipe: MakeRecipe) -> None:
    def of(activation: str = "lslu", **fields: Any) -> list[float | None]:
        return values(make_recipe(arms=arms(activation=activation, **fields)), "arm")

    assert of() == [None]
    assert of(options={"n": 7}) == [None]
    assert of(options={"freeze": True}) == []
    assert of(sites="stem") == []
    assert of("series") == [None]
    assert of("series", options={"base": "swish"}) == []


def test_the_recipes_own_table_comes_first_and_several_conditions_all_stand(make_recipe: MakeRecipe) -> None:
    fields = {"arms": arms(), "model": {"name": "vanillanet", "depth": 6}, **IMAGENET}
    assert values(make_recipe(**fields), "arm") == [76.36]
    assert values(make_recipe(table="vanillanet-ablation", **fields), "arm") == [75.23, 76.36]


def test_rows_on_other_data_say_so_and_need_the_recipe_to_name_their_table(make_recipe: MakeRecipe) -> None:
    table = ReportedTable(
        id="t",
        caption="T",
        dataset="Tiny ImageNet",
        metric="top1_accuracy",
        unit="percent",
        rows=(ReportedRow(model="VanillaNet", activation="series", value=60.0),),
    )
    paper = load_paper("lslu").model_copy(update={"tables": (table,)})
    assert values(make_recipe(arms=arms()), "arm", paper) == []
    recipe = make_recipe(arms=arms(), table="t")
    (found,) = reported_values(paper, recipe, recipe.arm("arm"), "absolute")
    assert found.other_data == "Tiny ImageNet"


def test_labels_say_what_differs_from_the_published_network(make_recipe: MakeRecipe) -> None:
    def label(**model: Any) -> str:
        return model_label(make_recipe(arms=[{"name": "relu", "activation": "relu"}], model=model).model)

    assert label(name="vanillanet") == "VanillaNet-5"
    assert label(name="vanillanet", depth=6, width=0.25, stem_stride=2) == "VanillaNet-6 x0.25, stem stride 2"
    assert label(name="resnet", depth=50) == "ResNet-50"
    assert label(name="resnet", width=32, stem="cifar") == "ResNet-18, width 32, 3x3 stem"
    assert label(name="resnet_cifar", width=8) == "ResNet-20, width 8"
    assert label(name="resnet_preact") == "ResNet-164 with pre-activation"
    assert label(name="resnet_preact", depth=20, width=8) == "ResNet-20 with pre-activation, width 8"
    small = [[16], [32], [32]]
    assert label(name="cnn", stages=small, map_side=4) == "Small CNN"
    assert label(name="cnn", stages=small, map_side=4, batch_norm=True) == "Small CNN with BN"
    assert label(name="cnn", stages=[[4, 6], [8]], dense=[9, 7]) == "CNN 4-6/8 + 9-7"
    assert label(name="cnn", stages=[[4]]) == "CNN 4"
    assert (
        data_label(make_recipe(data={"name": "image_folder", "folder": "pictures/silkworm/"}).data)
        == "silkworm"
    )


def test_pwlus_gain_stands_beside_torchvisions_networks(make_recipe: MakeRecipe) -> None:
    def gains(arch: str) -> list[float | None]:
        recipe = make_recipe(
            arms=[{"name": "pwlu", "activation": "pwlu"}],
            model={"name": "torchvision", "arch": arch},
            **IMAGENET,
        )
        return [r.value for r in reported_values(load_paper("pwlu"), recipe, recipe.arm("pwlu"), "gain")]

    assert {arch: gains(arch) for arch in TORCHVISION_ARCHS} == {
        "resnet18": [0.9],
        "resnet50": [0.53],
        "mobilenet_v2": [1.0],
        "mobilenet_v3_large": [1.7],
        "efficientnet_b0": [1.0],
    }


@pytest.mark.parametrize(
    ("name", "arm", "kind", "wanted"),
    [
        ("swish_resnet_c100", "relu", "absolute", [74.2]),
        ("swish_resnet_c100", "swish", "absolute", [75.1]),
        ("rational_lenet_c100", "leaky_relu", "absolute", [37.9]),
        ("tracts_small_c10", "fourier_series", "gain", [5.09]),
        ("talu_mnist", "talu", "gain", [6.0]),
    ],
)
def test_small_networks_find_their_papers_values(
    name: str, arm: str, kind: Literal["absolute", "gain"], wanted: list[float]
) -> None:
    recipe = load_recipe(name, profile="paper").recipes[0]
    assert recipe.paper is not None
    found = reported_values(load_paper(recipe.paper), recipe, recipe.arm(arm), kind)
    assert [r.value for r in found] == wanted


def test_native_may_be_several(make_recipe: MakeRecipe) -> None:
    model = {"name": "torchvision", "arch": "mobilenet_v3_large"}
    recipe = make_recipe(arms=arms(activation="native"), model=model)
    assert resolved_activation(recipe.arm("arm"), recipe) == "hardswish and relu"


def test_labels_of_torchvisions_networks(make_recipe: MakeRecipe) -> None:
    def label(**model: Any) -> str:
        return model_label(make_recipe(arms=arms(), model={"name": "torchvision", **model}).model)

    assert label(arch="mobilenet_v3_large") == "MobileNet-V3-Large"
    assert label(arch="mobilenet_v2", stem="cifar", width=0.25) == "MobileNet-V2 x0.25, stem for small images"


def test_a_row_that_names_its_arm_stands_beside_that_arm_alone_whatever_its_options(
    make_recipe: MakeRecipe,
) -> None:
    rows = (
        ReportedRow(model="VanillaNet-7", activation="series", arm="deep", value=1.0),
        ReportedRow(model="VanillaNet-7", activation="series", arm="unread", value=None),
        ReportedRow(model="VanillaNet-7", activation="series", value=2.0),
    )
    plain = load_paper("lslu").table("vanillanet-imagenet")
    paper = load_paper("lslu").model_copy(update={"tables": (plain.model_copy(update={"rows": rows}),)})

    def of(name: str, **fields: Any) -> list[float | None]:
        named = [{"name": name, "activation": "series", **fields}]
        recipe = make_recipe(arms=named, model={"name": "vanillanet", "depth": 7}, **IMAGENET)
        return values(recipe, name, paper)

    assert of("deep", options={"n": 5}, sites="stem") == [1.0]
    assert of("unread", options={"n": 5}) == [None]
    assert of("arm", options={"n": 5}) == []
    assert of("arm") == [2.0]
