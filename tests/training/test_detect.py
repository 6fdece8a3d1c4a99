"""Average precision by hand, equal footing of detectors, and the loop's promises under task detect."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as codec
from torch import nn

from actbench.data.objects import Picture, Thing
from actbench.data.source import DetectionSource
from actbench.errors import DivergedError
from actbench.recipe.schema import Recipe
from actbench.record import DetectionTally
from actbench.training.build import build_model
from actbench.training.detect import average_precision, evaluate_detector
from actbench.training.loop import train_epochs, update
from actbench.training.sources import DataSources
from actbench.training.state import start_state

CPU = torch.device("cpu")
ARMS = ("relu", "swish", "prelu", "pwlu")


def detection_recipe(**blocks: Any) -> Recipe:
    plain: dict[str, Any] = {
        "name": "tiny",
        "task": "detect",
        "profile": "smoke",
        "data": {"name": "synthetic_shapes", "size": 64, "train": 10, "test": 8},
        "input": {
            "size": 64,
            "max_size": 128,
            "normalize": "imagenet",
            "interpolation": "bilinear",
            "flip": 0.5,
        },
        "model": {"name": "retinanet", "depth": 18, "width": 4, "fpn_channels": 8},
        "arms": [
            *({"name": name, "activation": name} for name in ARMS[:-1]),
            {"name": "pwlu", "activation": "pwlu", "options": {"phase_epochs": 1}},
        ],
        "train": {"epochs": 1, "batch_size": 4, "lr": 0.01},
        "evaluation": {"val_fraction": 0.2, "batch_size": 4},
        "seeds": [0],
    }
    for key, value in blocks.items():
        plain[key] = {**plain[key], **value} if isinstance(value, dict) and "name" not in value else value
    return Recipe.model_validate(plain)


def open_shapes(recipe: Recipe) -> DetectionSource:
    source = DataSources(Path("none")).of(recipe)
    assert isinstance(source, DetectionSource)
    return source


def _thing(box: tuple[float, float, float, float], *, crowd: bool = False) -> Thing:
    left, top, width, height = box
    corners = [left, top, left + width, top, left + width, top + height, left, top + height]
    return Thing(box, 1, width * height, crowd, [corners])


def _found(box: tuple[float, float, float, float], score: float) -> dict[str, Any]:
    left, top, width, height = (int(value) for value in box)
    pixels = np.zeros((300, 300), dtype=np.uint8, order="F")
    pixels[top : top + height, left : left + width] = 1
    return {
        "image_id": 0,
        "category_id": 1,
        "bbox": list(box),
        "score": score,
        "segmentation": codec.encode(pixels),
    }


def test_average_precision_equals_the_one_by_hand() -> None:
    """Two objects; found: one exactly, then nothing, then the other with an IoU of 0.62.

    Up to a threshold of 0.60 precision is 1 until recall 0.5 and 2/3 until recall 1: over the 101 recalls
    (51 + 50 * 2/3) / 101. Above it the second object is missed: 51 / 101. Three of the ten thresholds are of
    the first kind. Both objects have 10,000 pixels, which COCO calls large.
    """
    picture = Picture("a", 300, 300, (_thing((10, 10, 100, 100)), _thing((150, 150, 100, 100))))
    found = [
        _found((10, 10, 100, 100), 0.9),
        _found((20, 200, 50, 50), 0.8),
        _found((150, 150, 62, 100), 0.7),
    ]
    tally, per_class = average_precision([picture], found, ("disc",), masks=True)
    low, high = (51 + 50 * 2 / 3) / 101, 51 / 101
    assert tally.mask is not None
    for found_ap in (tally.box, tally.mask):
        assert found_ap.ap == pytest.approx((3 * low + 7 * high) / 10, abs=1e-9)
        assert found_ap.ap50 == pytest.approx(low, abs=1e-9)
        assert found_ap.ap75 == pytest.approx(high, abs=1e-9)
        assert (found_ap.small, found_ap.medium) == (None, None)
    # The wrong detection is of medium size and unmatched, so it is no error among the large ones.
    assert tally.box.large == pytest.approx((3 * 1 + 7 * high) / 10, abs=1e-9)
    assert per_class == {"disc": pytest.approx((3 * low + 7 * high) / 10, abs=1e-9)}
    assert (tally.images, tally.objects, tally.detections) == (1, 2, 3)


def test_what_lies_in_a_crowd_is_no_error_and_nothing_found_is_zero() -> None:
    picture = Picture("a", 300, 300, (_thing((10, 10, 100, 100)), _thing((150, 10, 140, 280), crowd=True)))
    found = [_found((160, 20, 50, 50), 0.9), _found((10, 10, 100, 100), 0.8)]
    tally, _ = average_precision([picture], found, ("disc",), masks=False)
    assert tally.box.ap == pytest.approx(1.0)
    assert (tally.mask, tally.objects) == (None, 1)
    tally, _ = average_precision([picture], [], ("disc",), masks=True)
    assert (tally.box.ap, tally.box.large, tally.mask and tally.mask.ap) == (0.0, 0.0, 0.0)
    empty = Picture("b", 300, 300, ())
    tally, per_class = average_precision([empty], found, ("disc",), masks=False)
    assert (tally.box.ap, per_class) == (None, {"disc": None})


@pytest.mark.parametrize("model", ["retinanet", "maskrcnn"])
def test_shared_weights_start_bitwise_equal(model: str) -> None:
    recipe = detection_recipe(model={"name": model, "depth": 18, "width": 4, "fpn_channels": 8})
    starts = {
        arm.name: dict(build_model(recipe, arm, seed=5, num_classes=3, channels=3).named_parameters())
        for arm in recipe.arms
    }
    for one, other in itertools.combinations(starts, 2):
        shared = starts[one].keys() & starts[other].keys()
        assert len(shared) >= 75
        assert all(torch.equal(starts[one][name], starts[other][name]) for name in shared), (one, other)


def test_every_arm_sees_the_same_batches_and_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is watched: pictures and targets of every update, and what torch would draw at its end."""
    from actbench.training import loop

    recipe = detection_recipe(
        model={"name": "maskrcnn", "depth": 18, "width": 4, "fpn_channels": 8, "proposals": 8}
    )
    source = open_shapes(recipe)
    seen: dict[str, list[torch.Tensor]] = {}
    for arm in recipe.arms[:2]:
        state = start_state(recipe, arm, seed=3, source=source, device=CPU)
        seen[arm.name] = []

        def watched(state: Any, batch: Any, *rest: Any, name: str = arm.name) -> float:
            seen[name] += [*batch.images, *(target["masks"] for target in batch.targets), torch.rand(3)]
            return update(state, batch, *rest)

        monkeypatch.setattr(loop, "update", watched)
        list(loop.train_epochs(state, recipe, arm, seed=3, source=source, device=CPU))
    assert len(seen["relu"]) == len(seen["swish"]) > 0
    assert all(map(torch.equal, seen["relu"], seen["swish"]))


def test_pwlu_changes_its_phase_and_the_moving_average_follows() -> None:
    recipe = detection_recipe(train={"epochs": 2, "ema": {"horizon": 0.5}}, evaluation={"every": 2})
    arm = recipe.arm("pwlu")
    state = start_state(recipe, arm, seed=0, source=open_shapes(recipe), device=CPU)
    first, second = train_epochs(state, recipe, arm, seed=0, source=open_shapes(recipe), device=CPU)
    assert first.val is None
    assert isinstance(second.val, DetectionTally)
    assert isinstance(second.val_ema, DetectionTally)
    assert len(second.notes) == len(state.sites) == 17
    assert state.ema is not None
    site = "detector.backbone.body.act1"
    for model in (state.model, state.ema.model):
        assert (
            model.get_submodule(site).get_buffer("phase").item()
            == state.sites[site].get_buffer("phase").item()
            != 1
        )


def test_parts_of_a_batch_add_up_to_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.BatchNorm2d, "training", False, raising=False)
    losses = []
    for accumulation in (1, 2):
        recipe = detection_recipe(train={"accumulation": accumulation})
        source = open_shapes(recipe)
        state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
        state.model.train()
        for module in state.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()  # whose statistics would differ from part to part
        batch = next(source.train_batches(seed=0, epoch=0, batch_size=4, device=CPU, channels_last=False))
        losses.append(update(state, batch, recipe.train, CPU))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("model", ["retinanet", "maskrcnn"])
def test_a_diverged_detector_names_step_and_layer(model: str) -> None:
    recipe = detection_recipe(model={"name": model, "depth": 18, "width": 4, "fpn_channels": 8})
    source = open_shapes(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    with torch.no_grad():
        state.model.get_parameter("detector.backbone.body.layer2.0.conv1.weight").fill_(float("nan"))
    with pytest.raises(DivergedError) as caught:
        list(train_epochs(state, recipe, recipe.arms[0], seed=0, source=source, device=CPU))
    assert (caught.value.epoch, caught.value.step) == (0, 0)
    assert caught.value.layer == "detector.backbone.body.layer2.0.conv1"


def test_a_perfect_detector_has_a_precision_of_one(
    make_oracle: Callable[[DetectionSource], nn.Module],
) -> None:
    """Pictures reach the model, and its answers the evaluation, in one order."""
    source = open_shapes(detection_recipe(model={"name": "maskrcnn"}))
    found = evaluate_detector(make_oracle(source), source, "test", batch_size=3, device=CPU)
    assert found.tally.box.ap == pytest.approx(1.0)
    assert found.tally.mask is not None
    assert found.tally.mask.ap == pytest.approx(1.0)


@pytest.fixture
def make_oracle() -> Callable[[DetectionSource], nn.Module]:
    """A model that knows a picture by its pixels and answers with the truth."""
    from actbench.data.objects import targets_of

    class Oracle(nn.Module):
        def __init__(self, source: DetectionSource) -> None:
            super().__init__()
            self.known = {}
            part = source._parts["test"]
            for picture in part.pictures:
                pixels = torch.from_numpy(part.read(picture).copy()).permute(2, 0, 1)
                self.known[(pixels.float() / 255).numpy().tobytes()] = targets_of(picture, masks=True)

        def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            targets = [self.known[image.contiguous().numpy().tobytes()] for image in images]
            return [
                {
                    "boxes": t["boxes"],
                    "labels": t["labels"],
                    "scores": torch.ones(len(t["labels"])),
                    "masks": t["masks"][:, None].float(),
                }
                for t in targets
            ]

    return Oracle
