"""Matched networks are as large as the other arm's, counted on models that have values."""

from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.activations.plugins import load_plugin
from actbench.errors import ActbenchError
from actbench.fair.controls import Measured, Pair, control_arms
from actbench.models.catalog import ArmModel
from actbench.models.stage_widths import stage_widths, with_widths
from actbench.recipe.schema import Arm, Recipe
from actbench.training.build import activation_sites, build_model
from actbench.training.cost import forward_work, probe
from actbench.training.matching import TOLERANCE, _Counts, matched_widths

SIZE = {"num_classes": 10, "channels": 3}
IMAGES = {"data": {"name": "cifar10"}, "input": {"size": 32}}
TEXT = {
    "data": {"name": "synthetic_text"},
    "task": "text",
    "input": {"tokens": {"max_length": 16}},
}
WIDE = {"activation": "fourier_series", "options": {"terms": 16, "sharing": "channel"}}
"""34 parameters a channel."""
ARCHITECTURES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "vanillanet": ({"name": "vanillanet", "width": 0.0625}, {"activation": "lslu"}),
    "resnet": ({"name": "resnet", "width": 8, "stem": "cifar"}, {"activation": "series"}),
    "resnet_cifar": ({"name": "resnet_cifar", "depth": 8, "width": 8}, {"activation": "lslu"}),
    "resnet_preact": ({"name": "resnet_preact", "depth": 11, "width": 8}, {"activation": "frelu"}),
    "cnn": ({"name": "cnn", "stages": [[8, 12], [16]], "dense": [24], "batch_norm": True}, WIDE),
    "vit": ({"name": "vit", "image_size": 32, "patch": 8, "width": 16, "depth": 2, "heads": 2}, WIDE),
    "bert_small": (
        {"name": "bert_small", "layers": 2, "width": 16, "heads": 2, "ff_width": 48, "max_length": 16},
        WIDE,
    ),
}


TEXT_OF = {"bert_small": TEXT}


def make(model: dict[str, Any], candidate: dict[str, Any], **blocks: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "matched",
            "profile": "lite",
            **IMAGES,
            "model": model,
            "arms": [{"name": "relu", "activation": "relu"}, {"name": "mine", **candidate}],
            "train": {"epochs": 1, "lr": 0.1},
            "controls": ["params", "macs"],
            **blocks,
        }
    )


def counted(recipe: Recipe, arm: Arm, control: str) -> int:
    """Parameters, or work of one example, of the very model that would be trained."""
    model = build_model(recipe, arm, seed=0, **SIZE)
    if control == "params":
        return sum(p.numel() for p in model.parameters())
    macs, pointwise, _ = forward_work(model, activation_sites(model), probe(recipe, SIZE["channels"]))
    return macs + pointwise


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_are_met_within_a_hundredth(name: str) -> None:
    model, candidate = ARCHITECTURES[name]
    _check_met(make(model, candidate, **{**TEXT_OF.get(name, {}), "controls": ["params"]}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_work_is_met_within_a_hundredth(name: str) -> None:
    model, candidate = ARCHITECTURES[name]
    _check_met(make(model, candidate, **{**TEXT_OF.get(name, {}), "controls": ["macs"]}))


def _check_met(recipe: Recipe) -> None:
    ((pair, changes),) = matched_widths(recipe, {}, **SIZE).items()
    assert (pair.baseline, pair.candidate) == ("relu", "mine")
    target, own = (counted(recipe, recipe.arm(name), pair.control) for name in ("mine", "relu"))
    matched = recipe.arm("relu").model_copy(update={"model": changes})
    assert abs(counted(recipe, matched, pair.control) / target - 1) <= TOLERANCE
    assert abs(own / target - 1) > TOLERANCE  # there was something to do


def test_stages_are_scaled_alike() -> None:
    recipe = make(
        {"name": "resnet_cifar", "depth": 8, "width": 64}, {"activation": "lslu"}, controls=["params"]
    )
    widths = matched_widths(recipe, {}, **SIZE)[Pair("relu", "params", "mine")].widths
    assert widths is not None
    factors = [new / old for new, old in zip(widths, (64, 128, 256), strict=True)]
    # Each is rounded to a channel, and corrected by single ones of the 64.
    assert max(factors) - min(factors) <= 2 / 64
    assert min(factors) > 1


def test_a_smaller_arm_makes_the_baseline_narrower() -> None:
    """The arm's one width is half, so it is met exactly by what the baseline's stages can be."""
    model = {"name": "resnet_cifar", "depth": 8, "width": 16}
    recipe = make(model, {"activation": "relu", "model": {"widths": [8, 16, 32]}}, controls=["params"])
    found = matched_widths(recipe, {}, **SIZE)
    assert {changes.widths for changes in found.values()} == {(8, 16, 32)}


def test_an_arm_of_the_same_size_needs_no_control() -> None:
    found = matched_widths(make({"name": "cnn"}, {"activation": "mish"}, controls=["params"]), {}, **SIZE)
    assert list(found.values()) == [ArmModel()]
    recipe = make({"name": "cnn"}, {"activation": "mish"}, controls=["params"])
    assert control_arms(recipe, {}, Measured(widths=found, step_time_s={})) == ()


def test_what_is_tuned_is_what_is_matched() -> None:
    recipe = make(
        {"name": "resnet_cifar", "depth": 8, "width": 8}, {"activation": "series"}, controls=["params"]
    )
    narrow = recipe.arm("mine").model_copy(
        update={"options": ACTIVATIONS["series"].options.model_validate({"n": 1})}
    )
    pair = Pair("relu", "params", "mine")
    plain = matched_widths(recipe, {}, **SIZE)[pair].widths
    tuned = matched_widths(recipe, {"mine": narrow}, **SIZE)[pair].widths
    assert plain is not None
    assert tuned is not None
    assert sum(plain) > sum(tuned) > 8 + 16 + 32


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        pytest.param(
            {"name": "torchvision", "arch": "mobilenet_v2", "stem": "cifar"},
            r"relu.params.mine: mine has 2,\d+,\d+ parameters, and relu cannot come within 1% of it: the widths of "
            r"'torchvision' cannot be changed here, and as it is it has 2,\d+,\d+ \(-\d+\.\d%\)",
            "take a model whose stages have widths",
            marks=pytest.mark.slow,
        ),
        (
            {"name": "cnn", "stages": [[2]]},
            r"relu.params.mine: mine has \d+ parameters, and relu cannot come within 1% of it: the nearest, of widths "
            r"\d+, has \d+ \([+-]\d+\.\d%\)",
            "a coarse step in so narrow a network",
        ),
    ],
)
def test_what_cannot_be_met_is_told_with_the_nearest_and_why(
    model: dict[str, Any], message: str, hint: str
) -> None:
    recipe = make(model, {"activation": "series", "options": {"n": 2}}, controls=["params"])
    with pytest.raises(ActbenchError, match=message) as caught:
        matched_widths(recipe, {}, **SIZE)
    assert hint in str(caught.value)
    assert "or leave params out of controls" in str(caught.value)


def test_all_that_cannot_be_met_is_told_at_once() -> None:
    arms = [{"name": name, "activation": name} for name in ("relu", "swish", "series")]
    recipe = make({"name": "cnn", "stages": [[2]]}, {"activation": "relu"}, arms=arms, controls=["params"])
    with pytest.raises(ActbenchError) as caught:
        matched_widths(recipe, {}, **SIZE)
    assert [problem.message.partition(":")[0] for problem in caught.value.problems] == [
        "relu.params.series",
        "swish.params.series",
    ]


@pytest.mark.usefixtures("catalogue")
def test_a_users_own_that_looks_at_values_is_counted_with_values(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\nclass Looking(nn.Module):\n"
        "    def __init__(self, num_channels: int) -> None:\n        super().__init__()\n"
        "        self.scale = nn.Parameter(torch.ones(num_channels, 1, 1))\n\n"
        "    def forward(self, x):\n        return x if float(x.sum()) > 1e30 else x.relu() * self.scale\n"
    )
    load_plugin(path)
    recipe = make({"name": "cnn", "stages": [[64], [64]]}, {"activation": "Looking"})
    assert list(matched_widths(recipe, {}, **SIZE).values()) == [ArmModel(), ArmModel()]
    work = _Counts(recipe, **SIZE)(recipe.arm("mine"), "macs")
    # What it declares to do is nothing; the convolutions and the classifier are what they are.
    assert work == counted(recipe, recipe.arm("mine"), "macs") == 32**2 * 27 * 64 + 16**2 * 576 * 64 + 640


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_widths_that_a_model_has_make_the_same_model(name: str) -> None:
    model, _ = ARCHITECTURES[name]
    recipe = make(model, {"activation": "gelu"}, **TEXT_OF.get(name, {}))
    plain = recipe.arm("relu")
    same = plain.model_copy(update={"model": with_widths(recipe.model, stage_widths(recipe.model))})
    assert same.model.changes()
    one, other = (build_model(recipe, arm, seed=3, **SIZE).state_dict() for arm in (plain, same))
    assert list(one) == list(other)
    assert all(torch.equal(one[key], other[key]) for key in one)
