"""Mean and deviation: measured exactly, or the constants that the recipe asks for."""

import numpy as np
import pytest

from actbench.data.normalization import IMAGENET, choose_normalization, measure
from actbench.data.settings import InputSettings


def test_measured_over_all_pixels_of_a_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5000, 4, 4, 3), dtype=np.uint8)
    images[..., 1] //= 3
    found = measure(images)
    assert found.mean == pytest.approx((images / 255).mean(axis=(0, 1, 2)))
    assert found.std == pytest.approx((images / 255).std(axis=(0, 1, 2)))


def test_a_constant_channel_can_be_divided_by() -> None:
    assert measure(np.full((2, 3, 3, 1), 9, np.uint8)).std == pytest.approx((1 / 255,))


def test_the_choices() -> None:
    colour, grey = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 1), np.uint8)
    assert choose_normalization("cifar10", InputSettings(normalize="imagenet"), colour) == IMAGENET
    assert choose_normalization("cifar10", InputSettings(), colour).mean == (0.4914, 0.4822, 0.4465)
    assert choose_normalization("digits", InputSettings(normalize="half"), grey).std == (0.5,)
    assert choose_normalization("digits", InputSettings(normalize="imagenet"), grey).mean == pytest.approx(
        (0.449,), abs=1e-3
    )
    assert choose_normalization("digits", InputSettings(), grey).mean == (0.0,)
