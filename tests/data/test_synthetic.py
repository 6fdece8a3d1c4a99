"""The generated set: reproducible, balanced, and learnable by the simplest classifier."""

import numpy as np
import pytest

from actbench.data.catalog import SyntheticOptions
from actbench.data.synthetic import make_synthetic


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 30)])
def test_shape_and_balance(channels: int, size: int) -> None:
    data = make_synthetic(
        SyntheticOptions(name="synthetic", num_classes=4, size=size, channels=channels, train=18)
    )
    assert data.train.images.shape == (18, size, size, channels)
    assert np.bincount(data.train.labels).tolist() == [5, 5, 4, 4]
    assert data.test.images.shape == (256, size, size, channels)


def test_it_is_the_same_every_time_and_its_parts_differ() -> None:
    options = SyntheticOptions(name="synthetic", size=8, train=32, test=32)
    first, second = make_synthetic(options), make_synthetic(options)
    assert np.array_equal(first.train.images, second.train.images)
    assert not np.array_equal(first.train.images, first.test.images)
    assert first.train.images.reshape(-1)[:6].tolist() == second.train.images.reshape(-1)[:6].tolist()


def test_the_nearest_class_mean_recognises_the_classes() -> None:
    data = make_synthetic(SyntheticOptions(name="synthetic"))
    pixels = data.train.images.reshape(512, -1).astype(np.float64)
    means = np.stack([pixels[data.train.labels == label].mean(axis=0) for label in range(10)])
    distance = ((data.test.images.reshape(256, 1, -1) - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == data.test.labels).mean() > 0.95
