"""Every operation against Pillow's or torchvision's at several magnitudes, and what a layer draws."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as reference
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from actbench.data import affine, photometric
from actbench.data.rand_augment import OPERATIONS, draw, rand_augment
from actbench.data.settings import RandAugmentSettings

SIDE = 20


def smooth_images(count: int = 6) -> Tensor:
    """Random images with neighbours alike, of differing contrast, so that every operation has work to do."""
    generator = torch.Generator().manual_seed(0)
    coarse = (
        torch.rand(count, 3, 5, 5, generator=generator) * torch.linspace(60, 250, count)[:, None, None, None]
    )
    fine = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")
    return fine.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def with_pillow(images: Tensor, function: Callable[[Image.Image], Image.Image]) -> Tensor:
    changed = [np.asarray(function(Image.fromarray(image.numpy()))) for image in images]
    return torch.from_numpy(np.stack(changed))


def amounts(value: float, count: int = 6) -> Tensor:
    return torch.full((count,), value)


def difference(ours: Tensor, theirs: Tensor) -> int:
    assert ours.dtype == torch.uint8
    assert ours.shape == theirs.shape
    return int((ours.int() - theirs.int()).abs().max())


@pytest.mark.parametrize("factor", [0.1, 0.37, 1.0, 1.45, 1.9])
@pytest.mark.parametrize("name", ["brightness", "color", "contrast", "sharpness"])
def test_blends_agree_with_pillow(name: str, factor: float) -> None:
    images = smooth_images()
    enhancer = getattr(ImageEnhance, name.capitalize())
    expected = with_pillow(images, lambda image: enhancer(image).enhance(factor))
    ours = getattr(photometric, name)(images, amounts(factor))
    assert difference(ours, expected) <= 1
    assert factor == 1.0 or difference(ours, images) > 1


def test_tables_agree_with_pillow() -> None:
    images = smooth_images()
    assert difference(photometric.autocontrast(images), with_pillow(images, ImageOps.autocontrast)) <= 1
    # Larger, so that several pixels share a step of the flattened histogram.
    large = images.repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)
    for each in (images, large):
        assert torch.equal(photometric.equalize(each), with_pillow(each, ImageOps.equalize))
    assert torch.equal(photometric.invert(images), with_pillow(images, ImageOps.invert))
    for bits in range(1, 5):
        expected = with_pillow(images, partial(ImageOps.posterize, bits=bits))
        assert torch.equal(photometric.posterize(images, amounts(bits)), expected)
    for threshold in (0, 77, 128, 256):
        expected = with_pillow(images, partial(ImageOps.solarize, threshold=threshold))
        assert torch.equal(photometric.solarize(images, amounts(threshold)), expected)


def test_solarize_add_raises_dark_values_only() -> None:
    images = torch.tensor([0, 100, 127, 128, 255], dtype=torch.uint8).view(1, 1, 5, 1)
    assert photometric.solarize_add(images, amounts(110, 1)).flatten().tolist() == [110, 210, 237, 128, 255]


def test_flat_images_survive() -> None:
    flat = torch.full((2, 8, 8, 3), 40, dtype=torch.uint8)
    assert torch.equal(photometric.autocontrast(flat), flat)
    assert torch.equal(photometric.equalize(flat), flat)


@pytest.mark.parametrize("level", [-1.0, -0.35, 0.0, 0.7, 1.0])
def test_affine_operations_agree_with_torchvision(level: float) -> None:
    images = smooth_images()
    # torchvision fills with 0, so grey is made 0; its own fill argument would darken the border twice.
    planes = images.permute(0, 3, 1, 2).float() - affine.FILL
    linear = reference.InterpolationMode.BILINEAR
    angle, shift = 30 * level, 0.45 * level * SIDE
    expected = {
        "rotate": (angle, reference.rotate(planes, angle, interpolation=linear)),
        "translate_x": (0.45 * level, reference.affine(planes, 0, [-shift, 0], 1.0, [0.0, 0.0], linear)),
        "translate_y": (0.45 * level, reference.affine(planes, 0, [0, -shift], 1.0, [0.0, 0.0], linear)),
    }
    for name, (amount, moved) in expected.items():
        theirs = (moved + affine.FILL).round().to(torch.uint8).permute(0, 2, 3, 1)
        assert difference(getattr(affine, name)(images, amounts(amount)), theirs) <= 1, name


@pytest.mark.parametrize("factor", [-0.3, 0.1, 0.3])
@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_affine_operations_agree_with_pillow_away_from_the_border(name: str, factor: float) -> None:
    images = smooth_images()
    matrices = {
        "shear_x": (1, factor, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, factor, 1, 0),
        "translate_x": (1, 0, factor * SIDE, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, factor * SIDE),
    }
    grey = (128, 128, 128)
    linear = Image.Resampling.BILINEAR
    amount = factor * 100 if name == "rotate" else factor

    def by_pillow(image: Image.Image) -> Image.Image:
        if name == "rotate":
            return image.rotate(amount, resample=linear, fillcolor=grey)
        return image.transform(image.size, Image.Transform.AFFINE, matrices[name], linear, fillcolor=grey)

    ours = getattr(affine, name)(images, amounts(amount))
    theirs = with_pillow(images, by_pillow)
    # Pillow does not blend the outermost half pixel with the fill, so the border of the source may differ.
    differs = ((ours.int() - theirs.int()).abs() > 2).any(dim=-1).float().mean()
    assert differs < 0.12
    assert difference(ours[:, 7:13, 7:13], theirs[:, 7:13, 7:13]) <= 2


def test_sides_that_differ_are_no_matter() -> None:
    images = smooth_images()[:, :, :12].contiguous()
    theirs = with_pillow(images, lambda image: image.rotate(20, resample=Image.Resampling.BILINEAR))
    assert difference(affine.rotate(images, amounts(20.0))[:, 8:12, 4:8], theirs[:, 8:12, 4:8]) <= 2


def test_there_are_fifteen_operations_and_each_keeps_shape_and_type() -> None:
    assert len(OPERATIONS) == 15
    for channels in (1, 3):
        images = smooth_images()[..., :channels].contiguous()
        for level in (0.0, 0.5, 1.0):
            for operation in OPERATIONS.values():
                changed = operation(images.clone(), amounts(level), amounts(-1.0))
                assert changed.shape == images.shape
                assert changed.dtype == torch.uint8


def test_growing_magnitude_changes_more() -> None:
    images = smooth_images()
    for name in ("rotate", "color", "contrast", "brightness", "shear_x", "translate_y", "solarize"):
        for sign in (-1.0, 1.0):
            steps = [
                (OPERATIONS[name](images.clone(), amounts(level), amounts(sign)).int() - images.int())
                .abs()
                .sum()
                for level in (0.0, 0.4, 0.9)
            ]
            assert steps[0] <= steps[1] < steps[2], name


def test_what_a_layer_draws() -> None:
    settings = RandAugmentSettings(num_ops=1, magnitude=9, magnitude_std=2)
    draws = draw(settings, 30_000, torch.Generator().manual_seed(0))
    assert (draws.operation == -1).float().mean().item() == pytest.approx(0.5, abs=0.02)
    counts = torch.bincount(draws.operation[draws.operation >= 0], minlength=15)
    assert counts.min() > 850
    assert counts.max() < 1150
    assert draws.level.max() == 1.0
    assert draws.level.min() >= 0.0
    assert (draws.level == 1.0).float().mean().item() == pytest.approx(0.309, abs=0.02)  # P(z > 0.5)
    assert set(draws.sign.tolist()) == {-1.0, 1.0}


def test_a_layer_changes_each_image_by_its_own_draw() -> None:
    images = smooth_images(40)
    settings = RandAugmentSettings(num_ops=1, magnitude=8, magnitude_std=1)
    draws = draw(settings, 40, torch.Generator().manual_seed(5))
    changed = rand_augment(images.clone(), [draws])
    operations = list(OPERATIONS.values())
    for i in range(40):
        expected = images[i : i + 1]
        if draws.operation[i] >= 0:
            operation = operations[int(draws.operation[i])]
            expected = operation(expected.clone(), draws.level[i : i + 1], draws.sign[i : i + 1])
        assert difference(changed[i : i + 1], expected) <= 1
