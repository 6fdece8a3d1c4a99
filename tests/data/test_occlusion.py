"""Cutout and random erasing: which pixels change, how many, and to what."""

import pytest
import torch

from actbench.data.occlusion import cutout, draw_holes, random_erasing


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def channels_last(channels: int = 3, count: int = 400, side: int = 16) -> torch.Tensor:
    return torch.ones(count, channels, side, side).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [1, 5, 8, 16])
def test_cutout_hides_one_square_that_borders_may_cut(side: int) -> None:
    images = cutout(channels_last(), draw_holes(400, (16, 16), side, generator()))
    hidden = images[:, 0] == 0
    assert torch.equal(images, (~hidden).float()[:, None].expand_as(images))
    area = hidden.sum(dim=(1, 2))
    assert area.max() == side * side
    assert area.min() >= (side // 2) ** 2  # the centre never leaves the image
    rows, columns = hidden.any(dim=2).sum(dim=1), hidden.any(dim=1).sum(dim=1)
    assert torch.equal(rows * columns, area)  # a full rectangle
    if side > 1:
        assert area.min() < side * side


def test_erasing_fills_one_box_with_noise() -> None:
    images = random_erasing(channels_last(), 1.0, generator())
    erased = (images != 1).all(dim=1)
    area = erased.sum(dim=(1, 2)) / 256
    touched = erased.any(dim=2).any(dim=1)
    assert touched.float().mean() > 0.95
    rows, columns = erased.any(dim=2).sum(dim=1), erased.any(dim=1).sum(dim=1)
    assert torch.equal(rows * columns, erased.sum(dim=(1, 2)))
    assert 0.007 < area[touched].min() < 0.05
    assert 0.28 < area.max() < 0.4
    noise = images.movedim(1, -1)[erased]
    assert noise.mean().abs() < 0.02
    assert (noise.std() - 1).abs() < 0.02


@pytest.mark.parametrize(("probability", "low", "high"), [(0.0, 0.0, 0.0), (0.25, 0.18, 0.32)])
def test_erasing_happens_as_often_as_asked(probability: float, low: float, high: float) -> None:
    images = random_erasing(channels_last(), probability, generator())
    share = (images != 1).flatten(1).any(dim=1).float().mean()
    assert low <= share <= high


def test_memory_format_changes_no_value() -> None:
    both = (channels_last(), channels_last().contiguous())
    holes = draw_holes(400, (16, 16), 6, generator(1))
    hidden = [cutout(images.clone(), holes) for images in both]
    erased = [random_erasing(images.clone(), 0.7, generator(1)) for images in both]
    assert torch.equal(*hidden)
    assert torch.equal(*erased)
