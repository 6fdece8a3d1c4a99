"""Crops, flips and resizing against plain loops and torch's own resizing."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.data.folders import Interpolation
from actbench.data.geometry import (
    Boxes,
    centre_crop,
    crop_and_resize,
    draw_boxes,
    flip_some,
    pad_crop,
    resize,
    take,
)


def random_images(count: int, height: int, width: int, channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, height, width, channels), generator=generator, dtype=torch.uint8)


def test_take_reads_rows_in_the_order_asked_for() -> None:
    images = random_images(7, 3, 4, 2)
    index = torch.tensor([6, 0, 0, 3])
    assert torch.equal(take(images, index), images[index])


@pytest.mark.parametrize(
    ("height", "width", "channels", "padding"), [(8, 8, 3, 2), (5, 9, 1, 4), (6, 6, 3, 0)]
)
def test_pad_crop_equals_a_plain_loop(height: int, width: int, channels: int, padding: int) -> None:
    count = (2 * padding + 1) ** 2
    images = random_images(count, height, width, channels)
    top = torch.arange(count) // (2 * padding + 1)
    left = torch.arange(count) % (2 * padding + 1)
    expected = []
    for image, t, column in zip(images, top.tolist(), left.tolist(), strict=True):
        framed = F.pad(image, (0, 0, padding, padding, padding, padding))
        expected.append(framed[t : t + height, column : column + width])
    assert torch.equal(pad_crop(images, top, left, padding), torch.stack(expected))


def test_flip_mirrors_the_chosen_images_only() -> None:
    images = random_images(5, 4, 6, 3)
    before = images.clone()
    mask = torch.tensor([True, False, False, True, True])
    flipped = flip_some(images, mask)
    for i in range(5):
        expected = torch.stack([before[i, :, 5 - x] for x in range(6)], dim=1) if mask[i] else before[i]
        assert torch.equal(flipped[i], expected)
    assert torch.equal(flip_some(images, torch.zeros(5, dtype=torch.bool)), before)


def whole_boxes(count: int, side: int) -> Boxes:
    zero, full = torch.zeros(count, dtype=torch.long), torch.full((count,), side)
    return Boxes(zero, zero, full, full)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [8, 16, 20])
def test_a_crop_of_the_whole_image_is_a_resize(interpolation: Interpolation, size: int) -> None:
    images = random_images(3, 8, 8, 3)
    cropped = crop_and_resize(images, whole_boxes(3, 8), size, interpolation)
    expected = resize(images, size, interpolation)
    assert (cropped.int() - expected.int()).abs().max() <= 1  # the last rounding may fall either way


def test_a_crop_at_its_own_size_is_a_slice() -> None:
    images = random_images(2, 10, 10, 3)
    boxes = Boxes(*(torch.tensor(v) for v in ([1, 4], [3, 0], [6, 6], [6, 6])))
    cropped = crop_and_resize(images, boxes, 6, "bilinear")
    assert torch.equal(cropped[0], images[0, 1:7, 3:9])
    assert torch.equal(cropped[1], images[1, 4:10, 0:6])


def test_boxes_lie_inside_and_keep_area_and_ratio() -> None:
    boxes = draw_boxes(torch.Generator().manual_seed(0), 4000, height=64, width=64, scale_min=0.2)
    assert (boxes.top >= 0).all()
    assert (boxes.left >= 0).all()
    assert (boxes.top + boxes.height <= 64).all()
    assert (boxes.left + boxes.width <= 64).all()
    area = boxes.height * boxes.width / 64**2
    ratio = boxes.width / boxes.height
    # Sides are rounded to pixels: half a pixel of the smallest side (about 25) is 2 %.
    assert 0.19 < area.min() < 0.22
    assert 0.95 < area.max() <= 1
    assert 0.72 < ratio.min() < 0.78
    assert 1.28 < ratio.max() < 1.39
    assert (boxes.top + boxes.height == 64).any()
    assert (boxes.left == 0).any()


def test_where_nothing_fits_the_largest_middle_is_taken() -> None:
    boxes = draw_boxes(torch.Generator().manual_seed(0), 1, height=10, width=100, scale_min=1.0)
    assert [int(v) for v in boxes] == [0, 44, 10, 13] or [int(v) for v in boxes] == [0, 43, 10, 13]


def test_resize_filters_when_it_shrinks() -> None:
    stripes = torch.zeros(1, 16, 16, 1, dtype=torch.uint8)
    stripes[:, :, ::4] = 255  # a quarter of full brightness, which plain sampling would miss altogether
    assert (resize(stripes, 4, "bilinear")[:, :, 1:-1].float() - 255 / 4).abs().max() < 3
    assert resize(stripes, 16, "bilinear") is stripes
    constant = torch.full((1, 5, 5, 3), 77, dtype=torch.uint8)
    assert (resize(constant, 9, "bicubic") == 77).all()


def test_the_centre_crop_is_the_middle() -> None:
    images = random_images(2, 10, 10, 1)
    assert torch.equal(centre_crop(images, 6), images[:, 2:8, 2:8])
